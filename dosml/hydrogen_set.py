"""Make the hydrogen clusters that ship: drawn, labelled by full configuration interaction, written.

    python -m dosml.hydrogen_set WORKDIR

Needs the extra `hydrogen`. What is computed stays in WORKDIR: a run that was stopped continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import LabelError
from dosml.progress import Reporter
from dosml.relabel.clusters import draw_clusters, in_vacuum
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, save
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.frames import canonical
from dosml.relabel.hydrogen import (
    DENSITIES,
    FOLDER,
    LABELS,
    N_TEST,
    N_TRAIN,
    SHORTEST,
    SIZES,
    density_name,
    expanded,
    write_parts,
)
from dosml.settings import available_cores
from dosml.studies.body_order_energies import EnergySource, part_energies
from dosml.terminal import print_line
from dosml.theory.body_order import up_to
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from ase import Atoms

    from dosml.relabel.execution.runner import Runner

CALCULATORS = "dosml.relabel.full_ci"
ENGINE = f"ase:{CALCULATORS}:sto_3g"
#: Has no meaning for this engine, which knows no smearing: an engine is asked with a setting.
_SETTING = ElectronicSetting(Smearing("fermi-dirac", 0.1))


def source() -> EnergySource:
    """Give full configuration interaction as a source of energies."""
    engine = make_engine(ENGINE)
    return EnergySource("full_ci", engine.fingerprint(), (LABELS,), engine, (_SETTING,))


def clusters(density: float, seed: int) -> list[Atoms]:
    """Draw the clusters of one density: every stretch of them holds all sizes."""
    drawn = draw_clusters(SIZES, N_TRAIN + N_TEST, density=density, shortest=SHORTEST, seed=seed)
    boxed = [canonical(in_vacuum(one)) for one in drawn]
    for number, frame in enumerate(boxed):
        frame.info["tier"] = f"H{len(frame)}"
        frame.info["split"] = "train" if number < N_TRAIN else "test"
    return boxed


def ship(density: float, seed: int, work: Path, target: Path, runner: Runner) -> Path:
    """Label the clusters of one density and write them, with the parts of some.

    Raises
    ------
    LabelError
        If a cluster has no energy.
    """
    frames = clusters(density, seed)
    held = [n for n, one in enumerate(frames) if one.info["split"] == "test"]
    some = expanded(frames, held)
    wanted = [
        up_to(len(one), len(one)) if n in some else [(1 << len(one)) - 1]
        for n, one in enumerate(frames)
    ]
    (found,) = part_energies(
        source(), frames, wanted, work / "energies", runner=runner, reporter=Reporter()
    )
    for reason in (part.reason for one in found for part in one.values() if part.reason):
        raise LabelError(f"density {density:g}: {reason}")
    whole = [one[(1 << len(frame)) - 1] for one, frame in zip(found, frames, strict=True)]
    labels = LabelSet(
        np.array([one.energy for one in whole]), [one.forces for one in whole], name=LABELS
    )
    engine = make_engine(ENGINE)
    data = Dataset.of(
        frames,
        [labels],
        Provenance(
            engine="full configuration interaction",
            warning="Labels are full configuration interaction in STO-3G: exact in a basis of one "
            "function an atom, far from the basis-set limit.",
            limits=("The cell is a box for programs that need one: clusters stand alone.",),
            versions=engine.versions(),
            protocol=engine.fingerprint(),
        ),
    )
    place = save(data, target / density_name(density), compact=True)
    write_parts(place, [[found[n][part].energy for part in wanted[n]] for n in some])
    return place


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--workers", type=int, default=available_cores())
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    with open_runner(RunSettings(), given.work, workers=given.workers) as runner:
        for seed, density in enumerate(DENSITIES):
            print_line(f"written to {ship(density, seed, given.work, given.to, runner)}")


if __name__ == "__main__":
    main()
