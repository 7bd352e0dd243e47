"""All learners on DFT data of Mo and Cu: force % error, time, parameters.

    python benchmarks/peers_table.py DATA [--learners sgp,nequip] [--train 12] [--test 6]
        [--preset quick] [--epochs 25] [--out FOLDER]

DATA holds maml_Mo_{AIMD,Test}.extxyz (Li et al., npj Comput. Mater. 2020) and
zuo2020_Cu_{train,test}.extxyz (Zuo et al., J. Phys. Chem. A 2020). Frames are taken evenly from the
files. The files of Mo hold no stress of a known order, so no learner trains on stresses. Needs
`dosml env create` for every peer; finished trainings are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dosml.analysis.statistics.learner_table import learner_table
from dosml.analysis.statistics.results import HeldOut
from dosml.analysis.statistics.tables import write_tables
from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import make_learner, option_names
from dosml.relabel.dataset import Dataset, load

FILES = {
    "Mo": ("maml_Mo_AIMD.extxyz", "maml_Mo_Test.extxyz"),
    "Cu": ("zuo2020_Cu_train.extxyz", "zuo2020_Cu_test.extxyz"),
}


def evenly(data: Dataset, count: int) -> Dataset:
    """Take frames from the whole file, evenly."""
    chosen = np.linspace(0, len(data.frames) - 1, count).round().astype(int)
    return data.take([int(n) for n in chosen])


def main() -> None:
    """Train every learner on both metals and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--learners", default="sgp,flare,nequip,mace,soap-bpnn,pet")
    parser.add_argument("--train", type=int, default=12)
    parser.add_argument("--test", type=int, default=6)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("peers-table"))
    given = parser.parse_args()
    results: dict[str, dict[str, list]] = {metal: {} for metal in FILES}
    sets = {
        metal: [
            evenly(load(given.data / name, stress=False), count)
            for name, count in zip(names, (given.train, given.test), strict=True)
        ]
        for metal, names in FILES.items()
    }
    for name in given.learners.split(","):
        wanted = {"preset": given.preset, "epochs": None if name == "flare" else given.epochs}
        options = {k: v for k, v in wanted.items() if v is not None and k in option_names(name)}
        for metal, (train, test) in sets.items():
            learner = make_learner(name, options, workers=given.workers)
            if isinstance(learner, KeepsTrainings):
                learner = learner.at(given.out / "trainings")
            fitted = learner.fit(train.frames, train.label_sets)
            prediction, facts = fitted.predict(test.frames)[0], dict(fitted.facts()[0])
            if name == "sgp":
                parts = ("seconds_inducing", "seconds_kernel", "seconds_likelihood")
                facts["seconds_training"] = sum(float(facts[part]) for part in parts)
                facts["n_parameters"] = facts["n_inducing"]
            held = HeldOut(
                forces=test.label_sets[0].forces,
                forces_predicted=prediction.forces,
                energies=test.label_sets[0].energies,
                energies_predicted=prediction.energies,
                facts=facts,
            )
            results[metal][name] = [({"metal": metal}, held)]
            error = held.force_sums().percent_error
            print(f"{name} {metal}: {error:.1f} %", file=sys.stderr, flush=True)
        table = pd.concat([learner_table(one, ["all"] * given.test) for one in results.values()])
        table = table.drop(columns=[c for c in table.columns if "change" in c])
        write_tables(table, given.out, "peers")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
