"""Does weak supervision help where data are few? An ablation on PBE labels of Ti and Cu.

    python benchmarks/cartesian_weak.py OUT [--metals Ti,Cu] [--frames 9,27] [--weights 1,10]

cace on 9 and 27 training frames at 0.2 eV, with labels of energies alone and of energies and
forces, for every form and weight of weak supervision; OUT/weak.csv holds the force % error on the
held-out frames and the change from the training without it, on the same frames (paired).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
import torch

from dosml.analysis.statistics.errors import (
    component_sums,
    error_columns,
    paired_difference_interval,
)
from dosml.learners.registry import make_learner
from dosml.relabel.dataset import reference_dataset

FORMS = ("none", "one-sided", "two-point", "antithetic")
#: A third of the frames is watched: the energy of one frame chooses an epoch by chance.
OPTIONS = {
    "layers": 0,
    "channels": 8,
    "batch_size": 9,
    "patience": 1000,
    "validation": 0.34,
}
#: Passes over the data by number of frames: about as many steps.
EPOCHS = {9: 300, 27: 120}


def main() -> None:
    """Train everything and write one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--metals", default="Ti,Cu")
    parser.add_argument("--frames", default="9,27")
    parser.add_argument("--weights", default="1,10")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    weights = [float(one) for one in given.weights.split(",")]
    trained = [(form, one) for form in FORMS for one in (weights if form != "none" else [0.0])]
    for metal in given.metals.split(","):
        data = reference_dataset(metal)
        test = data.take(data.test)
        for count in map(int, given.frames.split(",")):
            # evenly over the tiers, which follow each other
            step = len(data.train) / count
            train = data.take([data.train[int(n * step)] for n in range(count)])
            for forces in (False, True):
                before = None
                for form, weight in trained:
                    options = {
                        **OPTIONS,
                        "epochs": EPOCHS.get(count, 150),
                        "force_weight": float(forces),
                        "weak": form,
                        "weak_weight": weight,
                    }
                    began = time.process_time()
                    models = make_learner("cace", options).fit(train.frames, train.label_sets[:1])
                    said = models.predict(test.frames)[0]
                    sums = component_sums(said.forces, test.label_sets[0].forces)
                    before = before or sums
                    change = paired_difference_interval(sums, before, test.tiers)
                    rows.append(
                        {
                            "metal": metal,
                            "frames": count,
                            "labels": "energies, forces" if forces else "energies",
                            "weak": form,
                            "weight": weight,
                            **error_columns("force_percent", sums, test.tiers),
                            "change_low": change.low,
                            "change_high": change.high,
                            "cpu_seconds": time.process_time() - began,
                        }
                    )
                    print(pd.DataFrame(rows[-1:]).to_string(index=False, header=False), flush=True)
                    pd.DataFrame(rows).to_csv(given.out / "weak.csv", index=False)


if __name__ == "__main__":
    main()
