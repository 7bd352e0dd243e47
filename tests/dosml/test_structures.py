"""`dosml structures`: prior, surrogate, search that goes on, ranking, symmetry, counts."""

from __future__ import annotations

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from typer.testing import CliRunner

import dosml
from dosml.analysis.statistics.searches import (
    Trace,
    difference_rows,
    prior_rows,
    success_interval,
)
from dosml.cli import app
from dosml.errors import InputError
from dosml.learners.ase_calculator import AseLearner
from dosml.relabel.ase_factory import AseFactory
from dosml.relabel.labelling import run_ladder
from dosml.searches import search as search_module
from dosml.searches.prior import PriorValues, ask, fit_scale, prior_calculator, wall
from dosml.searches.ranking import Found, distinct, relax_found, symmetry_of
from dosml.searches.search import read_calls, run_search
from dosml.searches.settings import SearchSettings
from dosml.searches.starts import CLOSEST, Bounds
from dosml.searches.study import _engine, _plan, _setting
from dosml.studies.model_runs import closest_pair

pytest.importorskip("gpatom", reason="the structures extra is not installed")

ENGINE = "ase:emt_engine:make"
MODULE = """
from ase.calculators.emt import EMT

def make(setting):
    return EMT()
"""
QUICK = {"relaxations": 2, "steps": 8, "starts": 3}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "emt_engine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_targets_are_read():
    cluster = SearchSettings(target="Ti13")
    assert (cluster.symbol, cluster.n_atoms, cluster.periodic) == ("Ti", 13, False)
    crystal = SearchSettings(target="Mo", atoms=4, prior="none,classical")
    assert (crystal.symbol, crystal.n_atoms, crystal.periodic) == ("Mo", 4, True)
    assert crystal.prior == ("none", "classical")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "Ti"}, "name a cluster, such as Ti13"),
        ({"target": "Ti13", "cell": 4}, "name a cluster, such as Ti13"),
        ({"target": "Ti99"}, "clusters of 2 to 60"),
        ({"target": "Xq4"}, "Xq"),
        ({"target": "Ti8", "pressure": 5.0}, "--pressure is for crystals"),
        ({"target": "Ti8", "prior": "none,none"}, "holds a name twice"),
        ({"target": "Ti8", "calls": 5, "starts": 5}, "leaves nothing of --calls"),
        ({"target": "Ti8", "prior": "nothing"}, "neither a file nor an engine"),
    ],
)
def test_what_cannot_be_searched_is_named(options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        dosml.structures(**options, out=tmp_path)


@pytest.mark.parametrize("settings", [{"target": "Cu9"}, {"target": "Cu", "cell": 4}])
def test_random_structures_are_sound_and_the_same_again(settings):
    bounds = Bounds(SearchSettings(**settings))
    made = [bounds.random(np.random.default_rng(seed)) for seed in range(12)]
    for atoms in made:
        assert bounds.sound(atoms)
        assert closest_pair(atoms, 3.0) >= CLOSEST * bounds.neighbour
    again = bounds.random(np.random.default_rng(3))
    assert np.array_equal(made[3].positions, again.positions)
    assert not np.allclose(made[0].positions, made[1].positions)
    broken = made[0].copy()
    broken.positions[0] = broken.positions[1] + 0.1
    assert not bounds.sound(broken)
    if not bounds.periodic:
        broken.positions[0] = broken.positions[1] + 0.45 * bounds.side
        assert not bounds.sound(broken)


def test_wall_is_the_gradient_of_its_energy():
    rng = np.random.default_rng(0)
    atoms = Atoms("Cu4", rng.random((4, 3)) * 2.0, cell=[6, 6, 6], pbc=True)
    here = wall(atoms, 2.55)
    assert here.energy > 0
    step = 1e-5
    for n, axis in ((0, 0), (2, 1)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[n, axis] += sign * step
            ends.append(wall(moved, 2.55).energy)
        assert here.forces[n, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), rel=1e-5)
    ends = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(np.diag([6 * (1 + sign * step), 6, 6]), scale_atoms=True)
        ends.append(wall(strained, 2.55).energy)
    slope = (ends[0] - ends[1]) / (2 * step) / atoms.cell.volume
    assert here.stress[0] == pytest.approx(slope, rel=1e-4)
    assert wall(bulk("Cu") * (2, 2, 2), 2.55).energy == 0


def test_scale_and_constant_are_found():
    rng = np.random.default_rng(1)
    values = [
        PriorValues(float(rng.normal()), rng.normal(size=(5, 3)), np.zeros(6)) for _ in range(4)
    ]
    energies = np.array([5.0 * one.energy - 7.0 for one in values])
    assert fit_scale(values, energies, [5.0 * one.forces for one in values]) == pytest.approx(
        (5.0, -7.0)
    )
    # a prior that points the wrong way is not turned round
    scale, _ = fit_scale(values, -energies, [-one.forces for one in values])
    assert scale == 1.0


def test_priors_by_name():
    assert prior_calculator("none", "Cu", None) is None
    nothing = ask(bulk("Cu"), None)
    assert nothing.energy == 0
    assert not nothing.forces.any()
    classical = prior_calculator("classical", "Cu", None)
    cohesive = ask(bulk("Cu"), classical).energy
    assert cohesive == pytest.approx(-3.49, abs=0.05)
    assert isinstance(prior_calculator("ase:ase.calculators.emt:EMT", "Cu", None), EMT)


def plan_of(settings, folder):
    engine = _engine(settings)
    return _plan(settings, engine, _setting(settings, engine), folder)


def test_a_search_that_was_cut_off_goes_on_to_the_same_structures(here, monkeypatch):
    settings = SearchSettings(
        target="Cu4", engine=ENGINE, calls=6, seeds=1, prior="classical", **QUICK
    )
    (whole,) = plan_of(settings, here / "whole").tasks
    assert run_search(whole) == 6
    (cut,) = plan_of(settings, here / "cut").tasks
    made = []

    def killed(task):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(task)
        return run_ladder(task)

    monkeypatch.setattr(search_module, "run_ladder", killed)
    with pytest.raises(KeyboardInterrupt):
        run_search(cut)
    assert len(read_calls(cut)) == 4
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert run_search(cut) == 2
    first, second = (read_calls(one) for one in (whole, cut))
    for one, other in zip(first, second, strict=True):
        assert np.allclose(one.atoms.positions, other.atoms.positions, atol=1e-6)
        assert one.label.free_energy == pytest.approx(other.label.free_energy, abs=1e-6)
    assert [one.atoms.info["origin"] for one in first[:3]] == ["random"] * 3
    assert first[-1].atoms.info["origin"] == "search"
    # the surrogate is worth something: it found lower ones than chance did
    values = [one.label.free_energy for one in first]
    assert min(values[3:]) < min(values[:3])
    # another file that is damaged counts as none
    cut.path.write_text("nothing")
    assert read_calls(cut) == []


def test_what_the_engine_refuses_is_a_call_and_no_structure(here, monkeypatch):
    settings = SearchSettings(target="Cu4", engine=ENGINE, calls=6, seeds=1, prior="none", **QUICK)
    (task,) = plan_of(settings, here).tasks
    from dosml.relabel.engines.ase_calculator import AseEngine
    from dosml.relabel.engines.base import LabelFailure

    real, asked = AseEngine._label, []

    def label(engine, frame, setting, folder):
        asked.append(frame)
        if len(asked) % 3 == 0:
            return LabelFailure("no")
        return real(engine, frame, setting, folder)

    monkeypatch.setattr(AseEngine, "_label", label)
    assert run_search(task) == 6
    calls = read_calls(task)
    assert [one.label is None for one in calls] == [False, False, True] * 2
    assert len(asked) == 6


@pytest.mark.slow
def test_the_command_finds_ranks_and_reports(here):
    def run(prior):
        # one search at a time is made in this process
        result = CliRunner().invoke(app, [
            "structures", "Cu4", "--engine", ENGINE, "--prior", prior, "--seeds", "1", "--calls",
            "7", "--starts", "3", "--relaxations", "2", "--steps", "10", "--keep", "2",
            "--workers", "1", "--out", "cu4",
        ])  # fmt: skip
        assert result.exit_code == 0, result.output

    run("none")
    run("classical,none")
    ranked = ase.io.read("cu4/structures.extxyz", ":")
    values = [one.info["value_ev_per_atom"] for one in ranked]
    assert values == sorted(values)
    # EMT copper: the tetrahedron
    tetrahedron = Atoms("Cu4", [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], cell=[20] * 3)
    tetrahedron.positions *= 1.7
    tetrahedron.pbc = True
    truth, _ = relax_found(Found(tetrahedron, 0.0, "", 0), EMT(), periodic=False, pressure=0.0)
    assert values[0] == pytest.approx(truth.value, abs=0.002)
    assert ranked[0].info["symmetry"] == "Td"
    priors = pd.read_csv("cu4/priors.csv")
    assert list(priors["prior"]) == ["classical", "none"]
    assert (priors["searches"] == 1).all()
    assert len(pd.read_csv("cu4/calls.csv")) == 2 * 7
    report = (here / "cu4" / "report.html").read_text(encoding="utf-8")
    assert "which structure has the lowest energy?" in report
    for name in ("trace", "structures"):
        assert (here / "cu4" / "figures" / f"{name}.png").is_file()
    assert not (here / "mll.txt").exists()  # the library writes one where it stands
    searches = {path: path.stat().st_mtime_ns for path in (here / "cu4").rglob("*.extxyz")}
    run("classical,none")
    for path, stamp in searches.items():
        assert path.name == "structures.extxyz" or path.stat().st_mtime_ns == stamp


class Offsets:
    """A learner that needs no training, as universal potentials are."""

    def fit(self, frames, label_sets):
        assert len(frames) == len(label_sets[0].energies) == QUICK["starts"]
        return AseLearner(AseFactory.named("ase:ase.calculators.emt:EMT")).fit(frames, label_sets)


def test_a_learner_by_name_is_fitted_to_the_starts(here, monkeypatch):
    monkeypatch.setattr(search_module, "make_learner", lambda _name: Offsets())
    settings = SearchSettings(target="Cu4", engine=ENGINE, calls=5, seeds=1, prior="sgp", **QUICK)
    (task,) = plan_of(settings, here).tasks
    assert run_search(task) == 5
    info = read_calls(task)[-1].atoms.info
    assert info["prior_scale"] == pytest.approx(1.0, abs=1e-6)  # the prior is the target
    assert task.path.with_name(f"{task.path.stem}-prior.json").is_file()


@pytest.mark.slow
def test_crystals_are_found_and_named(here):
    result = dosml.structures(
        target="Cu", atoms=1, engine=ENGINE, prior="none", seeds=1, calls=8, keep=1, workers=1,
        relaxations=2, steps=10, out=here / "crystal",
    )  # fmt: skip
    assert result.structures[0].relaxed
    assert result.table.iloc[0]["symmetry"] == "Fm-3m (225)"
    volume = result.table.iloc[0]["volume_angstrom3_per_atom"]
    assert volume == pytest.approx(3.59**3 / 4, abs=0.05)


def test_symmetry_of_known_structures():
    assert symmetry_of(bulk("Cu"), periodic=True) == "Fm-3m (225)"
    assert symmetry_of(bulk("Ti", "hcp", a=2.95, c=4.68), periodic=True) == "P6_3/mmc (194)"
    assert symmetry_of(bulk("Mo"), periodic=True) == "Im-3m (229)"
    cluster = Icosahedron("Cu", 2)
    assert len(cluster) == 13
    assert symmetry_of(cluster, periodic=False) == "Ih"


def test_structures_are_told_apart_whatever_the_order_of_atoms():
    rng = np.random.default_rng(0)
    cluster = Icosahedron("Cu", 2)
    turned = cluster.copy()
    turned.rotate(40, (1, 2, 3))
    turned = turned[rng.permutation(13)]
    other = cluster.copy()
    other.positions[0] += 1.0
    found = [
        Found(one, value, "x", 1)
        for one, value in ((cluster, -3.0), (turned, -3.001), (other, -3.0))
    ]
    assert len(distinct(found, periodic=False)) == 2
    assert distinct(found, periodic=False)[0].value == -3.001
    assert len(distinct(found, periodic=False, most=1)) == 1
    one, two = bulk("Cu", "fcc", a=3.6), bulk("Cu", "fcc", a=3.8, cubic=True)
    near = bulk("Cu", "hcp", a=2.546, c=2.546 * np.sqrt(8 / 3))
    crystals = [Found(each, -3.0 + 0.1 * n, "x", n) for n, each in enumerate((one, two, near))]
    assert [each.call for each in distinct(crystals, periodic=True)] == [0, 2]


def test_calls_are_counted_against_the_best():
    traces = [
        Trace("a", 0, np.array([1.0, np.nan, 0.5, 0.008])),
        Trace("a", 1, np.array([0.0, 2.0, 1.0, 1.0])),
        Trace("b", 0, np.array([1.0, 1.0, 1.0, 0.2])),
        Trace("b", 1, np.array([1.0, 1.0, 0.005, 0.2])),
    ]
    one, two = prior_rows(traces, 0.0)
    assert (one["reached"], one["calls"], one["median_calls"]) == (2, 2.5, 2.5)
    assert (two["reached"], two["calls"]) == (1, 4.0)  # five and three
    assert two["gap_ev_per_atom"] == pytest.approx((0.2 + 0.005) / 2)
    (row,) = difference_rows(traces, 0.0)
    assert (row["prior"], row["against"], row["calls_saved"]) == ("a", "b", 1.5)
    assert row["calls_saved_low"] < 1.5 < row["calls_saved_high"]
    assert success_interval(5, 5) == (pytest.approx(0.478, abs=1e-3), 1.0)
    assert success_interval(0, 5) == (0.0, pytest.approx(0.522, abs=1e-3))
