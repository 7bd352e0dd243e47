"""What a large campaign costs: seconds and peak memory of plan, labels, findings, joined report.

    python benchmarks/scale.py [--frames 4000] [--settings 5] [--atoms 16] [--metals 27]

Labels, predictions and metals are made up, 20 000 labels unless told otherwise, each with a DOS by
orbital. Everything after them is what `dosml smear-scan` and `dosml report` do; each part runs in a
process of its own:

- plan: what `--dry-run` does with the labels on disk;
- copied: the same after `cp -r`, which changes all time stamps;
- progress: one look at what is on disk while labels are made;
- labels: reading all labels, averaging the DOS, writing the dataset folder;
- findings: from the dataset folder to tables, figures and report;
- report: joining campaigns of several metals.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
import numpy as np
from ase.build import bulk
from rich.console import Console

from dosml.analysis.statistics.published import published_metals
from dosml.campaign import Campaign
from dosml.learners.base import Prediction
from dosml.plan import Labelling, ScanPlan, resolve
from dosml.progress import Reporter
from dosml.relabel.dataset import load, save
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.frames import frame_id, read_frames
from dosml.relabel.label import Label
from dosml.relabel.labelling import Progress, missing
from dosml.studies.findings import write_findings
from dosml.studies.labelling import make_dataset
from dosml.studies.scan import LABEL_SETS
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.studies.survey_report import report_campaigns
from dosml.theory.dos import ElectronicDos
from dosml.trainings import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms
    from numpy.typing import NDArray

TIERS = ("cold", "warm", "melt")
#: Labels of a setting that are made up one by one, all others are copies.
DISTINCT = 50


def options_of(folder: Path, given: argparse.Namespace) -> dict[str, str]:
    """Options of the scan; its frames lie beside the campaign."""
    test = given.frames // 5
    return {
        "engine": "tb",
        "sigma": ",".join(f"{0.2 * (1 + k):g}" for k in range(given.settings)),
        "train": str(given.frames - test),
        "test": str(test),
        "out": str(folder / "campaign"),
        "workers": "2",
    }


def words_of(folder: Path, given: argparse.Namespace) -> list[str]:
    """Command line of the scan."""
    options = options_of(folder, given)
    words = [f"--{name}={value}" for name, value in options.items()]
    return ["smear-scan", str(folder / "frames.extxyz"), *words]


def plan_of(folder: Path, given: argparse.Namespace) -> ScanPlan:
    """Plan of the scan."""
    target = str(folder / "frames.extxyz")
    options = {"target": target, **options_of(folder, given)}
    return resolve(load_scan_settings(SmearScanSettings, options))


def make(folder: Path, given: argparse.Namespace) -> None:
    """Make up frames and the labels of all of them."""
    rng = np.random.default_rng(0)
    cell = bulk("Cu", cubic=True)
    cell = cell.repeat((max(1, round(given.atoms / len(cell))), 1, 1))
    frames = []
    for number in range(given.frames):
        atoms = cell.copy()
        atoms.rattle(0.1, seed=number)
        atoms.info["tier"] = TIERS[number % len(TIERS)]
        frames.append(atoms)
    ase.io.write(folder / "frames.extxyz", frames)
    plan = plan_of(folder, given)
    assert isinstance(plan.source, Labelling)
    with Campaign(plan.folder, plan.subject) as campaign:
        campaign.record(plan.record())
    store = plan.source.store(plan.folder)
    grid = np.arange(-15, 15, 0.02)
    chosen = plan.source.frames.get(plan.folder, quiet())
    for setting in plan.electronic:
        for number, frame in enumerate(chosen):
            if number < DISTINCT:
                store.put(frame_id(frame), setting, label_of(frame, grid, rng))
                continue
            # compressing is what takes long, and is not what is measured
            shutil.copyfile(
                store.label_path(frame_id(chosen[number % DISTINCT]), setting),
                store.label_path(frame_id(frame), setting),
            )
    # a run remembers what it has made
    assert not missing(store, chosen, plan.electronic)
    for setting in plan.electronic:
        store.remember(setting)


def label_of(frame: Atoms, grid: NDArray[np.float64], rng: np.random.Generator) -> Label:
    """Make up one label."""
    lines = rng.normal(-1, 2, size=(5, 2, 1))
    d_m = np.exp(-(((grid - lines) / 0.3) ** 2)).sum(axis=1)
    d = d_m.sum(axis=0)
    return Label(
        free_energy=float(rng.normal()),
        forces=rng.normal(size=(len(frame), 3)),
        stress=rng.normal(size=6) * 1e-3,
        fermi_level=0.0,
        n_electrons=11.0 * len(frame),
        top_occupation=0.0,
        dos=ElectronicDos(grid, d + 0.1, d, d_m, 0.1),
        facts={"seconds": 0.5},
    )


def plan(folder: Path, given: argparse.Namespace) -> None:
    """Say what would be done, on the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "dosml", *words_of(folder, given), "--dry-run"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"{given.frames * given.settings} on disk" in done.stdout, done.stdout


