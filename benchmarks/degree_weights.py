"""How much of each angular degree a metal wants: weights of the degrees by the likelihood.

    OMP_NUM_THREADS=1 python benchmarks/degree_weights.py DATA [--metals Mo,Ti,Cu] [--frames 40]

Degree l of B2 is multiplied by w_l before the descriptor is normalised; the default is 0.6^l. Here
every w_l but that of l = 0 is free (automatic relevance determination), and found by turns: the log
marginal likelihood at 1/2, 1 and 2 times its value, the top of the parabola through them, once for
each degree and then again. Prints weights, likelihoods and held-out force errors at the start and
after each turn. DATA holds maml_Mo_{AIMD,Test}.extxyz and zuo2020_Cu_{train,test}.extxyz; titanium
has the frames that ship, labelled with tight binding (3 x 3 x 3, 0.2 eV).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.settings import SgpSettings
from dosml.learners.sgp.trained import SharedBasis
from dosml.relabel.dataset import Dataset, LabelSet, load
from dosml.relabel.dataset.reference import reference_dataset
from dosml.relabel.engines.registry import make_engine
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

FILES = {
    "Mo": ("maml_Mo_AIMD.extxyz", "maml_Mo_Test.extxyz"),
    "Cu": ("zuo2020_Cu_train.extxyz", "zuo2020_Cu_test.extxyz"),
}
SETTINGS = SgpSettings(n_inducing=300)
#: Largest step of log2 w_l, and turns over all degrees.
STEP, TURNS = 1.0, 2

_descriptor = SharedBasis.descriptor


def fitted(train: Dataset, logs: np.ndarray) -> SgpModels:
    """Train with 2^logs as weights of the degrees."""

    def weighted(shared: SharedBasis) -> object:
        made = _descriptor(shared)
        made._degree_weights = torch.as_tensor(2.0**logs)  # noqa: SLF001 (what is looked at here)
        return made

    with patch.object(SharedBasis, "descriptor", weighted):
        models = SgpLearner(SETTINGS).fit(train.frames, train.label_sets)
        # its own descriptor, made while the weights hold
        return SgpModels(models.shared, models.models)


def likelihood(train: Dataset, logs: np.ndarray) -> float:
    """Log marginal likelihood with these weights."""
    return float(fitted(train, logs).facts()[0]["log_likelihood"])


def improved(
    train: Dataset, logs: np.ndarray, here: float, degree: int
) -> tuple[np.ndarray, float]:
    """Move the weight of one degree to the top of a parabola, or to the best point seen."""
    tried = {0.0: here}
    for step in (-STEP, STEP):
        moved = logs.copy()
        moved[degree] += step
        tried[step] = likelihood(train, moved)
    curvature = tried[STEP] + tried[-STEP] - 2 * here
    if curvature < 0:
        top = float(np.clip(-0.5 * STEP * (tried[STEP] - tried[-STEP]) / curvature, -2, 2))
        moved = logs.copy()
        moved[degree] += top
        tried[top] = likelihood(train, moved)
    best = max(tried, key=tried.__getitem__)
    out = logs.copy()
    out[degree] += best
    return out, tried[best]


def force_error(models: SgpModels, test: Dataset) -> float:
    """Mean absolute error of the forces in % of their mean absolute value."""
    truth = np.concatenate(test.label_sets[0].forces)
    said = np.concatenate(models.predict(test.frames)[0].forces)
    return float(100 * np.abs(said - truth).mean() / np.abs(truth).mean())


def titanium() -> tuple[Dataset, Dataset]:
    """Shipped frames with labels of the engine tb."""
    shipped = reference_dataset("Ti")
    engine = make_engine("tb", {"kpoints": (3, 3, 3)}, ["Ti"])
    setting = ElectronicSetting(Smearing("methfessel-paxton-1", 0.2), 0.0)
    made = [engine.label(frame, setting) for frame in shipped.frames]
    labels = LabelSet(
        np.array([one.free_energy for one in made]),
        [one.forces for one in made],
        np.array([one.stress for one in made]),
        setting=setting,
    )
    data = Dataset.of(shipped.frames, [labels], shipped.provenance)
    return data.take(shipped.train), data.take(shipped.test)


def evenly(data: Dataset, count: int) -> Dataset:
    """Take frames from the whole set, evenly."""
    chosen = np.linspace(0, len(data.frames) - 1, min(count, len(data.frames))).round().astype(int)
    return data.take([int(n) for n in chosen])


def main() -> None:
    """Find the weights of every metal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--metals", default="Mo,Ti,Cu")
    parser.add_argument("--frames", type=int, default=40)
    given = parser.parse_args()
    for metal in given.metals.split(","):
        if metal in FILES:
            train, test = (load(given.data / name, stress=False) for name in FILES[metal])
        else:
            train, test = titanium()
        train = evenly(train, given.frames)
        began = time.process_time()
        logs = np.log2(SETTINGS.degree_decay) * np.arange(SETTINGS.l_max + 1)
        value = likelihood(train, logs)
        for turn in range(TURNS + 1):
            error = force_error(fitted(train, logs), test)
            shown = " ".join(f"{one:.2g}" for one in 2.0**logs)
            print(
                f"{metal}, after {turn} turns: weights {shown}; log likelihood {value:.0f}, "
                f"force error {error:.2f} %, {time.process_time() - began:.0f} CPU s",
                flush=True,
            )
            if turn < TURNS:
                for degree in range(1, len(logs)):
                    logs, value = improved(train, logs, value, degree)


if __name__ == "__main__":
    main()
