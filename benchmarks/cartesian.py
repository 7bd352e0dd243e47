"""Cartesian force fields beside the sgp, NequIP and MACE at equal training time, in one run.

    python benchmarks/cartesian.py DATA OUT [--sets Mo,Cu,Ti] [--learners sgp,cace,ictp,nequip,mace]
        [--train 100] [--test 30] [--seconds 60,180] [--option LEARNER.NAME=VALUE ...]

DATA holds maml_Mo_{AIMD,Test}.extxyz (Li et al., npj Comput. Mater. 2020) and
zuo2020_Cu_{train,test}.extxyz (Zuo et al., J. Phys. Chem. A 2020): frames are taken evenly.
Another set is a metal of the PBE labels that ship, or the folder of a scan, each with @NAME for a
label set other than the first: Ti, Ti@sigma_2, dosml-smear-scan-Ti@sigma_2.

Each learner has one core, and processor time counts: on a core of its own that is wall time, on a
machine that others use it is what can be compared. Trainings of one and of three epochs tell what
an epoch costs, and each learner gets the epochs that fill `--seconds`, the start of its process not
counted. The sgp takes what it takes. OUT keeps trainings, and `learners.csv` with a row for each:
the same command goes on. At the end one table, and `learners.png`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.errors import component_sums, error_columns
from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import load_model, make_learner, option_names
from dosml.relabel.dataset import Dataset, load, reference_dataset
from dosml.studies.scan import LABEL_SETS

if TYPE_CHECKING:
    from ase import Atoms

FILES = {
    "Mo": ("maml_Mo_AIMD.extxyz", "maml_Mo_Test.extxyz"),
    "Cu": ("zuo2020_Cu_train.extxyz", "zuo2020_Cu_test.extxyz"),
}
#: Epochs of the two short trainings that tell what an epoch costs.
PROBES = (1, 3)
#: Calls of energy and forces whose mean is the cost of a step.
STEPS = 20
SHOWN = {
    "set": "set",
    "learner": "learner",
    "options": "options",
    "force_percent": "force %",
    "force_percent_low": "low",
    "force_percent_high": "high",
    "energy_mev_atom": "meV/atom",
    "epochs": "epochs",
    "cpu_seconds": "s",
    "cpu_seconds_epoch": "s/epoch",
    "cpu_milliseconds_step": "ms/step",
}


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


def sets_of(name: str, folder: Path, train: int, test: int) -> tuple[Dataset, Dataset, int]:
    """Training and held-out frames of one name, and the number of its label set."""
    if name in FILES:
        first, second = (load(folder / file, stress=False) for file in FILES[name])
        return evenly(first, train), evenly(second, test), 0
    source, _, labels = name.partition("@")
    data = load(Path(source) / LABEL_SETS) if Path(source).is_dir() else reference_dataset(source)
    names = [one.name for one in data.label_sets]
    return data.take(data.train), data.take(data.test), names.index(labels) if labels else 0


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in parts)


def living_seconds() -> float:
    """Processor time of this process and of its children that live (Linux)."""
    ticks = 0
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text(encoding="utf-8").split():
            fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1]
            ticks += sum(map(int, fields.split()[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def step_seconds(path: Path, frame: Atoms) -> float:
    """Processor seconds of energy and forces of a frame whose atoms move between calls."""
    atoms = frame.copy()  # type: ignore[no-untyped-call]
    atoms.calc = load_model(path, "cpu")
    rng = np.random.default_rng(0)
    for _ in range(3):  # what is compiled or allocated once
        atoms.get_forces()
        atoms.positions += rng.normal(size=atoms.positions.shape) * 0.005
    began = living_seconds()
    for _ in range(STEPS):
        atoms.positions += rng.normal(size=atoms.positions.shape) * 0.005
        atoms.get_forces()
    return (living_seconds() - began) / STEPS


def epoch_seconds(name: str, options: dict[str, Any], train: Dataset, labels: int) -> float:
    """Processor seconds of an epoch, from two short trainings that are thrown away."""
    spent = []
    # a first training of a few frames: what is loaded once in this process does not count
    few = train.take(range(min(4, len(train.frames))))
    for data, epochs in ((few, 1), *((train, one) for one in PROBES)):
        learner = make_learner(name, {**options, "epochs": epochs}, workers=1)
        before = cpu_seconds()
        learner.fit(data.frames, [data.label_sets[labels]])
        spent.append(cpu_seconds() - before)
    cost = (spent[2] - spent[1]) / (PROBES[1] - PROBES[0])
    if cost < 0.01 * spent[1]:
        raise SystemExit(
            f"{name}: two more epochs cost {cost:.3g} s each, the start {spent[1]:.3g}"
        )
    return cost


def row_of(name: str, options: dict[str, Any], metal: str, given: argparse.Namespace) -> Any:
    """Train one learner on one set, and say how good and how dear it is."""
    train, test, index = sets_of(metal, given.data, given.train, given.test)
    learner = make_learner(name, options, workers=1)
    if isinstance(learner, KeepsTrainings):
        learner = learner.at(given.out / "trainings")
    gc.collect()  # processes of earlier models end, and do not count here
    before = cpu_seconds()
    fitted = learner.fit(train.frames, [train.label_sets[index]])
    spent = cpu_seconds() - before
    said, facts = fitted.predict(test.frames)[0], dict(fitted.facts()[0])
    labels = test.label_sets[index]
    sums = component_sums(said.forces, labels.forces)
    off = (said.energies - labels.energies) / [len(frame) for frame in test.frames]
    model = given.out / f"model{fitted.suffix}"
    fitted.save(model, 0)
    return {
        **error_columns("force_percent", sums, test.tiers),
        "energy_mev_atom": 1000 * float(np.mean(np.abs(off))),
        "epochs": facts["epochs"],
        "cpu_seconds": spent,
        "seconds_training": facts["seconds_training"],
        "parameters": facts["n_parameters"],
        "peak_memory_mib": facts["peak_memory_mib"],
        "cpu_milliseconds_step": 1000 * step_seconds(model, test.frames[0]),
    }


def draw(table: pd.DataFrame, path: Path) -> None:
    """Force error against seconds of training: a panel for each set, a line for each learner."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    sets, learners = (list(dict.fromkeys(table[name])) for name in ("set", "learner"))
    with house_style():
        figure = Figure(figsize=(2.4 * len(sets), 3.0), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(sets)))
        for axes, metal in zip(panels, sets, strict=True):
            for number, learner in enumerate(learners):
                one = table[(table["set"] == metal) & (table["learner"] == learner)]
                one = one.sort_values("cpu_seconds")
                middle, low, high = (
                    one[f"force_percent{end}"].to_numpy(float) for end in ("", "_low", "_high")
                )
                axes.errorbar(
                    one["cpu_seconds"],
                    middle,
                    yerr=[middle - low, high - middle],
                    fmt="os^Dv"[number % 5] + "-",
                    color=f"C{number}",
                    markersize=4,
                    capsize=2,
                    label=learner,
                )
            axes.set_title(Path(metal).name)
            axes.set_xscale("log")
            axes.set_yscale("log")
            for axis, steps in ((axes.xaxis, (1, 3)), (axes.yaxis, (1, 2, 3, 5))):
                axis.set_major_locator(LogLocator(subs=steps))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("training (s of one core)")
        panels[0].set_ylabel("force error (%)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(learners))
        figure.savefig(path, dpi=200)


def main() -> None:
    """Train every learner on every set, then print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", default="Mo,Cu,Ti")
    parser.add_argument("--learners", default="sgp,cace,ictp,nequip,mace")
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--seconds", default="60,180")
    parser.add_argument("--option", action="append", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    table, probes = given.out / "learners.csv", given.out / "probes.json"
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    costs = json.loads(probes.read_text(encoding="utf-8")) if probes.exists() else {}
    own: dict[str, dict[str, Any]] = {}
    for key, value in (one.split("=", 1) for one in given.option):
        learner, option = key.split(".", 1)
        own.setdefault(learner, {})[option] = plain(value)
    done = {(row["set"], row["learner"], row["options"], str(row["seconds"])) for row in rows}
    for metal in given.sets.split(","):
        for name in given.learners.split(","):
            options = own.get(name, {})
            said = " ".join(f"{key}={value}" for key, value in options.items()) or "defaults"
            trains = "epochs" in option_names(name) and "epochs" not in options
            for seconds in given.seconds.split(",") if trains else ["-"]:
                if (metal, name, said, seconds) in done:
                    continue
                case = f"{metal} {name} {said}"
                if trains and case not in costs:
                    train, _, index = sets_of(metal, given.data, given.train, given.test)
                    costs[case] = epoch_seconds(name, options, train, index)
                    probes.write_text(json.dumps(costs, indent=2), encoding="utf-8")
                epochs = {"epochs": max(1, round(float(seconds) / costs[case]))} if trains else {}
                known = {"set": metal, "learner": name, "options": said, "seconds": seconds}
                row = {
                    **known,
                    "cpu_seconds_epoch": costs.get(case),
                    **row_of(name, {**options, **epochs}, metal, given),
                }
                rows.append(row)
                pd.DataFrame(rows).to_csv(table, index=False)
                print(json.dumps(row), flush=True)
    found = pd.DataFrame(rows)
    draw(found, given.out / "learners.png")
    print(found[list(SHOWN)].rename(columns=SHOWN).to_string(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()
