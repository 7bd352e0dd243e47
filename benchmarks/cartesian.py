"""Cartesian force fields beside the sgp, NequIP and MACE, on the same frames in one run.

    python benchmarks/cartesian.py DATA OUT [--sets Mo,Cu,Ti] [--learners sgp,cace,ictp,nequip,mace]
        [--train 100] [--test 30] [--seconds 300] [--option LEARNER.NAME=VALUE ...] [--md]

DATA holds maml_Mo_{AIMD,Test}.extxyz (Li et al., npj Comput. Mater. 2020) and
zuo2020_Cu_{train,test}.extxyz (Zuo et al., J. Phys. Chem. A 2020); Ti are the PBE labels that
ship, at 0.2 eV. Frames are taken evenly from the files. cace and ictp train for `--seconds` of wall
time; give the peers so many epochs that theirs is the same, `--option mace.epochs=6`. Each learner
gets one core. `learners.csv` in OUT grows by a row a training; finished trainings are kept in OUT.
With `--md` the seconds of energy and forces of a held-out frame are measured too. On a machine that
others use, compare processor time: peers' holds the start of their processes, some seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dosml.analysis.statistics.errors import component_sums, error_columns
from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import load_model, make_learner, option_names
from dosml.relabel.dataset import Dataset, load, reference_dataset

FILES = {
    "Mo": ("maml_Mo_AIMD.extxyz", "maml_Mo_Test.extxyz"),
    "Cu": ("zuo2020_Cu_train.extxyz", "zuo2020_Cu_test.extxyz"),
}
STEPS = 5


def plain(text: str) -> object:
    """Give a number, true or false for the text of one, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def evenly(data: Dataset, count: int) -> Dataset:
    """Take frames from the whole set, evenly."""
    chosen = np.linspace(0, len(data.frames) - 1, min(count, len(data.frames))).round()
    return data.take([int(n) for n in chosen])


def sets_of(name: str, folder: Path, train: int, test: int) -> tuple[Dataset, Dataset]:
    """Training and held-out frames of one name."""
    if name in FILES:
        first, second = (load(folder / file, stress=False) for file in FILES[name])
        return evenly(first, train), evenly(second, test)
    data = reference_dataset(name)
    return data.take(data.train), data.take(data.test)


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in parts)


def step_seconds(path: Path, frame: object) -> float:
    """Wall seconds of energy and forces of a frame whose atoms move a little between calls."""
    atoms = frame.copy()  # type: ignore[attr-defined]
    atoms.calc = load_model(path, "cpu")
    atoms.get_forces()
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(STEPS):
        atoms.positions += rng.normal(size=atoms.positions.shape) * 0.005
        began = time.perf_counter()
        atoms.get_forces()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def main() -> None:
    """Train every learner on every set and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", default="Mo,Cu,Ti")
    parser.add_argument("--learners", default="sgp,cace,ictp,nequip,mace")
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--md", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "learners.csv"
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    for name in given.learners.split(","):
        options: dict[str, object] = {}
        if given.seconds and "seconds" in option_names(name):
            options |= {"seconds": given.seconds, "epochs": 100_000}
        for one in given.option:
            key, value = one.split("=", 1)
            learner, option = key.split(".", 1)
            if learner == name:
                options[option] = plain(value)
        for metal in given.sets.split(","):
            train, test = sets_of(metal, given.data, given.train, given.test)
            learner_of = make_learner(name, options, workers=1)
            if isinstance(learner_of, KeepsTrainings):
                learner_of = learner_of.at(given.out / "trainings")
            cpu = cpu_seconds()
            fitted = learner_of.fit(train.frames, train.label_sets[:1])
            cpu = cpu_seconds() - cpu
            said, facts = fitted.predict(test.frames)[0], dict(fitted.facts()[0])
            labels = test.label_sets[0]
            sums = component_sums(said.forces, labels.forces)
            off = (said.energies - labels.energies) / [len(frame) for frame in test.frames]
            row = {
                "set": metal,
                "learner": name,
                "options": json.dumps(options),
                **error_columns("force_percent", sums, test.tiers),
                "energy_mev_atom": 1000 * float(np.mean(np.abs(off))),
                "epochs": facts["epochs"],
                "seconds_training": facts["seconds_training"],
                "cpu_seconds": cpu,
                "cpu_seconds_epoch": cpu / max(1, facts["epochs"]),
                "parameters": facts["n_parameters"],
                "peak_memory_mib": facts["peak_memory_mib"],
            }
            model = given.out / f"{metal}-{name}{fitted.suffix}"
            fitted.save(model, 0)
            if given.md:
                row["seconds_md_step"] = step_seconds(model, test.frames[0])
            rows.append(row)
            pd.DataFrame(rows).to_csv(table, index=False)
            print(pd.DataFrame([row]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
