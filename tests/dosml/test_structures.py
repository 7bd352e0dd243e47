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
    censored_median,
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
from dosml.searches import starts as starts_module
from dosml.searches.fingerprint import BINS, Fingerprint, Reach
from dosml.searches.prior import PriorValues, ask, fit_scale, prior_calculator, wall
from dosml.searches.ranking import Found, distinct, relax_found, symmetry_of
from dosml.searches.report import told_priors
from dosml.searches.search import read_calls, run_search
from dosml.searches.settings import SearchSettings
from dosml.searches.starts import CLOSEST, Bounds
from dosml.searches.study import _engine, _left_out, _plan, _setting
from dosml.searches.surrogate import LENGTHS, VISITS, Surrogate
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
        ({"target": "Ti13", "atoms": 4}, "name a cluster, such as Ti13"),
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


@pytest.mark.parametrize("settings", [{"target": "Cu9"}, {"target": "Cu", "atoms": 4}])
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


def test_a_flat_cell_is_not_searched_for_neighbours(monkeypatch):
    bounds = Bounds(SearchSettings(target="Mo", atoms=4))
    good = bounds.random(np.random.default_rng(0))
    flat = good.copy()
    flat.set_cell(np.diag([1e3, 1e3, 1e-5]), scale_atoms=True)
    cells = iter([flat, good])
    monkeypatch.setattr(bounds, "_cell", lambda _rng: next(cells))
    asked = []
    real = starts_module.closest_pair
    monkeypatch.setattr(starts_module, "closest_pair", lambda *a: asked.append(a[0]) or real(*a))
    assert bounds.random(np.random.default_rng(0)) is good
    assert asked
    assert all(one is good for one in asked)  # with 1e10 images it would not come back


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


def both_fingerprints(bounds, frames, weight):
    """Ours, and those of the library's own class."""
    from gpatom.gpfp.fingerprint import RadialAngularFP

    reach = Reach(2.2 * bounds.neighbour, 1.5 * bounds.neighbour, weight)
    arguments = {
        "r_cutoff": reach.radial, "r_nbins": BINS[0], "a_cutoff": reach.angular,
        "a_nbins": BINS[1], "aweight": weight, "calc_strain": True,
    }  # fmt: skip
    theirs = [RadialAngularFP(frame, **arguments) for frame in frames]
    return [Fingerprint.of(frame, reach) for frame in frames], theirs


@pytest.mark.parametrize("settings", [{"target": "Cu8"}, {"target": "Cu", "atoms": 3}])
def test_fingerprints_and_process_are_those_of_the_library(settings):
    from gpatom.gpfp.gp import GaussianProcess
    from gpatom.gpfp.prior import ConstantPrior

    from dosml.searches.process import StackedProcess

    bounds, rng = Bounds(SearchSettings(**settings)), np.random.default_rng(1)
    frames = [bounds.random(rng) for _ in range(4)]
    ours, theirs = both_fingerprints(bounds, frames, 0.7)
    for mine, library in zip(ours, theirs, strict=True):
        assert np.allclose(mine.vector, library.vector, rtol=1e-9)
        gradients = library.reduce_coord_gradients().transpose(0, 2, 1)
        gradients = gradients.reshape(3 * bounds.n_atoms, -1)
        scale = np.abs(gradients).max()
        assert np.allclose(mine.rows, gradients, atol=1e-9 * scale)
        slope = rng.normal(size=sum(BINS))
        positions, strain = mine.pull(slope)
        assert np.allclose(positions.ravel(), gradients @ slope, atol=1e-8 * scale)
        wanted = np.einsum("b,blm->lm", slope, library.reduce_strain())
        assert np.allclose(strain, wanted, atol=1e-8 * np.abs(wanted).max())
    targets = []
    for frame in frames[:3]:
        atoms = frame.copy()
        atoms.calc = EMT()
        targets += [atoms.get_potential_energy(), *(-atoms.get_forces().ravel())]
    hyperparameters = {"scale": 30.0, "weight": 10.0, "ratio": 2e-4}
    library = GaussianProcess(hp=dict(hyperparameters), prior=ConstantPrior(3.0))
    library.train(theirs[:3], targets)
    process = StackedProcess(2e-4, ConstantPrior(3.0))
    process.set_hyperparams({"scale": 30.0, "weight": 10.0})
    process.train(ours[:3], targets)
    process.settle()
    assert np.allclose(process.K_reg, library.K_reg, atol=1e-9 * library.K_reg.max())
    wanted, variance = library.predict(theirs[3], get_variance=True)
    energy, slope = process.energy(ours[3])
    assert energy + 3.0 == pytest.approx(wanted[0], abs=1e-7)
    assert np.allclose(ours[3].pull(slope)[0].ravel(), wanted[1:], atol=1e-6)
    assert process.variance(ours[3]) == pytest.approx(variance[0, 0], rel=1e-6)
    # another constant of the prior: the factors stay, the weights are those of a new training
    factors = process.L
    process.prior.set_constant(1.0)
    process.train(process.X, process.Y)
    library.prior.set_constant(1.0)
    library.train(library.X, library.Y)
    assert process.L is factors
    assert np.allclose(process.model_vector, library.model_vector, rtol=1e-6, atol=1e-9)


