"""Train our sparse Gaussian process, FLARE and metatrain's GAP on the same real frames in one run.

    python benchmarks/sgp_vs_flare.py FOLDER [--metal Mo] [--frames 100] [--inducing 500]
        [--cutoff 5]

FOLDER holds `maml_{metal}_AIMD.extxyz` and `maml_{metal}_Test.extxyz` (keys REF_energy,
REF_forces). FLARE runs with the interpreter DOSML_FLARE_PYTHON, by default in the environment of
`dosml env create flare`, GAP with DOSML_METATRAIN_PYTHON (an environment with `pip install
"metatrain[gap]==2026.4.1"`; that of `dosml env create metatrain` has no GAP); without them their
rows are left out. Ours and FLARE get the same frames, descriptor (B2, n_max 8, l_max 4, 5 Å, zeta
2) and inducing environments; GAP chooses as many of its own and has a power spectrum of about the
same size. FLARE gets `--steps` steps of L-BFGS-B from a sensible start; ours starts from the data,
as it does by default, and runs until it converges; GAP does not optimise, its regularisers are the
best of those in benchmarks/NOTES.md for the test frames. GAP's error is the lower one at equal
size, so a row of ours with more radial functions stands beside it. Last, each peer at equal error:
ours with its own defaults and the fewest inducing environments (in steps of a tenth of
`--inducing`) whose error on the test frames is not above the peer's.

CPU seconds (user and system) are the measure, because they depend little on what else the machine
does; ours is run again before, between and after the others, and the median counts. Peak memory is
that of the whole process. Predict is CPU seconds for all test frames.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from flare_driver import flare_python, run_flare
from gap_driver import run_gap

from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import LabelSet

#: FLARE starts here, and numbers are compared here: eV, eV, eV/Å, eV/Å^3.
START = Hyperparameters(5.0, 0.1, 0.1, 0.01)
#: Radial functions of the rows that are compared, and of one more row of ours.
N_MAX, MORE_RADIAL = 8, 10


def labels_of(frames: list) -> LabelSet:
    """Take the reference labels of the frames."""
    return LabelSet(
        np.array([frame.info["REF_energy"] for frame in frames]),
        [frame.arrays["REF_forces"] for frame in frames],
    )


def label_sets(labels: LabelSet, count: int) -> list[LabelSet]:
    """Add copies of another scale: what labels cost does not depend on what they say."""
    return [
        LabelSet(labels.energies * scale, [scale * f for f in labels.forces])
        for scale in 1 - 0.05 * np.arange(count)
    ]


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds, MiB, eV/Å, percent."""

    name: str
    cpu: float
    wall: float
    predict: float
    peak: float
    mae: float
    percent: float
    note: str

    def show(self, fastest: float) -> None:
        """Print it, with its CPU time in units of the fastest."""
        print(
            f"{self.name:<26} {self.cpu:8.1f} {self.cpu / fastest:8.2f} {self.wall:8.1f} "
            f"{self.predict:8.2f} {self.peak:9.0f} {self.mae:9.4f} {self.percent:6.2f}  "
            f"{self.note}",
            flush=True,
        )


