"""Force error of several learners on DFT data of molybdenum against what training costs.

    python benchmarks/accuracy_per_cost.py DATA [--learners sgp,mace,nequip,flare] [--frames 100]
        [--threads 2] [--epochs 2,8] [--out accuracy-per-cost]

DATA holds maml_Mo_AIMD.extxyz and maml_Mo_Test.extxyz (Li et al., npj Comput. Mater. 2020): 54
atoms a frame, energies and forces. Training frames are taken evenly from the first file; all of the
second are held out. Needs `dosml env create` of the peers. A row is one training from the
start: the sgp with more or less of a basis, the peers with few channels (see `POINTS`) for more and
more epochs. Peers watch a tenth of the frames and take the best epoch. Wall and CPU seconds are
those of everything from frames to model, the start of the peer's process included; on a machine
that others use too, CPU seconds are the measure: half of them is the least two cores can take.
Models are saved to the folder, for `benchmarks/md_speed.py`.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np
import torch

from dosml.analysis.statistics.results import HeldOut
from dosml.learners.registry import learner_entry, make_learner
from dosml.relabel.dataset import load

#: Å, of all: the sgp's own choice for these frames.
CUTOFF = 4.77
_MACE = {"num_channels": 16, "l_max": 3, "message_l_max": 0, "correlation": 3, "dtype": "float32"}
_NEQUIP = {"num_features": 16, "num_layers": 2, "l_max": 2}
#: By learner: options of its rows; those of the peers for every number of epochs.
POINTS = {
    "sgp": (
        {"n_inducing": 250, "l_max": 4},
        {"n_inducing": 500},
        {"n_inducing": 1000},
        {"n_inducing": 1000, "n_max": 8, "l_max": 8},
    ),
    "mace": (_MACE,),
    "nequip": (_NEQUIP,),
    "flare": ({"n_inducing": 300, "n_max": 8, "l_max": 4},),
}


def rows(learner: str, epochs: list[int]) -> list[dict[str, object]]:
    """Options of all rows of a learner."""
    if learner in {"sgp", "flare"}:
        return list(POINTS[learner])
    return [{**options, "epochs": count} for options in POINTS[learner] for count in epochs]


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Train every row and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--learners", default=",".join(POINTS))
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--epochs", default="2,8", help="of the peers, one row each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("accuracy-per-cost"))
    given = parser.parse_args()
    epochs = [int(one) for one in given.epochs.split(",")]
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    every = load(given.data / "maml_Mo_AIMD.extxyz", stress=False)
    chosen = np.linspace(0, len(every.frames) - 1, given.frames).round().astype(int)
    train = every.take([int(n) for n in chosen])
    test = load(given.data / "maml_Mo_Test.extxyz", stress=False)
    print(f"{given.frames} frames, {given.threads} threads, load {os.getloadavg()[0]:.1f}")
    print("learner     CPU s  wall s  force %  meV/atom  options", flush=True)
    for name in given.learners.split(","):
        for number, options in enumerate(rows(name, epochs)):
            learner = make_learner(name, {"cutoff": CUTOFF, **options}, workers=given.threads)
            began, cpu_began = time.perf_counter(), cpu_seconds()
            models = learner.fit(train.frames, train.label_sets)
            wall, cpu = time.perf_counter() - began, cpu_seconds() - cpu_began
            said = models.predict(test.frames)[0]
            held = HeldOut(
                forces=test.label_sets[0].forces,
                forces_predicted=said.forces,
                energies=test.label_sets[0].energies,
                energies_predicted=said.energies,
                facts=dict(models.facts()[0]),
            )
            off = (said.energies - test.label_sets[0].energies) / [len(f) for f in test.frames]
            shown = ", ".join(f"{key} {value}" for key, value in options.items())
            print(
                f"{name:<9} {cpu:7.1f} {wall:7.1f} {held.force_sums().percent_error:8.2f} "
                f"{1000 * np.abs(off).mean():9.2f}  {shown}",
                flush=True,
            )
            models.save(given.out / f"{name}-{number}{learner_entry(name).suffix}", 0)


if __name__ == "__main__":
    main()
