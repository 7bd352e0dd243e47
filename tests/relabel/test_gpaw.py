"""The GPAW engine against finite differences, against dosml.theory, and when it is cut off."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import InputError
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.engines.gpaw_presets import PRESETS, GpawPreset, occupations
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import canonical
from dosml.relabel.label import Label
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

pytest.importorskip("gpaw", reason="GPAW is not installed (make gpaw)")
pytest.importorskip("gpaw_data", reason="GPAW's PAW data are not installed (make gpaw)")

ENGINE = GpawEngine(kpoints=(2, 2, 1))


def setting(
    width: float, shift: float = 0.0, scheme: str = "methfessel-paxton-1"
) -> ElectronicSetting:
    return ElectronicSetting(Smearing(scheme, width), shift)


@pytest.fixture(scope="module")
def frame():
    atoms = bulk("Cu") * (1, 1, 2)
    atoms.rattle(0.15, seed=3)
    return canonical(atoms)


def label_of(frame, one: ElectronicSetting, engine: GpawEngine = ENGINE) -> Label:
    label = engine.label(frame, one)
    assert isinstance(label, Label), label
    return label


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_forces_are_minus_the_gradient_of_the_free_energy(frame, shift) -> None:
    one = setting(0.5, shift)
    forces = label_of(frame, one).forces
    energies = []
    step = 0.02
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions[0, 1] += sign * step
        energies.append(label_of(moved, one).free_energy)
    numeric = -(energies[0] - energies[1]) / (2 * step)
    assert forces[0, 1] == pytest.approx(numeric, abs=5e-3)
    assert abs(forces[0, 1]) > 0.1


@pytest.mark.slow
def test_stress_is_the_strain_derivative_of_the_free_energy(frame, monkeypatch) -> None:
    # at 1000 eV the plane waves that enter and leave a strained cell no longer matter
    monkeypatch.setitem(PRESETS, "paper", GpawPreset(energy_cutoff=1000.0, kpoint_spacing=0.5))
    engine = GpawEngine("paper", kpoints=(2, 2, 1))
    one = setting(0.5)
    stress = label_of(frame, one, engine).stress
    step = 0.005
    energies = []
    for sign in (1, -1):
        strained = frame.copy()
        strained.set_cell(frame.cell * (1 + sign * step), scale_atoms=True)
        energies.append(label_of(strained, one, engine).free_energy)
    numeric = (energies[0] - energies[1]) / (2 * step) / frame.cell.volume
    assert stress[:3].sum() == pytest.approx(numeric, abs=0.005)


@pytest.mark.parametrize("scheme", ["fermi-dirac", "gaussian", "methfessel-paxton-1", "cold"])
def test_smearing_is_that_of_the_theory(frame, scheme) -> None:
    from dosml.relabel.engines.gpaw_run import make_calculator, number_of_bands

    one = setting(0.4, scheme=scheme)
    atoms = frame.copy()
    atoms.calc = make_calculator(ENGINE, frame, one, bands=number_of_bands(frame, [one]))
    atoms.get_potential_energy()
    counts = atoms.calc.wfs.kd.weight_k
    levels = np.array([atoms.calc.get_eigenvalues(kpt=k) for k in range(len(counts))])
    found = np.array([atoms.calc.get_occupation_numbers(kpt=k) for k in range(len(counts))])
    fermi_level = atoms.calc.get_fermi_level()
    expected = one.smearing.occupation(levels - fermi_level)
    np.testing.assert_allclose(found / (2 * counts[:, None]), expected, atol=1e-4)


def test_dos_holds_the_d_shell_and_the_electrons(frame) -> None:
    label = label_of(frame, setting(0.2))
    occupied = label.dos.energies < 0
    assert label.n_electrons == pytest.approx(22)
    assert (label.dos.total * occupied).sum() * label.dos.step == pytest.approx(11, abs=0.3)
    assert 9.0 < (label.dos.d * occupied).sum() * label.dos.step < 10.1
    assert label.dos.d_m is not None
    np.testing.assert_allclose(label.dos.d_m.sum(axis=0), label.dos.d)
    assert abs(label.top_occupation) < 1e-4


def test_a_cut_ladder_continues_to_the_same_numbers(frame, tmp_path) -> None:
    rungs = [setting(width) for width in (0.2, 1.0)]
    whole = dict(ENGINE.label_ladder(frame, rungs, [], tmp_path / "whole"))
    assert not (tmp_path / "whole").exists()

    cut = ENGINE.label_ladder(frame, rungs, [], tmp_path / "cut")
    first, _ = next(cut)
    cut.close()
    rest = dict(ENGINE.label_ladder(frame, rungs, [first], tmp_path / "cut"))
    assert first.smearing.width == 1.0
    assert list(rest) == [rungs[0]]
    again, before = rest[rungs[0]], whole[rungs[0]]
    assert isinstance(again, Label)
    assert isinstance(before, Label)
    np.testing.assert_allclose(again.forces, before.forces, atol=1e-3)
    assert again.facts["from_neighbour"] == before.facts["from_neighbour"] == 1
    alone = label_of(frame, rungs[0])
    np.testing.assert_allclose(again.forces, alone.forces, atol=2e-3)
    assert int(again.facts["scf_steps"]) < int(alone.facts["scf_steps"])


def test_a_field_that_does_not_converge_is_a_failure_with_its_reasons(frame, monkeypatch) -> None:
    from dosml.relabel.engines import gpaw_run

    monkeypatch.setattr(gpaw_run, "ATTEMPTS", ((0.25, 8, 20.0, 2), (0.05, 5, 50.0, 2)))
    outcome = ENGINE.label(frame, setting(0.2))
    assert isinstance(outcome, LabelFailure)
    assert outcome.reason.count("not converged in 2 steps") == 2


def test_calculator_gives_the_label_and_follows_a_moving_frame(frame) -> None:
    one = setting(0.5)
    atoms = frame.copy()
    atoms.calc = ENGINE.calculator(one)
    np.testing.assert_allclose(atoms.get_forces(), label_of(frame, one).forces, atol=1e-3)
    atoms.positions[0, 0] += 0.05
    np.testing.assert_allclose(atoms.get_forces(), label_of(atoms, one).forces, atol=3e-3)


def test_presets_and_grids() -> None:
    laptop = PRESETS["laptop"]
    for symbol, repeat in [("Ti", (2, 2, 1)), ("Os", (2, 2, 1)), ("Cu", (2, 2, 2))]:
        assert laptop.kpoints(bulk(symbol) * repeat) == (3, 3, 3)
    with pytest.raises(InputError, match="cannot be 'fast': choose one of laptop, paper"):
        make_engine("gpaw", {"preset": "fast"})
    with pytest.raises(InputError, match="option kpoints.1 of the engine gpaw cannot be '0'"):
        make_engine("gpaw", {"kpoints": "2,0,2"})
    one, other = make_engine("gpaw"), make_engine("gpaw", {"kpoints": "2,2,2"})
    assert other == make_engine("gpaw", {"kpoints": [2, 2, 2]})
    assert one.fingerprint() != other.fingerprint()
    assert set(one.versions()) == {"gpaw", "gpaw-data"}
    assert occupations(setting(0.1, scheme="gaussian"))["order"] == 0
