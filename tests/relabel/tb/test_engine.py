"""The engine's contract, its options and its refusals."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pydantic import ValidationError

from dosml.errors import EngineError, LabelError
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.engines.tb import engine as engine_module
from dosml.relabel.engines.tb import model
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.kpoints import gamma_grid, grid_by_spacing
from dosml.relabel.engines.tb.model import TbParameters, load_parameters
from dosml.relabel.engines.tb.options import TbOptions
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTINGS = [
    ElectronicSetting(Smearing("methfessel-paxton-1", width), shift)
    for width in (0.2, 1.0)
    for shift in (0.0, -1.0)
]


def test_one_diagonalisation_serves_every_setting(engine, frame, tmp_path, monkeypatch) -> None:
    calls = []
    solved = engine_module.solve

    def counted(*arguments):
        calls.append(1)
        return solved(*arguments)

    monkeypatch.setattr(engine_module, "solve", counted)
    folder = tmp_path / "frame"
    folder.mkdir()
    labels = dict(engine.label_ladder(frame, SETTINGS, SETTINGS[:1], folder))
    assert list(labels) == SETTINGS[1:]
    assert len(calls) == 1
    assert not folder.exists()
    assert list(engine.label_ladder(frame, SETTINGS, SETTINGS, folder)) == []
    assert len(calls) == 1
    for setting, label in labels.items():
        alone = engine.label(frame, setting)
        assert alone.free_energy == label.free_energy
        np.testing.assert_array_equal(alone.forces, label.forces)
        assert label.n_electrons == len(frame) * (5 + setting.electrons_per_atom_shift)
        assert label.top_occupation == 0
        assert label.facts["kpoints"] == 8
        assert label.facts["guarded_kpoints"] == 0


def test_free_energies_fall_with_the_width(engine, frame) -> None:
    energies = [
        engine.label(frame, ElectronicSetting(Smearing("fermi-dirac", width))).free_energy
        for width in (0.1, 0.5, 1.0, 2.0)
    ]
    assert (np.diff(energies) < 0).all()


def test_too_many_electrons_are_refused_by_name(engine, frame) -> None:
    setting = ElectronicSetting(Smearing("gaussian", 0.2), 13.5)
    with pytest.raises(EngineError, match=r"18\.5 electrons on an atom"):
        engine.check(setting)
    ((_, outcome),) = engine.label_ladder(frame, [setting], [], Path("none"))
    assert isinstance(outcome, LabelFailure)
    assert "do not fit" in outcome.reason


def test_a_frame_that_cannot_be_diagonalised_is_named(engine, frame, monkeypatch) -> None:
    def broken(*_):
        raise LabelError("made up")

    monkeypatch.setattr(engine_module, "solve", broken)
    outcomes = dict(engine.label_ladder(frame, SETTINGS, [], Path("none")))
    assert outcomes == dict.fromkeys(SETTINGS, LabelFailure("made up"))
    with pytest.raises(LabelError, match="made up"):
        engine.calculator(SETTINGS[0]).get_forces(frame)


def test_refusals(engine, frame, tmp_path, monkeypatch) -> None:
    alloy = frame.copy()
    alloy.numbers[0] = 40
    with pytest.raises(EngineError, match="one element.*Ti, Zr"):
        engine.label(alloy, SETTINGS[0])
    with pytest.raises(EngineError, match=r"these are for Ti, the frames are Cu"):
        engine.label(bulk("Cu"), SETTINGS[0])
    frame.pbc = (True, True, False)
    with pytest.raises(EngineError, match="periodic in three directions"):
        engine.label(frame, SETTINGS[0])
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    with pytest.raises(EngineError, match="no parameters for Cu.*parameters=FILE"):
        TbEngine().label(bulk("Cu"), SETTINGS[0])
    with pytest.raises(EngineError, match=r"parameters=.*nowhere: cannot be read"):
        TbEngine(TbOptions(parameters=tmp_path / "nowhere")).label(bulk("Cu"), SETTINGS[0])


def test_options() -> None:
    with pytest.raises(ValidationError, match="kpoint_spacng"):
        TbOptions(kpoint_spacng=0.1)
    with pytest.raises(ValidationError):
        TbOptions(kpoints=(0, 1, 1))
    given = TbOptions.model_validate({"parameters": "a.json", "kpoints": ["2", "2", "3"]})
    assert given == TbOptions(parameters=Path("a.json"), kpoints=(2, 2, 3))


def test_the_registry_knows_it(parameter_file) -> None:
    engine = make_engine("tb", {"kpoints": (2, 2, 2), "parameters": parameter_file})
    assert engine == TbEngine(TbOptions(parameters=parameter_file, kpoints=(2, 2, 2)))
    assert engine.name == "tb"
    assert "not DFT" in engine.warning
    assert engine.seconds_per_label(62) > engine.seconds_per_label(31)


def test_it_travels_and_its_fingerprint_follows_the_parameters(parameters, tmp_path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(parameters.to_json()))
    engine = TbEngine(TbOptions(parameters=path))
    first = engine.fingerprint()
    assert pickle.loads(pickle.dumps(engine)) == engine
    assert TbEngine(TbOptions(parameters=path, kpoints=(2, 2, 2))).fingerprint() != first
    values = parameters.to_json()
    values["decay"] *= 1.01
    path.write_text(json.dumps(values))
    assert engine.fingerprint() != first


def test_the_next_grid_has_one_more_point_a_direction(engine, parameter_file, frame) -> None:
    assert engine.denser(frame).options.kpoints == (3, 4, 3)
    assert engine.denser(frame).options.parameters == parameter_file
    loose = TbEngine(TbOptions(parameters=parameter_file, kpoint_spacing=0.6))
    grid = grid_by_spacing(frame, 0.6)
    assert loose.denser(frame).options.kpoints == tuple(number + 1 for number in grid)
    label, denser = (one.label(frame, SETTINGS[0]) for one in (loose, loose.denser(frame)))
    assert label.facts["kpoints"] < denser.facts["kpoints"]


@pytest.fixture
def shipped(parameters, tmp_path, monkeypatch):
    """Parameters of a made-up metal and of the same by another name ship."""
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    for symbol, spacing in (("Ti", None), ("Zr", 0.7)):
        one = replace(parameters, symbol=symbol, kpoint_spacing=spacing)
        (tmp_path / f"{symbol}.json").write_text(json.dumps(one.to_json()))
    return tmp_path


def test_its_fingerprint_is_that_of_its_metal(shipped, parameters) -> None:
    """A metal that comes or changes leaves the labels of the others what they are."""
    titanium, zirconium = (make_engine("tb", {}, [one]) for one in ("Ti", "Zr"))
    any_metal = make_engine("tb")
    before = [one.fingerprint() for one in (titanium, zirconium, any_metal)]
    assert len({json.dumps(one) for one in before}) == 3
    changed = replace(parameters, symbol="Zr", decay=1.1).to_json()
    (shipped / "Zr.json").write_text(json.dumps(changed))
    after = [one.fingerprint() for one in (titanium, zirconium, any_metal)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]
    card = parameters.to_json() | {"card": {"r": 1}, "source": "told anew"}
    (shipped / "Ti.json").write_text(json.dumps(card))
    assert titanium.fingerprint() == before[0]


@pytest.mark.usefixtures("shipped")
def test_a_metal_may_bring_its_spacing() -> None:
    titanium, zirconium = (make_engine("tb", {}, [one]) for one in ("Ti", "Zr"))
    assert titanium.fingerprint()["kpoint_spacing"] == engine_module.KPOINT_SPACING
    assert zirconium.fingerprint()["kpoint_spacing"] == 0.7
    assert "0.7 1/Å apart" in zirconium.warning
    asked = make_engine("tb", {"kpoint_spacing": 0.3}, ["Zr"])
    assert asked.fingerprint()["kpoint_spacing"] == 0.3
    cell = bulk("Zr", "fcc", a=4.0)
    points = zirconium.label(cell, SETTINGS[0]).facts["kpoints"]
    grid = gamma_grid(grid_by_spacing(cell, 0.7))
    assert points == len(grid.points)
    assert titanium.seconds_per_label(31) > zirconium.seconds_per_label(31)


@pytest.mark.usefixtures("shipped")
def test_a_metal_without_parameters_is_refused_before_anything_runs() -> None:
    with pytest.raises(EngineError, match=r"no parameters for Cu \(it has Ti, Zr\)"):
        make_engine("tb", {}, ["Cu"]).check(SETTINGS[0])
    many = ElectronicSetting(Smearing("gaussian", 0.2), 13.5)
    with pytest.raises(EngineError, match=r"18\.5 electrons on an atom"):
        make_engine("tb", {}, ["Ti"]).check(many)


def test_calculator(engine, frame) -> None:
    frame.calc = engine.calculator(SETTINGS[1])
    label = engine.label(frame, SETTINGS[1])
    assert frame.get_potential_energy() == label.free_energy
    np.testing.assert_array_equal(frame.get_forces(), label.forces)
    np.testing.assert_array_equal(frame.get_stress(), label.stress)


def test_parameter_files_round_trip(parameters, tmp_path, monkeypatch) -> None:
    values = json.loads(json.dumps(parameters.to_json()))
    read = TbParameters.from_json(values)
    np.testing.assert_array_equal(read.to_vector(), parameters.to_vector())
    assert read.to_json() == parameters.to_json()
    moved = read.with_vector(2 * read.to_vector())
    np.testing.assert_array_equal(moved.to_vector(), 2 * read.to_vector())
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    (tmp_path / "Ti.json").write_text(json.dumps(values))
    assert load_parameters("Ti").to_json() == parameters.to_json()
    with pytest.raises(EngineError, match=r"no parameters for Cu \(it has Ti\)"):
        load_parameters("Cu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": "eV"}, "units must be"),
        ({"surprise": 1}, "not a parameter file"),
        ({"onsite": {"s": [1]}}, "not a parameter file"),
        ({"electrons": 20}, "20 electrons an atom"),
        ({"cutoff_width": 3.0}, "six times its width"),
        ({"short_range": [3.0, 2.0]}, "two rising distances"),
        ({"kpoint_spacing": 0.0}, "kpoint_spacing"),
        ({"level_zero": [1.0, 2.0]}, "level_zero must be no or 6"),
        ({"decay": float("nan")}, "finite"),
    ],
)
def test_a_spoilt_parameter_file_is_refused(parameters, change, message) -> None:
    with pytest.raises(EngineError, match=message):
        TbParameters.from_json(parameters.to_json() | change)


def test_every_shipped_file_can_be_read() -> None:
    for metal in model.shipped_metals():
        assert load_parameters(metal).symbol == metal