def copied(folder: Path, given: argparse.Namespace) -> None:
    """Say what would be done in a campaign whose files were just copied."""
    for path in folder.glob("campaign/labels/*/*.npz"):
        path.touch()
    plan(folder, given)


def progress(folder: Path, given: argparse.Namespace) -> None:
    """Look at what is on disk as often as in five minutes of labelling."""
    made = plan_of(folder, given)
    assert isinstance(made.source, Labelling)
    frames = read_frames(folder / "frames.extxyz")
    counted: list[int] = []
    begin = time.perf_counter()
    looking = Progress(
        made.source.store(made.folder), frames, list(made.electronic), counted.append
    )
    first = time.perf_counter() - begin
    for _ in range(600):
        looking.look()
    each = (time.perf_counter() - begin - first) / 600
    print(f"  first count {first:.2f} s, each further look {1000 * each:.2f} ms")
    assert counted[-1] == given.frames * given.settings


def labels(folder: Path, given: argparse.Namespace) -> None:
    """Gather all labels and write the dataset folder."""
    made = plan_of(folder, given)
    assert isinstance(made.source, Labelling)
    with (
        Campaign(made.folder, made.subject) as campaign,
        open_runner(made.settings.run, campaign.folder, workers=1) as runner,
    ):
        data = make_dataset(made, made.source, campaign, runner, quiet())
        save(data, campaign.folder / LABEL_SETS)


def findings(folder: Path, given: argparse.Namespace) -> None:
    """Tables, figures and report, with predictions that are off by a tenth."""
    made = plan_of(folder, given)
    begin = time.process_time()
    data = load(made.folder / LABEL_SETS)
    print(f"  reading the dataset folder: {time.process_time() - begin:.1f} s of processor time")
    rng = np.random.default_rng(1)
    test = list(data.test)
    predictions = tuple(
        Prediction(
            energies=one.energies[test] + 0.01,
            forces=[one.forces[n] + 0.1 * rng.normal(size=one.forces[n].shape) for n in test],
            stresses=np.full((len(test), 6), np.nan),
        )
        for one in data.label_sets
    )
    facts = tuple({"learner": "made up"} for _ in data.label_sets)
    training = Training(data.names, predictions, facts, folder, {"learner": "made up"}, ".npz")
    begin = time.process_time()
    with Campaign(made.folder, made.subject) as campaign:
        campaign.record(made.record())
        write_findings(
            campaign,
            plan=made,
            data=data,
            training=training,
            command="dosml smear-scan",
            seconds=1.0,
        )
    print(f"  findings themselves: {time.process_time() - begin:.1f} s of processor time")


def report(folder: Path, given: argparse.Namespace) -> None:
    """Join copies of the finished campaign under the names of other metals."""
    source, metals = folder / "campaign", folder / "metals"
    for metal in published_metals()["metal"].tolist()[: given.metals]:
        place = metals / metal
        if not place.is_dir():
            place.mkdir(parents=True)
            for path in source.glob("*.*"):
                shutil.copyfile(path, place / path.name)
            record = json.loads((place / "campaign.json").read_text(encoding="utf-8"))
            (place / "campaign.json").write_text(
                json.dumps({**record, "subject": metal}), encoding="utf-8"
            )
    begin = time.perf_counter()
    report_campaigns([metals], folder / "joined", quiet())
    print(f"  {time.perf_counter() - begin:.1f} s without making the copies")


def quiet() -> Reporter:
    """Say nothing."""
    return Reporter(Console(file=io.StringIO()), "benchmarks/scale.py")


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "make": make,
    "plan": plan,
    "copied": copied,
    "progress": progress,
    "labels": labels,
    "findings": findings,
    "report": report,
}


def main() -> None:
    """Run the parts one after another, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("frames", 4000), ("settings", 5), ("atoms", 16), ("metals", 27)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path, help="keep everything here, and make it once")
    parser.add_argument("--part", choices=PARTS, help="one part alone, in --folder")
    given = parser.parse_args()
    if given.part:
        start = time.perf_counter()
        PARTS[given.part](given.folder, given)
        # a part that runs the command line is what its child costs
        own = given.part not in {"plan", "copied"}
        used = resource.getrusage(resource.RUSAGE_SELF if own else resource.RUSAGE_CHILDREN)
        print(
            f"{given.part}: {time.perf_counter() - start:.1f} s, processor time with imports "
            f"{used.ru_utime + used.ru_stime:.1f} s, peak memory {used.ru_maxrss / 1024:.0f} MiB",
            flush=True,
        )
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        made = (folder / "campaign").is_dir()
        print(f"{given.frames * given.settings} labels of {given.atoms} atoms", flush=True)
        for part in list(PARTS)[1 if made else 0 :]:
            command = [sys.executable, __file__, *sys.argv[1:], "--part", part]
            subprocess.run([*command, "--folder", str(folder)], check=True)


if __name__ == "__main__":
    main()