def labelled(bounds, count, seed=0):
    """Random structures with EMT energies and forces."""
    rng = np.random.default_rng(seed)
    frames, energies, forces = [], [], []
    for _ in range(count):
        frames.append(bounds.random(rng))
        atoms = frames[-1].copy()
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return frames, np.array(energies), forces


@pytest.mark.parametrize("settings", [{"target": "Cu5"}, {"target": "Cu", "atoms": 2}])
def test_surrogate_knows_its_labels_and_is_the_gradient_of_its_energy(settings):
    bounds = Bounds(SearchSettings(**settings))
    frames, energies, forces = labelled(bounds, 6)
    surrogate = Surrogate(bounds, prior_calculator("classical", "Cu", None))
    surrogate.fit(frames[:5], energies[:5], forces[:5], first=4)
    low, high = (bound * surrogate._unit for bound in LENGTHS)
    assert low <= surrogate.length <= high  # the short one of few labels is not taken
    assert surrogate.known(frames[0])
    assert not surrogate.known(frames[5])
    spread = [surrogate.predict(frame)[1] for frame in frames]
    assert spread[5] > 2 * max(spread[:5])
    found = surrogate.values(frames[5])
    assert found.energy == pytest.approx(surrogate.predict(frames[5])[0])
    step, volume = 1e-4, frames[5].cell.volume
    for n, axis in ((0, 0), (1, 2)):
        ends = []
        for sign in (1, -1):
            moved = frames[5].copy()
            moved.positions[n, axis] += sign * step
            ends.append(surrogate.values(moved).energy)
        assert found.forces[n, axis] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-3)
    if bounds.periodic:
        ends = []
        for sign in (1, -1):
            strained = frames[5].copy()
            shape = np.diag([1.0, 1.0 + sign * step, 1.0])
            strained.set_cell(np.asarray(strained.cell) @ shape, scale_atoms=True)
            ends.append(surrogate.values(strained).energy)
        slope = (ends[0] - ends[1]) / (2 * step) / volume
        assert found.stress[1] == pytest.approx(slope, abs=1e-4)


def test_a_place_that_was_visited_often_is_left():
    bounds = Bounds(SearchSettings(target="Cu5"))
    frames, energies, forces = labelled(bounds, 4)
    rng = np.random.default_rng(5)
    near = [frames[0].copy() for _ in range(VISITS)]
    for frame in near:
        frame.positions += rng.normal(0, 0.01, frame.positions.shape)
    surrogate = Surrogate(bounds, None)
    surrogate.fit(frames, energies, forces, first=4)
    assert not surrogate.known(near[-1])  # it differs from the one label there
    all_frames = [*frames, *near[:-1]]
    values = [*energies, *[energies[0]] * (VISITS - 1)]
    surrogate.fit(all_frames, np.array(values), [*forces, *[forces[0]] * (VISITS - 1)], first=4)
    assert surrogate.known(near[-1])


def test_two_atoms_have_no_angles(here):
    settings = SearchSettings(target="Cu2", engine=ENGINE, calls=5, seeds=1, **QUICK)
    (task,) = plan_of(settings, here).tasks
    assert run_search(task) == 5
    lengths = [one.atoms.get_distance(0, 1) for one in read_calls(task)]
    values = [one.label.free_energy for one in read_calls(task)]
    assert 2.1 < lengths[int(np.argmin(values))] < 2.4  # EMT's dimer: 2.24 Å


