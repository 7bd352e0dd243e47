"""Energies are not given up in silence: starts, bounds, warnings, and baselines of odd sets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from helpers.sgp_data import alloy, rattled, toy_labels
from helpers.sgp_dense import fit

from dosml.learners.sgp.accumulate import Evidence
from dosml.learners.sgp.calculator import SgpCalculator
from dosml.learners.sgp.evidence_maximum import DOUBTFUL, choose_hyperparameters
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.likelihood import maximise, posterior, spread, start
from dosml.learners.sgp.settings import SgpSettings, with_cutoff
from dosml.learners.sgp.targets import baselines
from dosml.relabel.dataset import LabelSet, load_files

NOTHING_GIVEN = dict.fromkeys(("signal", "energy_noise", "force_noise", "stress_noise"))


def made_evidence(energy_rows, energies, force_rows, forces):
    """Evidence of plain design matrices, rows (n_labels, M)."""
    pairs = {"energy": (energy_rows, energies), "force": (force_rows, forces)}
    return Evidence(
        phi={kind: torch.as_tensor(rows.T @ rows) for kind, (rows, _) in pairs.items()},
        rhs={kind: torch.as_tensor(rows.T @ y) for kind, (rows, y) in pairs.items()},
        squares={kind: float(y @ y) for kind, (_, y) in pairs.items()},
        counts={kind: len(y) for kind, (_, y) in pairs.items()},
    )


@pytest.fixture(scope="module")
def bargain():
    """Forces that are fitted a little better if energies are taken for noise.

    The model has one function for what moves energies. In the forces it is a nuisance: they follow
    another one, and the size of the misfit is twice as large with the energies as without.
    """
    rng = np.random.default_rng(1)
    m, n_energies, n_forces = 6, 30, 2000
    energy_rows = np.zeros((n_energies, m))
    energy_rows[:, 0] = rng.normal(size=n_energies)
    energies = energy_rows[:, 0] + 0.01 * rng.normal(size=n_energies)
    force_rows = rng.normal(size=(n_forces, m))
    truth = np.array([0.98, 1.0, -1.0, 0.5, 0.3, 2.0])
    truth[0] = 0.9
    forces = force_rows @ truth + 0.02 * rng.normal(size=n_forces)
    return made_evidence(energy_rows, energies, force_rows, forces)


def test_evidence_that_gives_energies_up_is_overruled(bargain):
    """The bargain in numbers: the evidence prefers noise, predictions do not."""
    alone, solved, _ = maximise(bargain, start(bargain, NOTHING_GIVEN), 60)
    choice = choose_hyperparameters(bargain, NOTHING_GIVEN, 60)
    print(alone, choice.hyperparameters, solved.held_out, choice.posterior.held_out)
