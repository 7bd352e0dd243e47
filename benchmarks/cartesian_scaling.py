"""What a step of cace and ictp costs by number of atoms, degree or rank, and order.

    python benchmarks/cartesian_scaling.py OUT

Rattled bcc Mo, cutoff 5 Å, one thread, processor time of one frame: energy and forces in double
precision (as in MD), and a step of training in single precision. OUT/scaling.csv.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from ase.build import bulk

from dosml.learners.cartesian.batches import TableBuilder
from dosml.learners.cartesian.potential import Potential
from dosml.learners.cartesian.settings import CaceSettings, IctpSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from dosml.learners.cartesian.settings import CartesianSettings

CASES: list[tuple[CartesianSettings, int]] = [
    *((CaceSettings(layers=0), repeat) for repeat in (2, 3, 4, 5)),
    *((CaceSettings(layers=0, nu=nu, l_max=top), 3) for nu in (2, 3, 4) for top in (1, 2, 3, 4)),
    *((CaceSettings(layers=layers), 3) for layers in (1, 2)),
    *((IctpSettings(), repeat) for repeat in (2, 3, 4)),
    *((IctpSettings(rank=rank), 3) for rank in (1, 2, 4)),
    *((IctpSettings(correlation=order), 3) for order in (1, 2)),
]
SHOWN = ("layers", "nu", "l_max", "rank", "correlation")


def seconds(task: Callable[[], object]) -> float:
    """Processor time of the quicker of two runs, after one that does not count."""
    task()
    found = []
    for _ in range(2):
        began = time.process_time()
        task()
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    """Measure everything and write one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows = []
    for settings, repeat in CASES:
        atoms = bulk("Mo", cubic=True) * (repeat, repeat, repeat)
        atoms.rattle(0.1, seed=0)
        table = TableBuilder(settings.cutoff, [42]).build([atoms])
        single = table.to(torch.device("cpu"), torch.float32)
        potential = Potential(settings, 1, float(table.filled.sum(dim=1).mean()), 1.0)
        step = seconds(lambda model=potential, at=table: model(at))
        potential.float()

        def train(model: Potential = potential, at: object = single) -> None:
            said = model(at, train=True)
            (said.forces.square().sum() + said.energies.square().sum()).backward()

        rows.append(
            {
                "learner": settings.name,
                **{name: getattr(settings, name, "") for name in SHOWN},
                "atoms": len(atoms),
                "parameters": sum(one.numel() for one in potential.parameters()),
                "milliseconds_forces": 1000 * step,
                "milliseconds_training": 1000 * seconds(train),
            }
        )
        print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
        pd.DataFrame(rows).to_csv(given.out / "scaling.csv", index=False)


if __name__ == "__main__":
    main()
