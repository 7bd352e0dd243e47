"""What every engine promises, ours and anybody's: one suite over all of them.

A new engine is tested here by being in the registry; give it a `Case` only if copper, or the
tolerances, do not suit it.
"""

from __future__ import annotations

import ast
import json
import math
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from dosml.errors import DosmlError, EngineError, EngineMissingError
from dosml.relabel.ase_factory import evaluate
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import engine_entry, engine_names, make_engine
from dosml.relabel.engines.tb.model import SHIPPED
from dosml.relabel.frames import canonical
from dosml.relabel.label import Label
from dosml.relabel.structures import CELLS
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import SCHEMES, Smearing


@dataclass(frozen=True)
class Case:
    """What an engine is tested with.

    Attributes
    ----------
    options
        Of the engine.
    other
        Options with which its labels are others.
    metal, repeat, cubic
        The frame: one of `METALS`, cells of it.
    force, energy
        Tolerances: eV/Å, eV.
    stress
        Tolerance of the strain derivative, eV/Å^3; None: not to be had in a small calculation.
    turned
        Tolerance (eV/Å) where the frame is moved, turned or shuffled.
    step
        Of finite differences, Å.
    """

    options: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    metal: str = "Cu"
    repeat: tuple[int, int, int] = (2, 1, 1)
    cubic: bool = True
    energy: float = 1e-5
    force: float = 2e-3
    stress: float | None = 2e-4
    turned: float = 1e-3
    step: float = 0.005


#: Bulk modulus (GPa), and electrons of one atom in d states by any projection.
METALS = {"Cu": (137.0, (8.5, 10.5)), "Ti": (110.0, (1.5, 3.5))}
ASE = "ase:my_contract:engine"
CASES = {
    "xtb": Case(other={"accuracy": 0.1}),
    "gpaw": Case(
        options={"kpoints": [2, 2, 1]},
        other={"kpoints": [1, 1, 1]},
        repeat=(1, 1, 2),
        cubic=False,
        energy=2e-3,
        force=5e-3,
        stress=None,  # tests/relabel/test_gpaw.py: plane waves to 1000 eV, minutes
        turned=1e-2,  # the real-space grid of the density turns with the cell, not with the atoms
        step=0.02,
    ),
    "tb": Case(
        other={"kpoints": "1,1,1"},
        metal="Ti",
        repeat=(2, 1, 1),
        cubic=False,
        energy=1e-8,
        force=1e-3,
        stress=1e-5,
        turned=1e-6,
    ),
    ASE: Case(force=1e-4, stress=5e-5, turned=1e-8, energy=1e-8),
}
SLOW = {"gpaw"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in (*engine_names(), ASE)
    ]
)
def name(request, my_module) -> str:  # noqa: ARG001 - runs in its folder
    return request.param


@pytest.fixture
def case(name) -> Case:
    return CASES.get(name, Case())


@pytest.fixture
def engine(name, case):
    if name == "tb" and not (SHIPPED / f"{case.metal}.json").exists():
        pytest.skip(f"the engine tb ships no parameters for {case.metal}")
    made = make_engine(name, case.options)
    try:
        made.versions()
    except EngineMissingError as error:
        pytest.skip(str(error))
    return made


def at(engine, width: float = 0.5, shift: float = 0.0) -> ElectronicSetting:
    return ElectronicSetting(Smearing(engine.default_scheme, width), shift)


def crystal(case):
    return bulk(case.metal, cubic=case.cubic) * case.repeat


@pytest.fixture
def frame(case):
    atoms = crystal(case)
    atoms.rattle(0.1, seed=5)
    strain = np.array([[0.01, 0.006, 0.0], [0.006, -0.012, 0.004], [0.0, 0.004, 0.005]])
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
    return canonical(atoms)


@pytest.fixture
def label_of(engine, tmp_path):
    def give(frame, setting=None) -> Label:
        wanted = setting or at(engine)
        ((found, label),) = engine.label_ladder(frame, [wanted], [], tmp_path / "restart")
        assert found == wanted
        assert isinstance(label, Label), label
        return label

    return give