def middle(rows: list[Row]) -> Row:
    """Give the row with the median CPU time."""
    return sorted(rows, key=lambda row: row.cpu)[len(rows) // 2]


def force_mae(forces: np.ndarray, labels: LabelSet) -> tuple[float, float]:
    """Force MAE in eV/Å and in percent of the mean absolute force."""
    truth = np.concatenate(labels.forces)
    mae = float(np.abs(forces - truth).mean())
    return mae, float(100 * mae / np.abs(truth).mean())


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
    """Train with `options.sets` label sets and print one JSON row; for a process of its own."""
    torch.set_num_threads(options.threads)
    frames, test = data(options)
    learner = SgpLearner(settings(options))
    sets = label_sets(labels_of(frames), options.sets)
    began, began_cpu = time.perf_counter(), time.process_time()
    models = learner.fit(frames, sets)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began_cpu = time.process_time()
    prediction = models.only(0).predict(test)[0]
    predicted = time.process_time() - began_cpu
    facts = models.facts()
    row = Row(
        f"ours, {options.sets} label set{'s' if options.sets > 1 else ''}"
        + (f", n_max {options.n_max}" if options.n_max != N_MAX else "")
        if not options.defaults
        else f"ours, defaults, M {options.inducing}",
        cpu,
        seconds,
        predicted,
        peak,
        *force_mae(np.concatenate(prediction.forces), labels_of(test)),
        f"log likelihood {facts[0]['log_likelihood']:.1f}, "
        f"{sum(int(fact['likelihood_evaluations']) for fact in facts)} evaluations",
    )
    print(json.dumps(asdict(row)))


def ours_apart(sets: int, *more: str) -> Row:
    """Run `ours` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--sets", str(sets), *more],
        check=True,
        capture_output=True,
        text=True,
    )
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def at_equal_error(options: argparse.Namespace, peers: list[Row]) -> list[tuple[Row, Row]]:
    """Give each peer the cheapest row of our defaults that errs no more, where there is one."""
    tenths = [options.inducing * tenth // 10 for tenth in range(2, 11)]
    found, made = [], {}
    for peer in peers:
        for count in tenths:
            if count not in made:
                made[count] = ours_apart(1, "--defaults", "--inducing", str(count))
            if made[count].mae <= peer.mae:
                found.append((made[count], peer))
                break
    return found


def settings(options: argparse.Namespace, **more: float) -> SgpSettings:
    """Make the settings of the comparison."""
    if options.defaults:
        return SgpSettings(n_inducing=options.inducing, **more)
    return SgpSettings(
        **{
            "cutoff": options.cutoff,
            "n_max": options.n_max,
            "l_max": 4,
            "degree_decay": 1.0,
            "n_inducing": options.inducing,
            "jitter": 1e-10,
            **more,
        }
    )


def flare(options: argparse.Namespace, python: str) -> tuple[Row, str]:
    """Train FLARE; give its row, and how far its numbers are from ours."""
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
        result, at_start = (
            run_flare(
                python,
                Path(folder),
                models,
                frames,
                labels,
                test,
                hyperparameters=astuple(START),
                steps=steps,
                threads=options.threads,
            )
            for steps in (options.steps, 0)
        )
    row = Row(
        "FLARE",
        float(result["cpu_build"] + result["cpu_likelihood"]),
        float(result["seconds_build"] + result["seconds_likelihood"]),
        float(result["cpu_predict"]),
        float(result["peak_mib"]),
        *force_mae(result["forces"], truth),
        f"log likelihood {result['final_log_likelihood']:.1f}, {options.steps} steps took "
        f"{result['cpu_likelihood']:.1f} s of it",
    )
    offset = prediction.energies.mean() - at_start["energies"].mean()
    energy = np.abs(prediction.energies - offset - at_start["energies"]).max()
    force = np.abs(np.concatenate(prediction.forces) - at_start["forces"]).max()
    ratio = models.facts()[0]["log_likelihood"] / at_start["log_likelihood"] - 1
    return row, (
        f"at the same hyperparameters ours and FLARE differ by at most {energy:.1e} eV, "
        f"{force:.1e} eV/Å, and {ratio:.1e} of the log likelihood"
    )


def gap(options: argparse.Namespace, python: str) -> Row:
    """Train metatrain's GAP; give its row."""
    frames, test = data(options)
    result = run_gap(
        python,
        frames,
        labels_of(frames),
        test,
        {
            "cutoff": options.cutoff,
            # counts from 0: eight radial functions
            "max_radial": 7,
            "max_angular": 4,
            "inducing": options.inducing,
            "regularizer": options.gap_regularizers[0],
            "regularizer_forces": options.gap_regularizers[1],
        },
        threads=options.threads,
    )
    return Row(
        "metatrain GAP",
        result["cpu"],
        result["seconds"],
        result["cpu_predict"],
        result["peak_mib"],
        *force_mae(result["forces"], labels_of(test)),
        "regularisers " + ", ".join(f"{value:g}" for value in options.gap_regularizers),
    )


def main() -> None:
    """Run every row in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metal", default="Mo")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--inducing", type=int, default=500)
    parser.add_argument("--cutoff", type=float, default=5.0, help="Å, of all but our defaults")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gap-regularizers", type=float, nargs=2, default=(1e-4, 1e-5))
    parser.add_argument("--sets", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--n-max", type=int, default=N_MAX, help=argparse.SUPPRESS)
    parser.add_argument("--defaults", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sets:
        ours(options)
        return
    torch.set_num_threads(options.threads)
    print(
        f"{options.metal}: {options.frames} frames, {options.inducing} inducing environments, "
        f"{options.threads} thread(s); seconds, MiB, eV/Å\n"
        "                          train/CPU    ratio     wall  predict  peak/MiB       MAE      %",
        flush=True,
    )
    one, four, others, notes = [], [], [], []

    def round_of_ours() -> None:
        one.append(ours_apart(1))
        four.append(ours_apart(4))

    round_of_ours()
    gap_python = os.environ.get("DOSML_METATRAIN_PYTHON")
    for name, run, python in (("FLARE", flare, flare_python()), ("GAP", gap, gap_python)):
        if not python:
            notes.append(f"{name} is not here: its row is left out (see the top of this file)")
            continue
        found = run(options, python)
        others.append(found[0] if isinstance(found, tuple) else found)
        notes += [found[1]] if isinstance(found, tuple) else []
        round_of_ours()
    while len(one) < 3:
        round_of_ours()
    fastest = middle(one).cpu
    more = ours_apart(1, "--n-max", str(MORE_RADIAL))
    for row in (middle(one), middle(four), more, *others):
        row.show(fastest)
    for mine, peer in at_equal_error(options, others):
        mine.show(fastest)
        print(f"{peer.name} takes {peer.cpu / mine.cpu:.1f} times as long for {peer.percent:.2f} %")
    ratios = sorted(b.cpu / a.cpu for a, b in zip(one, four, strict=True))
    print(
        f"four label sets take {ratios[len(ratios) // 2]:.2f} of the CPU time of one (median of "
        f"{len(ratios)} pairs, {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
