"""The ase calculator: same numbers as the model, and molecular dynamics conserves energy."""

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.verlet import VelocityVerlet
from helpers.sgp_data import molecule, rattled, toy_labels

from dosml.errors import LearnerError
from dosml.learners.sgp.calculator import SgpCalculator
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings


@pytest.fixture(scope="module")
def models():
    frames = [rattled(seed=n, stdev=0.15)[: 32 - n] for n in range(5)]
    settings = SgpSettings(cutoff=4.0, n_max=5, l_max=2, n_inducing=100)
    return SgpLearner(settings).fit(frames, [toy_labels(frames), toy_labels(frames, scale=0.5)])


def test_same_numbers_as_the_model(models):
    atoms = rattled(seed=9)
    for index in (0, 1):
        wanted = models.predict([atoms], uncertainties=True, force_uncertainties=True)[index]
        atoms.calc = SgpCalculator(models, index)
        assert atoms.get_potential_energy() == pytest.approx(wanted.energies[0], rel=1e-12)
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
        np.testing.assert_allclose(atoms.get_forces(), wanted.forces[0], atol=1e-10)
        np.testing.assert_allclose(atoms.get_stress(), wanted.stresses[0], atol=1e-12)
        get = atoms.calc.get_property
        np.testing.assert_allclose(
            get("energies_uncertainty", atoms), wanted.uncertainties[0], rtol=1e-6, atol=1e-9
        )
        np.testing.assert_allclose(
            get("forces_uncertainty", atoms), wanted.force_uncertainties[0], rtol=1e-6, atol=1e-9
        )


def test_from_file(models, tmp_path):
    path = tmp_path / "model.npz"
    models.save(path, 1)
    atoms = rattled(seed=9)
    atoms.calc = SgpCalculator.from_file(path)
    assert atoms.get_potential_energy() == pytest.approx(models.predict([atoms])[1].energies[0])


def test_no_stress_without_a_cell_and_no_absent_model(models):
    atoms = molecule()
    atoms.calc = SgpCalculator(models)
    assert np.isfinite(atoms.get_forces()).all()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    with pytest.raises(LearnerError, match="no model 2"):
        SgpCalculator(models, 2)


def test_dynamics_conserves_energy(models):
    atoms = rattled(seed=3, stdev=0.05)
    atoms.calc = SgpCalculator(models)
    rng = np.random.default_rng(0)
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * np.sqrt(63.5 * 300 * units.kB))
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=2 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(60)
    moved = atoms.get_kinetic_energy()
    assert np.ptp(energies) < 0.01 * moved