def test_it_says_what_it_is(name, engine) -> None:
    entry = engine_entry(name)
    assert entry.name == engine.name == name
    assert "\n" not in entry.help
    assert not entry.help.endswith(".")
    for option, about in entry.options.model_fields.items():
        assert about.description, f"{option} has no description"
    assert entry.options.model_config["extra"] == "forbid"
    assert engine.warning.endswith(".")
    assert all(isinstance(line, str) and line.endswith(".") for line in engine.limits)
    assert engine.default_cell in CELLS
    assert engine.versions()
    assert all(isinstance(value, str) for pair in engine.versions().items() for value in pair)
    seconds = engine.seconds_per_label(30)
    assert math.isnan(seconds) or seconds > 0
    engine.check(at(engine))  # its own default scheme is one that it has


def test_its_fingerprint_is_plain_stable_and_tells_options_apart(name, case, engine) -> None:
    text = json.dumps(engine.fingerprint(), sort_keys=True, allow_nan=False)
    assert json.dumps(make_engine(name, case.options).fingerprint(), sort_keys=True) == text
    if case.other:
        other = make_engine(name, {**case.options, **case.other})
        assert json.dumps(other.fingerprint(), sort_keys=True) != text


def test_it_travels_to_other_processes(engine) -> None:
    there = pickle.loads(pickle.dumps(engine))
    assert there.fingerprint() == engine.fingerprint()
    assert there == engine


def test_a_label_is_whole(frame, label_of) -> None:
    label = label_of(frame)
    assert np.isfinite(label.free_energy)
    assert label.forces.shape == (len(frame), 3)
    assert np.isfinite(label.forces).all()
    if label.stress is not None:
        assert label.stress.shape == (6,)
        assert np.isfinite(label.stress).all()
    # a uniform force would push the crystal: only numerical noise of the engine may
    np.testing.assert_allclose(label.forces.sum(axis=0), 0, atol=0.02)
    json.dumps(dict(label.facts), allow_nan=False)
    assert label.facts["seconds"] >= 0
    back = Label.from_arrays(label.to_arrays())
    np.testing.assert_array_equal(back.forces, label.forces)
    assert (back.stress is None) == (label.stress is None)
    assert (back.dos is None) == (label.dos is None)


def test_the_dos_holds_the_electrons(case, frame, label_of) -> None:
    label = label_of(frame)
    if label.dos is None:
        assert math.isnan(label.n_electrons) or label.n_electrons > 0
        pytest.skip("this engine has no density of states")
    dos = label.dos
    filled = dos.energies <= 0
    electrons = np.trapezoid(dos.total[filled], dos.energies[filled]) * len(frame)
    assert electrons == pytest.approx(label.n_electrons, rel=0.05)
    in_d = np.trapezoid(dos.d[filled], dos.energies[filled])
    low, high = METALS[case.metal][1]
    assert low < in_d < high
    if dos.d_m is not None:
        np.testing.assert_allclose(dos.d_m.sum(axis=0), dos.d, atol=1e-6)
    for symbol, part in dos.d_by_element.items():
        assert symbol == case.metal
        np.testing.assert_allclose(part, dos.d, atol=1e-6)
    assert abs(label.top_occupation) < 1e-3


def test_forces_are_minus_the_gradient_of_the_free_energy(case, frame, label_of) -> None:
    way = np.random.default_rng(1).normal(size=(len(frame), 3))
    way /= np.linalg.norm(way)
    energies = []
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions += sign * case.step * way
        energies.append(label_of(moved).free_energy)
    numeric = -(energies[0] - energies[1]) / (2 * case.step)
    assert numeric == pytest.approx((label_of(frame).forces * way).sum(), abs=case.force)
    assert abs(numeric) > 10 * case.force, "the test sees nothing"


def test_stress_is_the_strain_derivative_of_the_free_energy(case, frame, label_of) -> None:
    stress = label_of(frame).stress
    if stress is None or case.stress is None:
        pytest.skip("no stress, or not in so small a calculation")
    way = np.random.default_rng(2).normal(size=(3, 3))
    way = (way + way.T) / np.linalg.norm(way + way.T)
    step, energies = 0.002, []
    for sign in (1, -1):
        strained = frame.copy()
        strained.set_cell(frame.cell @ (np.eye(3) + sign * step * way), scale_atoms=True)
        energies.append(label_of(strained).free_energy)
    numeric = (energies[0] - energies[1]) / (2 * step * frame.cell.volume)
    whole = voigt_6_to_full_3x3_stress(stress)
    assert numeric == pytest.approx((whole * way).sum(), abs=case.stress)
    assert abs(numeric) > 10 * case.stress, "the test sees nothing"


