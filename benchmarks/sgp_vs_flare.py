"""Train our sparse Gaussian process and FLARE on the same real frames, one after the other.

    python benchmarks/sgp_vs_flare.py FOLDER [--metal Mo] [--frames 100] [--inducing 500]

FOLDER holds `maml_{metal}_AIMD.extxyz` and `maml_{metal}_Test.extxyz` (keys REF_energy,
REF_forces). FLARE runs in the environment named by DOSML_FLARE_PYTHON (see build_flare.sh); without
it only our rows are printed. Both get the same frames, descriptor (B2, n_max 8, l_max 4, 5 Å,
zeta 2) and inducing environments. FLARE gets `--steps` steps of L-BFGS-B from a sensible start;
ours starts from the data, as it does by default, and runs until it converges. CPU seconds are the
measure, because they depend little on what else the machine does; predict is CPU seconds for all
test frames.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from flare_driver import run_flare

from dosml.learners.base import TrainingLabels
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.likelihood import Hyperparameters
from dosml.learners.sgp.settings import SgpSettings

#: FLARE starts here, and numbers are compared here: eV, eV, eV/Å, eV/Å^3.
START = Hyperparameters(5.0, 0.1, 0.1, 0.01)


def labels_of(frames: list) -> TrainingLabels:
    """Take the reference labels of the frames."""
    return TrainingLabels(
        np.array([frame.info["REF_energy"] for frame in frames]),
        [frame.arrays["REF_forces"] for frame in frames],
    )


def label_sets(labels: TrainingLabels, count: int) -> list[TrainingLabels]:
    """Add copies of another scale: what labels cost does not depend on what they say."""
    return [
        TrainingLabels(labels.energies * scale, [scale * f for f in labels.forces])
        for scale in 1 - 0.05 * np.arange(count)
    ]


def force_mae(forces: np.ndarray, labels: TrainingLabels) -> str:
    """Force MAE in eV/Å and in percent of the mean absolute force."""
    truth = np.concatenate(labels.forces)
    mae = np.abs(forces - truth).mean()
    return f"{mae:.4f} eV/Å ({100 * mae / np.abs(truth).mean():.2f} %)"


def data(options: argparse.Namespace) -> tuple[list, list]:
    """Training frames, spread evenly over the tiers, and test frames."""
    train = read(options.folder / f"maml_{options.metal}_AIMD.extxyz", ":")
    test = read(options.folder / f"maml_{options.metal}_Test.extxyz", ":")
    every = np.linspace(0, len(train) - 1, options.frames).round().astype(int)
    frames = [train[n] for n in every]
    for frame in (*frames, *test):
        frame.wrap()
    return frames, test


def ours(options: argparse.Namespace) -> None:
    """Train with `options.sets` label sets and print one row; for a process of its own."""
    torch.set_num_threads(options.threads)
    frames, test = data(options)
    learner = SgpLearner(settings(options))
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sets = label_sets(labels_of(frames), options.sets)
    began, began_cpu = time.perf_counter(), time.process_time()
    models = learner.fit(frames, sets)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    began_cpu = time.process_time()
    prediction = models.predict(test)[0]
    predicted = time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = models.facts()
    evaluations = sum(int(fact["likelihood_evaluations"]) for fact in facts)
    print(
        f"ours, {options.sets} label set(s): train {cpu:.1f} s of CPU ({seconds:.1f} s wall, "
        f"{evaluations} likelihood evaluations), predict {predicted:.2f} s, "
        f"peak {peak:.0f} MiB ({idle:.0f} before training), "
        f"{force_mae(np.concatenate(prediction.forces), labels_of(test))}, "
        f"log likelihood {facts[0]['log_likelihood']:.1f}",
        flush=True,
    )


def settings(options: argparse.Namespace, **more: float) -> SgpSettings:
    """Make the settings of the comparison."""
    return SgpSettings(
        **{
            "cutoff": 5.0,
            "n_max": 8,
            "l_max": 4,
            "n_inducing": options.inducing,
            "jitter": 1e-10,
            **more,
        }
    )


def flare(options: argparse.Namespace, python: str) -> None:
    """Train FLARE and print its row, and how far its numbers are from ours."""
    torch.set_num_threads(options.threads)
    frames, test = data(options)
    labels, truth = labels_of(frames), labels_of(test)
    # without steps: inducing environments, and our numbers at the starting hyperparameters
    given = {
        "signal": START.signal,
        "energy_noise": START.energy_noise,
        "force_noise": START.force_noise,
        "max_iterations": 0,
    }
    models = SgpLearner(settings(options, **given)).fit(frames, [labels])
    prediction = models.predict(test)[0]
    with tempfile.TemporaryDirectory() as folder:
        result = run_flare(
            python,
            Path(folder),
            models,
            frames,
            labels,
            test,
            hyperparameters=astuple(START),
            steps=options.steps,
            threads=options.threads,
        )
        at_start = run_flare(
            python, Path(folder), models, frames, labels, test, hyperparameters=astuple(START)
        )
    cpu = result["cpu_build"] + result["cpu_likelihood"]
    wall = result["seconds_build"] + result["seconds_likelihood"]
    print(
        f"FLARE: train {cpu:.1f} s of CPU ({wall:.1f} s wall; of the CPU time "
        f"{result['cpu_likelihood']:.1f} s for {options.steps} likelihood steps), "
        f"predict {result['cpu_predict']:.2f} s, "
        f"peak {result['peak_mib']:.0f} MiB, {force_mae(result['forces'], truth)}, "
        f"log likelihood {result['final_log_likelihood']:.1f}"
    )
    offset = prediction.energies.mean() - at_start["energies"].mean()
    energy = np.abs(prediction.energies - offset - at_start["energies"]).max()
    force = np.abs(np.concatenate(prediction.forces) - at_start["forces"]).max()
    ratio = models.facts()[0]["log_likelihood"] / at_start["log_likelihood"] - 1
    print(
        f"at the same hyperparameters ours and FLARE differ by at most {energy:.1e} eV, "
        f"{force:.1e} eV/Å, and {ratio:.1e} of the log likelihood"
    )


def main() -> None:
    """Run every row in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metal", default="Mo")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--inducing", type=int, default=500)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sets:
        ours(options)
        return
    print(
        f"{options.metal}: {options.frames} frames, {options.inducing} inducing environments, "
        f"{options.threads} thread(s)",
        flush=True,
    )
    for sets in (1, 4):
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--sets", str(sets)], check=True)
    python = os.environ.get("DOSML_FLARE_PYTHON")
    if python:
        flare(options, python)
    else:
        print("DOSML_FLARE_PYTHON is not set: FLARE is left out")


if __name__ == "__main__":
    main()
