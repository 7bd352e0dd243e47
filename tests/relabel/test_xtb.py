"""The embedded engine against finite differences, and its DOS against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dosml.errors import EngineError, InputError
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import engine_options, make_engine
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical
from dosml.relabel.label import Label
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


def setting(width: float, shift: float = 0.0) -> ElectronicSetting:
    return ElectronicSetting(Smearing("fermi-dirac", width), shift)


def rattled(symbol: str = "Ti", repeat: tuple[int, int, int] = (2, 2, 1)) -> Atoms:
    atoms = bulk(symbol) * repeat
    atoms.rattle(0.15, seed=3)
    return canonical(atoms)


def label_of(engine: XtbEngine, frame: Atoms, one: ElectronicSetting) -> Label:
    label = engine.label(frame, one)
    assert isinstance(label, Label), label
    return label


@pytest.mark.parametrize("width", [0.2, 2.0])
def test_forces_are_minus_the_gradient_of_the_free_energy(width: float) -> None:
    engine = XtbEngine(accuracy=0.01)
    frame = rattled()
    forces = label_of(engine, frame, setting(width)).forces
    step = 1e-3
    for atom, axis in [(0, 0), (3, 1), (5, 2)]:
        energies = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(label_of(engine, moved, setting(width)).free_energy)
        numeric = -(energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(numeric, abs=2e-4)


@pytest.mark.parametrize("width", [0.2, 2.0])
def test_stress_is_the_strain_derivative_of_the_free_energy(width: float) -> None:
    engine = XtbEngine(accuracy=0.01)
    frame = rattled()
    stress = label_of(engine, frame, setting(width)).stress
    # lattice sums are cut at a radius: smaller strains see their steps
    step = 2e-3
    for voigt, (i, j) in [(0, (0, 0)), (2, (2, 2)), (3, (1, 2)), (5, (0, 1))]:
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / (1 if i == j else 2)
            if i != j:
                strain[j, i] += sign * step / 2
            strained = frame.copy()
            strained.set_cell(frame.cell @ strain, scale_atoms=True)
            energies.append(label_of(engine, strained, setting(width)).free_energy)
        numeric = (energies[0] - energies[1]) / (2 * step) / frame.cell.volume
        assert stress[voigt] == pytest.approx(numeric, abs=3e-5, rel=1e-4)


def test_the_free_energy_holds_the_entropy() -> None:
    # dF/d(sigma) = -S <= 0, so F falls with the width; E alone would rise
    engine = XtbEngine()
    frame = rattled()
    energies = [label_of(engine, frame, setting(width)).free_energy for width in (0.2, 1.0, 2.0)]
    assert energies[0] > energies[1] > energies[2]


def test_dos_counts_states_and_electrons() -> None:
    engine = XtbEngine()
    frame = rattled("Cu", (2, 2, 2))
    label = label_of(engine, frame, setting(0.2))
    dos = label.dos
    assert dos.d_m is not None
    np.testing.assert_allclose(dos.d_m.sum(axis=0), dos.d, atol=1e-10)
    occupied = dos.energies <= 0
    electrons = np.trapezoid(
        (dos.total * Smearing("fermi-dirac", 0.2).occupation(dos.energies)), dos.energies
    )
    # GFN1 gives copper 11 valence electrons; the lowest level lies well inside the window
    assert electrons == pytest.approx(11, abs=0.1)
    assert label.n_electrons == pytest.approx(11 * len(frame), abs=1e-6)
    filled_d = np.trapezoid(dos.d[occupied], dos.energies[occupied])
    assert 9.0 < filled_d < 10.0
    # the ten d orbitals carry ten states; Mulliken projection conserves their number over all
    # levels, a few of which lie above the window
    assert np.trapezoid(dos.d, dos.energies) == pytest.approx(10, abs=1.0)


def test_titanium_has_a_part_filled_d_band() -> None:
    dos = label_of(XtbEngine(), rattled("Ti", (2, 2, 2)), setting(0.2)).dos
    occupied = dos.energies <= 0
    assert 1.5 < np.trapezoid(dos.d[occupied], dos.energies[occupied]) < 3.5


def test_d_orbitals_come_in_the_order_of_real_harmonics() -> None:
    """The overlap of an s orbital with a d orbital is proportional to Y_2m of the bond direction.

    Oracle: the closed forms of the real harmonics, m = -2 ... 2 = xy, yz, z2, xz, x2-y2.
    """
    direction = np.array([0.48, 0.64, 0.6])
    x, y, z = direction
    expected = np.array(
        [x * y, y * z, (3 * z * z - 1) / (2 * np.sqrt(3)), x * z, (x * x - y * y) / 2]
    )
    frame = Atoms("Ti2", positions=[[0, 0, 0], 3.0 * direction], cell=[30] * 3, pbc=True)
    engine = XtbEngine()
    calculator = engine.tblite(frame, setting(0.2))
    overlap = calculator.singlepoint().dict()["overlap-matrix"]
    momenta = calculator.get("angular-momenta")
    shells = calculator.get("orbital-map")
    atom_of_shell = calculator.get("shell-map")
    d_first = [o for o, s in enumerate(shells) if momenta[s] == 2 and atom_of_shell[s] == 0]
    s_second = [o for o, s in enumerate(shells) if momenta[s] == 0 and atom_of_shell[s] == 1]
    values = overlap[d_first, s_second[0]]
    ratio = values / expected
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_an_isolated_atom_splits_into_five_equal_d_channels() -> None:
    frame = Atoms("Cu", positions=[[0, 0, 0]], cell=[12] * 3, pbc=True)
    dos = label_of(XtbEngine(), frame, setting(0.5)).dos
    assert dos.d_m is not None
    counts = np.trapezoid(dos.d_m, dos.energies, axis=1)
    np.testing.assert_allclose(counts, 2.0, atol=1e-3)


def test_removing_electrons_is_counted() -> None:
    frame = rattled("Cu", (2, 2, 2))
    label = label_of(XtbEngine(), frame, setting(1.0, -0.5))
    assert label.n_electrons == pytest.approx(10.5 * len(frame), abs=1e-6)


def test_ladder_agrees_with_single_labels_and_continues_to_the_same_numbers(tmp_path) -> None:
    engine = XtbEngine()
    frame = rattled()
    settings = [setting(width) for width in (0.2, 1.0, 2.0)]
    whole = dict(engine.label_ladder(frame, settings, [], tmp_path / "whole"))
    assert not (tmp_path / "whole").exists()
    for one in settings:
        alone = label_of(engine, frame, one)
        assert whole[one].free_energy == pytest.approx(alone.free_energy, abs=1e-5)
        np.testing.assert_allclose(whole[one].forces, alone.forces, atol=1e-3)

    cut = engine.label_ladder(frame, settings, [], tmp_path / "cut")
    first, label = next(cut)
    assert first.smearing.width == 2.0
    cut.close()  # the process is killed after the first label was stored
    rest = dict(engine.label_ladder(frame, settings, [first], tmp_path / "cut"))
    assert set(rest) == set(settings) - {first}
    assert label.free_energy == pytest.approx(whole[first].free_energy, rel=1e-13)
    for one, again in rest.items():
        # the same to rounding: far below the convergence of the field
        np.testing.assert_allclose(again.forces, whole[one].forces, rtol=0, atol=1e-11)
        assert again.free_energy == pytest.approx(whole[one].free_energy, rel=1e-13)


def test_a_field_that_does_not_converge_is_a_failure_with_reasons(monkeypatch) -> None:
    monkeypatch.setattr("dosml.relabel.engines.xtb.ATTEMPTS", ((0.4, 2, True), (0.2, 3, False)))
    outcome = XtbEngine().label(rattled(), setting(0.2))
    assert isinstance(outcome, LabelFailure)
    assert "damping 0.4" in outcome.reason
    assert "damping 0.2" in outcome.reason


def test_what_tblite_cannot_do_names_who_can() -> None:
    with pytest.raises(EngineError, match="methfessel-paxton-1.*VASP or GPAW"):
        XtbEngine().check(ElectronicSetting(Smearing("methfessel-paxton-1", 0.2)))
    with pytest.raises(InputError, match=r"--kpoints is no option of xtb: .*have it \(tb, gpaw"):
        engine_options("xtb", {"kpoints": (2, 2, 2)}, {})
    with pytest.raises(InputError, match="no option acuracy.*did you mean accuracy?"):
        make_engine("xtb", {"acuracy": 0.1})


def test_engine_calculator_agrees_with_the_label() -> None:
    frame = rattled()
    engine = XtbEngine()
    label = label_of(engine, frame, setting(1.0))
    frame.calc = engine.calculator(setting(1.0))
    assert frame.get_potential_energy() == pytest.approx(label.free_energy, abs=1e-5)
    np.testing.assert_allclose(frame.get_forces(), label.forces, atol=1e-4)
    np.testing.assert_allclose(frame.get_stress(), label.stress, atol=1e-5)