def test_compression_gives_negative_stress_in_electronvolts(case, label_of) -> None:
    """Against the measured bulk modulus: a factor of three for approximations, none for units."""
    start = crystal(case)
    shrunk = start.copy()
    shrunk.set_cell(start.cell * 0.96, scale_atoms=True)
    before, after = label_of(canonical(start)), label_of(canonical(shrunk))
    if before.stress is None or after.stress is None:
        pytest.skip("this engine has no stress")
    pressure = -(after.stress[:3].mean() - before.stress[:3].mean())
    assert pressure > 0
    stiffness = pressure / (1 - 0.96**3) / units.GPa
    assert METALS[case.metal][0] / 3 < stiffness < METALS[case.metal][0] * 3


@pytest.mark.parametrize("change", ["moved", "turned", "shuffled"])
def test_the_choice_of_axes_and_names_does_not_matter(case, frame, label_of, change) -> None:
    label = label_of(frame)
    other, forces, stress = frame.copy(), label.forces, label.stress
    if change == "moved":
        other.positions += [0.31, -1.7, 0.9]
        other.wrap()
    elif change == "turned":
        turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        other.set_cell(frame.cell @ turn.T, scale_atoms=True)
        forces = label.forces @ turn.T
        if stress is not None:
            whole = turn @ voigt_6_to_full_3x3_stress(stress) @ turn.T
            stress = full_3x3_to_voigt_6_stress(whole)
    else:
        order = np.random.default_rng(4).permutation(len(frame))
        other, forces = frame[order], label.forces[order]
    found = label_of(other)
    assert found.free_energy == pytest.approx(label.free_energy, abs=10 * case.energy)
    np.testing.assert_allclose(found.forces, forces, atol=case.turned)
    if stress is not None:
        np.testing.assert_allclose(found.stress, stress, atol=case.turned)


def test_the_same_again_is_the_same(frame, label_of) -> None:
    one, again = label_of(frame), label_of(frame)
    assert again.free_energy == pytest.approx(one.free_energy, rel=1e-10)
    np.testing.assert_allclose(again.forces, one.forces, atol=1e-7)


def test_a_ladder_gives_each_label_once_and_what_is_done_not_again(
    case, engine, frame, label_of, tmp_path
) -> None:
    settings = [at(engine, width) for width in (0.3, 1.0, 0.6)]
    labels = dict(engine.label_ladder(frame, settings, [], tmp_path / "ladder"))
    assert set(labels) == set(settings)
    backwards = dict(engine.label_ladder(frame, settings[::-1], [], tmp_path / "ladder"))
    for one in settings:
        alone = label_of(frame, one)
        for found in (labels[one], backwards[one]):
            assert found.free_energy == pytest.approx(alone.free_energy, abs=10 * case.energy)
            np.testing.assert_allclose(found.forces, alone.forces, atol=case.force)
    rest = dict(engine.label_ladder(frame, settings, settings[:2], tmp_path / "ladder"))
    assert set(rest) == {settings[2]}
    assert not (tmp_path / "ladder").exists()
    assert not dict(engine.label_ladder(frame, settings, settings, tmp_path / "ladder"))


def refusal(engine, setting) -> str:
    """What an engine says to a setting that it cannot do; empty where it can."""
    try:
        engine.check(setting)
    except EngineError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("scheme", [one.replace("-N", "-2") for one in SCHEMES])
def test_a_scheme_is_done_or_refused_with_an_alternative(engine, scheme) -> None:
    refused = refusal(engine, ElectronicSetting(Smearing(scheme, 0.3)))
    assert not refused or ("use" in refused and "--" in refused)


def test_electrons_are_shifted_or_the_shift_is_refused(engine, frame, label_of) -> None:
    shifted = at(engine, shift=-0.25)
    if refused := refusal(engine, shifted):
        assert "use" in refused
        assert "--engine" in refused
        return
    neutral, charged = label_of(frame), label_of(frame, shifted)
    missing = neutral.n_electrons - charged.n_electrons
    assert missing == pytest.approx(0.25 * len(frame), abs=1e-6)
    assert abs(neutral.free_energy - charged.free_energy) > 0.1


def test_more_electrons_taken_than_there_are_give_no_label(engine, frame, tmp_path) -> None:
    absurd = at(engine, shift=-1000.0)
    try:
        engine.check(absurd)
        ((_, outcome),) = engine.label_ladder(frame, [absurd], [], tmp_path / "absurd")
    except EngineError:
        return
    assert isinstance(outcome, LabelFailure)
    assert outcome.reason


