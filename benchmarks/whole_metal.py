"""Train the sgp on a whole metal of TM23's size: 2700 frames of 54 atoms, 2700 environments.

    python benchmarks/whole_metal.py FOLDER [--metal Mo] [--frames 2700] [--threads 2]

FOLDER/METAL is what `benchmarks/whole_metal_labels.py` leaves there, called where there is
nothing. B2 with n_max 9 and l_max 5, 5 Å, energies, forces and stresses. Prints what a tenth of the
kernel rows took, ten times which predicts that stage; CPU and wall seconds of each stage, the peak
memory of the process and the errors of held-out frames.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.memory import peak_memory_mib
from dosml.relabel.dataset import Dataset, load

SETTINGS = SgpSettings(cutoff=5.0, n_max=9, l_max=5, n_inducing=2700)
#: Of progress, and what they hold in the table.
STAGES = {"descriptors": "inducing", "kernel": "kernel", "likelihood": "likelihood"}


class Clock:
    """CPU and wall seconds of the stages that a training reports."""

    def __init__(self) -> None:
        self._at: list[tuple[str, float, float]] = []
        self._said = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note when a stage begins, and say what a tenth of the kernel rows took."""
        if not self._at or self._at[-1][0] != stage:
            self._at.append((stage, time.process_time(), time.perf_counter()))
        if stage == "kernel" and done >= total / 10 and not self._said:
            self._said = True
            used = time.process_time() - self._at[-1][1]
            print(
                f"{done} of {total} frames: kernel {used:.1f} CPU s, predicted for all "
                f"{used * total / done:.0f}",
                flush=True,
            )

    def rows(self) -> list[tuple[str, float, float]]:
        """Stage, CPU seconds, wall seconds; the last ends now."""
        ends = [*self._at[1:], ("", time.process_time(), time.perf_counter())]
        return [
            (STAGES[stage], end[1] - cpu, end[2] - wall)
            for (stage, cpu, wall), end in zip(self._at, ends, strict=True)
        ]


def errors_by_tier(data: Dataset, said: object) -> None:
    """Print force, energy and stress errors of held-out frames."""
    labels = data.label_sets[0]
    tiers = np.array(data.tiers)
    for tier in dict.fromkeys(data.tiers):
        mine = np.flatnonzero(tiers == tier)
        truth = np.concatenate([labels.forces[k] for k in mine])
        miss = np.concatenate([said.forces[k] for k in mine]) - truth
        atoms = np.array([len(data.frames[k]) for k in mine])
        energy = 1000 * np.abs((said.energies - labels.energies)[mine] / atoms).mean()
        print(
            f"{tier}: {len(mine)} held-out frames, force error "
            f"{100 * np.abs(miss).mean() / np.abs(truth).mean():.2f} % "
            f"({1000 * np.abs(miss).mean():.0f} meV/Å), energy {energy:.2f} meV/atom"
        )


def main() -> None:
    """Train, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metal", default="Mo")
    parser.add_argument("--frames", type=int, default=2700)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if not (given.folder / given.metal / "dataset.json").is_file():
        script = Path(__file__).with_name("whole_metal_labels.py")
        subprocess.run([sys.executable, script, given.folder, "--metal", given.metal], check=True)
    torch.set_num_threads(given.threads)
    data = load(given.folder / given.metal)
    spread = np.linspace(0, len(data.train) - 1, given.frames).round().astype(int)
    train, test = data.take([data.train[n] for n in spread]), data.take(data.test)
    print(
        f"{given.metal}: {given.frames} frames of {len(train.frames[0])} atoms, "
        f"{given.threads} threads, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    clock = Clock()
    models = SgpLearner(SETTINGS).fit(train.frames, train.label_sets, progress=clock)
    print("stage         CPU s   wall s")
    rows = clock.rows()
    for stage, cpu, wall in (*rows, ("all", *np.sum([row[1:] for row in rows], axis=0))):
        print(f"{stage:<11} {cpu:7.1f} {wall:8.1f}")
    facts = models.facts()[0]
    print(
        f"M = {facts['n_inducing']}, {facts['n_features']} features, "
        f"{facts['likelihood_evaluations']} likelihood evaluations, log likelihood "
        f"{facts['log_likelihood']:.1f}, peak {peak_memory_mib():.0f} MiB"
        + (f"; {facts['warning']}" if "warning" in facts else ""),
        flush=True,
    )
    errors_by_tier(test, models.predict(test.frames)[0])


if __name__ == "__main__":
    main()