def test_scale_and_constant_are_found():
    rng = np.random.default_rng(1)
    values = [
        PriorValues(float(rng.normal()), rng.normal(size=(5, 3)), np.zeros(6)) for _ in range(4)
    ]
    energies = np.array([5.0 * one.energy - 7.0 for one in values])
    assert fit_scale(values, energies, [5.0 * one.forces for one in values]) == pytest.approx(
        (5.0, -7.0)
    )
    # a prior that points the wrong way is not turned round but left out
    turned = fit_scale(values, -energies, [-one.forces for one in values])
    assert turned == pytest.approx((0.0, -energies.mean()))


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


MISLEADING = """
from ase.calculators.emt import EMT

class Upside(EMT):
    def calculate(self, *arguments, **named):
        super().calculate(*arguments, **named)
        self.results = {key: -value for key, value in self.results.items()}

def make():
    return Upside()
"""


def test_a_prior_that_knows_nothing_is_left_out_and_named(here):
    (here / "upside.py").write_text(MISLEADING)
    settings = SearchSettings(
        target="Cu4", engine=ENGINE, calls=5, seeds=1, prior="ase:upside:make,none", **QUICK
    )
    plan = plan_of(settings, here)
    for task in plan.tasks:
        run_search(task)
    first, second = (read_calls(one)[-1].atoms for one in plan.tasks)
    assert first.info["prior_scale"] == 0
    assert np.allclose(first.positions, second.positions, atol=1e-6)  # as without one
    (note,) = _left_out(plan)
    assert note.startswith("the prior ase:upside:make knows nothing of the first structures")
    assert note.endswith("left out in 1 of 1 searches")


@pytest.mark.slow
def test_crystals_are_found_and_named(here):
    result = dosml.structures(
        target="Cu", atoms=1, engine=ENGINE, prior="none", seeds=1, calls=14, keep=3, workers=1,
        relaxations=4, steps=15, out=here / "crystal",
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
    # on its way down, not relaxed: one; relaxed and higher: another
    above = [Found(cluster, -2.97, "x", 2, relaxed=done) for done in (False, True)]
    first = Found(cluster, -3.0, "x", 1, relaxed=True)
    assert [len(distinct([first, one], periodic=False)) for one in above] == [1, 2]
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
    assert (one["reached"], one["median_calls"]) == (2, 2.5)
    assert (one["calls_low"], one["calls_high"], one["confidence"]) == (1, 4, 0.5)
    assert (two["reached"], two["calls_low"]) == (1, 3)
    assert np.isinf([two["median_calls"], two["calls_high"]]).all()
    assert two["gap_ev_per_atom"] == pytest.approx((0.2 + 0.005) / 2)
    (row,) = difference_rows(traces, 0.0)
    assert (row["prior"], row["against"], row["sooner"], row["later"]) == ("a", "b", 2, 0)
    assert row["p_value"] == pytest.approx(0.5)
    assert success_interval(5, 5) == (pytest.approx(0.478, abs=1e-3), 1.0)
    assert success_interval(0, 5) == (0.0, pytest.approx(0.522, abs=1e-3))
    told = told_priors(pd.DataFrame([one, two]), 4)
    assert list(told["calls"]) == ["2.5", "> 4"]
    assert list(told["interval"]) == ["1 to 4 (50 %)", "3 to > 4 (50 %)"]


def test_a_median_counts_those_that_did_not_come_there():
    found = censored_median([12, None, 7, 20, None])
    assert found[:3] == (20, 7, np.inf)
    assert found.confidence == pytest.approx(1 - 2 * 0.5**5)
    # of eight values the second and the seventh do not give 95 %, of nine they do (tables of the
    # sign test)
    assert censored_median(list(range(1, 9)))[1:3] == (1, 8)
    assert censored_median(list(range(1, 10)))[1:3] == (2, 8)
    assert censored_median([3]) == (3, 3, 3, 0)
    # the interval holds the median as often as it says, whatever the distribution
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(4000, 5))
    held = [low <= np.log(2) <= high for _, low, high, _ in map(censored_median, draws)]
    assert np.mean(held) == pytest.approx(found.confidence, abs=0.015)