def test_its_calculator_gives_the_label(case, engine, frame, label_of) -> None:
    label, found = label_of(frame), evaluate(frame, engine.calculator(at(engine)))
    assert found.energy == pytest.approx(label.free_energy, abs=10 * case.energy)
    np.testing.assert_allclose(found.forces, label.forces, atol=case.force)
    if label.stress is not None:
        assert found.stress is not None
        np.testing.assert_allclose(found.stress, label.stress, atol=case.force)


ANALYSIS = Path(__file__).parents[2] / "analysis"


@pytest.mark.skipif(not ANALYSIS.is_dir(), reason="only in a checkout: it reads the source")
def test_analysis_knows_no_engine() -> None:
    """An engine brings its own words (warning, limits), so a new one changes nothing there."""
    word = re.compile(rf"\b({'|'.join(map(re.escape, engine_names()))})\b")
    knowing = [
        f"{path.relative_to(ANALYSIS)}:{node.lineno}: {text}"
        for path in sorted(ANALYSIS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for text in [getattr(node, "value", None), getattr(node, "id", None)]
        if isinstance(text, str) and word.search(text)
    ]
    assert not knowing


class Lame(Calculator):
    """A calculator without stress and without a free energy, which dislikes short cells."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, list(properties), list(system_changes))
        if self.atoms.cell.lengths().min() < 3:
            raise RuntimeError("too short\na cell")
        self.results = {"energy": 1.0, "forces": np.zeros((len(self.atoms), 3))}


def test_a_calculator_without_stress_gives_labels_without_it(my_module, tmp_path) -> None:
    (my_module / "lame.py").write_text(
        "import sys\n"
        f"test = sys.modules[{__name__!r}]\n"
        "def make(setting):\n    return test.Lame()\n"
        "def wordless():\n    return test.Lame()\n"
        "def nothing(setting):\n    return None\n"
    )
    engine = make_engine("ase:lame:make")
    setting = at(engine)
    engine.check(setting)
    frame = bulk("Cu", cubic=True)
    ((_, label),) = engine.label_ladder(frame, [setting], [], tmp_path / "restart")
    assert label.stress is None
    assert label.facts["energy_is"] == "energy"
    ((_, failure),) = engine.label_ladder(bulk("Cu"), [setting], [], tmp_path / "restart")
    assert failure == LabelFailure("RuntimeError: too short a cell")
    with pytest.raises(EngineError, match="called with the electronic setting"):
        make_engine("ase:lame:wordless").check(setting)
    with pytest.raises(EngineError, match="returned a NoneType, expected an ase calculator"):
        make_engine("ase:lame:nothing").check(setting)
    for wrong, says in {
        "ase:lame": "names no calculator: write ase:MODULE:FUNCTION",
        "ase:lame:mak": "lame.py has no function mak",
        "ase:lam:make": "cannot import lam .*installed packages and in",
    }.items():
        with pytest.raises(DosmlError, match=says):
            make_engine(wrong)


def test_an_ase_engine_knows_when_its_module_changes(my_module) -> None:
    before = make_engine(ASE).fingerprint()
    assert "ase " in before["packages"]
    path = my_module / "my_contract.py"
    path.write_text(path.read_text().replace("EMT()", "EMT(asap_cutoff=True)"))
    assert make_engine(ASE).fingerprint()["source"] != before["source"]


def test_files_of_a_calculator_lie_in_the_frame_s_own_folder(my_module, tmp_path) -> None:
    (my_module / "files.py").write_text(
        "from ase.calculators.calculator import FileIOCalculator\n"
        "class Writes(FileIOCalculator):\n"
        "    implemented_properties = ['energy', 'forces']\n"
        "    def read_results(self):\n"
        "        self.results = {'energy': 0.0, 'forces': 0 * self.atoms.positions}\n"
        "        open('where.txt', 'a').write(str(self.directory) + '\\n')\n"
        "def make(setting):\n    return Writes(command='true')\n"
    )
    engine = make_engine("ase:files:make")
    settings = [at(engine, width) for width in (0.2, 0.4)]
    labels = dict(engine.label_ladder(bulk("Cu"), settings, [], tmp_path / "restart"))
    assert [getattr(label, "reason", None) for label in labels.values()] == [None, None]
    places = (my_module / "where.txt").read_text().split()
    assert places == [str(tmp_path / "restart" / one.name) for one in settings[::-1]]
    assert not (tmp_path / "restart").exists()
