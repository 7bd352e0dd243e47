"""The fit: derivatives, optimiser, files, and the cards of what ships."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms

from dosml.errors import InputError
from dosml.relabel.elements import ELEMENTS
from dosml.relabel.engines.tb.fit import optimise
from dosml.relabel.engines.tb.fit.card import ForceErrors, bars, warnings_of
from dosml.relabel.engines.tb.fit.crystal_residuals import CrystalTarget, StrainTarget
from dosml.relabel.engines.tb.fit.level_zero import with_level_zero
from dosml.relabel.engines.tb.fit.plan import (
    DENSE_GRID,
    Cell,
    crystals,
    dense_snapshots,
    snapshots,
    strain,
)
from dosml.relabel.engines.tb.fit.prior import Prior
from dosml.relabel.engines.tb.fit.records import (
    Record,
    Result,
    read_data,
    read_record,
    write_data,
    write_record,
)
from dosml.relabel.engines.tb.fit.residuals import (
    SnapshotTarget,
    Tolerances,
    bands_of,
    observe,
    random_directions,
)
from dosml.relabel.engines.tb.fit.run import card_anew, fit
from dosml.relabel.engines.tb.fit.samples import (
    SMEARINGS,
    Levels,
    Sample,
    Samples,
    load_samples,
)
from dosml.relabel.engines.tb.fit.start import transferred
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import KPoints
from dosml.relabel.engines.tb.level_zero import coordinates
from dosml.relabel.engines.tb.model import TbParameters, load_parameters, shipped_metals
from dosml.relabel.structures import unit_cell

OFF_GAMMA = KPoints(
    np.array([[0.25, 0.25, 0.25], [0.25, 0.25, -0.25], [0.1, 0.0, 0.4]]), np.array([0.5, 0.3, 0.2])
)
EXTRA = np.array([0.3, -0.01])


def sample(atoms: Atoms, *, seed: int = 0) -> Sample:
    """A cell with made-up numbers for PBE's."""
    rng = np.random.default_rng(seed)
    results = {
        one.width: Result(
            free_energy=-5.0 * len(atoms),
            forces=rng.standard_normal((len(atoms), 3)),
            stress=0.01 * rng.standard_normal(6),
            fermi_level=1.0,
        )
        for one in SMEARINGS
    }
    levels = np.sort(rng.uniform(-5, 9, (3, 9 * len(atoms))), axis=1)
    return Sample(
        name="made-up",
        tier="cold",
        atoms=atoms,
        kpoints=OFF_GAMMA,
        results=results,
        levels=Levels(levels, np.ones_like(levels), 1.0, -3.0),
    )


@pytest.fixture(scope="module")
def cell() -> Atoms:
    """Two atoms of a rattled crystal."""
    atoms = unit_cell("Ti").copy()
    atoms.rattle(0.1, seed=3)
    return atoms


def check_jacobian(values, jacobian, parameters: TbParameters) -> None:
    """Central differences along a random direction of all unknowns."""
    rng = np.random.default_rng(1)
    x = parameters.to_vector()
    step = 1e-5 * np.abs(x) * rng.standard_normal(len(x))
    more = 1e-5 * rng.standard_normal(2)
    up = values(parameters.with_vector(x + step), EXTRA + more)
    down = values(parameters.with_vector(x - step), EXTRA - more)
    by_rule = 2 * jacobian @ np.concatenate([step, more])[: jacobian.shape[1]]
    np.testing.assert_allclose(by_rule, up - down, atol=1e-4 * np.abs(up - down).max())


def test_derivatives_of_a_snapshot(parameters, cell) -> None:
    directions = random_directions(2, 3, 2, np.random.default_rng(0))
    target = SnapshotTarget(sample(cell), directions, 0.1, 0.1, Tolerances())
    check_jacobian(target.values, target.jacobian(parameters), parameters)


def test_derivatives_of_a_crystal(parameters, cell) -> None:
    weights = np.random.default_rng(0).uniform(0.5, 1, (2, 18))
    # every eigenvalue of the overlap matrix is too small
    target = CrystalTarget(sample(cell), 0.01, np.array([0, 2]), weights, 5.0, 0.1)
    jacobian = target.jacobian(parameters)
    assert len(jacobian) == 1 + 36 + 6
    check_jacobian(target.values, jacobian, parameters)


def test_derivatives_of_a_strain(parameters, cell) -> None:
    other = cell.copy()
    other.set_cell(np.asarray(cell.cell) @ strain("shear", 0.05), scale_atoms=True)
    target = StrainTarget(sample(other), sample(cell), 0.001)
    check_jacobian(target.values, target.jacobian(parameters), parameters)


def test_the_prior_is_nothing_at_the_start_and_has_exact_derivatives(parameters) -> None:
    prior = Prior(parameters, 2.9, 0.1)
    assert not prior.residuals(parameters)[0].any()
    vector = parameters.to_vector()
    moved = parameters.with_vector(vector * (1 + 0.02 * np.sin(np.arange(116))))
    residuals, jacobian = prior.residuals(moved)
    assert np.abs(residuals).max() > 0.1
    check_jacobian(lambda p, _: prior.residuals(p)[0], jacobian, moved)


def test_directions_are_orthonormal_and_move_no_centre() -> None:
    found = random_directions(4, 9, 6, np.random.default_rng(0))
    for rows in (found.displacements, found.strains):
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)
    np.testing.assert_allclose(found.displacements.reshape(9, 4, 3).sum(axis=1), 0, atol=1e-12)


def test_the_optimiser_finds_the_minimum_of_rosenbrock() -> None:
    def values(x: np.ndarray) -> np.ndarray | None:
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]) if x[0] < 1.5 else None

    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])

    begin = np.array([-1.2, 1.0])
    start = optimise.Step(begin, float(np.sum(values(begin) ** 2)), 1e-3, converged=False)
    path = list(optimise.steps(values, jacobian, start))
    costs = [start.cost, *(one.cost for one in path)]
    assert all(new <= old for old, new in pairwise(costs))
    np.testing.assert_allclose(path[-1].x, 1.0, atol=1e-3)


def labelled(name: str, atoms: Atoms, parameters: TbParameters, kpoints: KPoints) -> Sample:
    """A cell with the model's own numbers for PBE's."""
    bands = bands_of(atoms, kpoints, parameters)
    seen = observe(bands, atoms)
    results = {}
    electrons = parameters.electrons * len(atoms)
    for index, one in enumerate(SMEARINGS):
        level = bands.free_energy(electrons, one).fermi_level
        values = (seen.energies[index], seen.forces[index], seen.stresses[index], level)
        results[one.width] = Result(*values)
    narrow = results[SMEARINGS[0].width]
    levels = Levels(
        bands.energies, bands.d_weights.sum(axis=1), narrow.fermi_level, narrow.free_energy
    )
    return Sample(name, name.split("-", maxsplit=1)[0], atoms, kpoints, results, levels)


def test_a_fit_finds_the_way_back_and_can_be_continued(parameters, cell, tmp_path) -> None:
    crystals_of = []
    for volume in (0.9, 1.0, 1.1):
        atoms = unit_cell("Ti")
        atoms.set_cell(volume ** (1 / 3) * np.asarray(atoms.cell), scale_atoms=True)
        crystals_of.append(labelled(f"hcp-{volume:.2f}", atoms, parameters, OFF_GAMMA))
    snapshot = labelled("cold", cell, parameters, OFF_GAMMA)
    data = Samples("Ti", tuple(crystals_of), (snapshot,), (snapshot,))
    vector = parameters.to_vector()
    start = parameters.with_vector(vector * (1 + 0.01 * np.sin(np.arange(116))))
    options = {"say": lambda _: None, "state_file": tmp_path / "state.json"}
    first = fit(data, start, n_steps=1, **options)
    second = fit(data, start, n_steps=3, **options)
    assert second.costs[: len(first.costs)] == first.costs
    assert second.costs[-1] < 0.02 * second.costs[0]
    before, after = (
        np.abs(observe(bands_of(cell, OFF_GAMMA, one), cell).forces[0]
               - snapshot.results[0.2].forces).max()
        for one in (start, second.parameters)
    )  # fmt: skip
    assert after < 0.1 * before


def shifted(one: Sample, zero: float) -> Sample:
    """The same cell with PBE's Fermi level lower by `zero`, eV."""
    results = {
        width: replace(found, fermi_level=found.fermi_level - zero)
        for width, found in one.results.items()
    }
    return replace(one, results=results)


def test_the_zero_of_the_levels_is_found_again_or_left_out(parameters) -> None:
    coefficients = (2.0, 0.5, -3.0, 4.0, 30.0, -60.0)
    rng = np.random.default_rng(0)
    samples, noise = [], []
    for number, volume in enumerate((0.85, 0.95, 1.05, 1.15, *[1.0] * 9)):
        atoms = unit_cell("Ti")
        atoms.set_cell(volume ** (1 / 3) * np.asarray(atoms.cell), scale_atoms=True)
        atoms.rattle(0.0 if number < 4 else 0.15, seed=number)
        bare = labelled(f"snapshot-{number}", atoms, parameters, OFF_GAMMA)
        structure = Structure.of(atoms, parameters)
        zero = coordinates(structure, float(atoms.cell.volume)) @ coefficients
        samples.append(shifted(bare, zero))
        noise.append(shifted(bare, rng.standard_normal()))

    def data(cells: list[Sample]) -> Samples:
        return Samples("Ti", tuple(cells[:4]), tuple(cells[4:10]), tuple(cells[10:]))

    found, errors = with_level_zero(data(samples), parameters)
    np.testing.assert_allclose(found.level_zero, coefficients, rtol=1e-3)
    assert errors["moves_ev"] > 0.01
    assert errors["missed_ev"] < 1e-3
    none, errors = with_level_zero(data(noise), found)
    assert none.level_zero == ()
    assert errors["missed_ev"] > 0.9 * errors["moves_ev"]


def test_strains_conserve_the_volume() -> None:
    for kind in ("axial", "basal", "shear"):
        assert np.linalg.det(strain(kind, 0.05)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("symbol", ["Cu", "W", "Hf", "Hg", "Mn"])
def test_the_plan_of_a_metal(symbol: str) -> None:
    cells = crystals(symbol) + snapshots(symbol)
    assert len({one.name for one in cells}) == len(cells)
    assert {len(one.atoms) for one in cells if one.kind == "snapshot"} == {7, 8}
    tests = [one for one in cells if one.role == "test"]
    assert {one.tier for one in tests} == {"cold", "warm", "hot"}
    strained = [one for one in cells if "axial" in one.name]
    assert strained[0].grid == strained[1].grid


def test_a_scaled_metal_has_the_same_levels(parameters) -> None:
    other = transferred(parameters, "Zr")
    old, new = unit_cell("Ti"), unit_cell("Zr")
    scale = (new.cell.volume / old.cell.volume) ** (1 / 3)
    stretched = old.copy()
    stretched.set_cell(scale * np.asarray(old.cell), scale_atoms=True)
    stretched.symbols = "Zr2"
    bare = [replace(one, short_range=(0.0, 0.0), repulsion=0.0) for one in (parameters, other)]
    levels = [
        bands_of(atoms, OFF_GAMMA, one).energies
        for atoms, one in zip((old, stretched), bare, strict=True)
    ]
    np.testing.assert_allclose(levels[0], levels[1], atol=1e-9)
    assert other.electrons == 4.0


def a_record() -> Record:
    rng = np.random.default_rng(0)
    result = Result(-1.5, rng.uniform(size=(1, 3)).round(5), rng.uniform(size=6).round(7), 2.5)
    return Record(
        name="fcc-1.00",
        kind="crystal",
        role="fit",
        tier="fcc",
        symbol="Cu",
        cell=np.eye(3),
        positions=np.zeros((1, 3)),
        kpoints=np.zeros((1, 3)),
        weights=np.ones(1),
        results={0.2: result, 2.0: result},
        levels=np.array([[1.0, 2.25]]),
        d_weights=np.array([[0.5, 0.25]]),
        facts={"seconds": 1.0},
    )


def test_records_come_back_as_they_were(tmp_path) -> None:
    record = a_record()
    write_record(tmp_path / "one.json", record)
    write_data(tmp_path / "Cu.json.gz", [record, record], {"method": "PBE"})
    for found in (read_record(tmp_path / "one.json"), *read_data("Cu", tmp_path)):
        assert found.as_json() == record.as_json()
    again = (tmp_path / "Cu.json.gz").read_bytes()
    write_data(tmp_path / "Cu.json.gz", [record, record], {"method": "PBE"})
    assert (tmp_path / "Cu.json.gz").read_bytes() == again
    with pytest.raises(InputError, match="no fitting data of Os"):
        read_data("Os", tmp_path)


def test_a_stopped_run_computes_what_is_missing(tmp_path, monkeypatch) -> None:
    data = pytest.importorskip("dosml.relabel.engines.tb.fit.reference_data")
    cells = [
        Cell(f"c{number}", Atoms("Cu"), "crystal", "fit", "fcc", (1, 1, 1), gamma=True)
        for number in range(3)
    ]
    computed: list[str] = []

    def compute(one: Cell) -> Record:
        if one.name == "c2" and len(computed) < 3:
            computed.append("stopped")
            raise KeyboardInterrupt
        computed.append(one.name)
        return replace(a_record(), name=one.name)

    monkeypatch.setattr(data, "compute", compute)
    monkeypatch.setattr(data, "crystals", lambda _: cells[:2])
    monkeypatch.setattr(data, "dense_snapshots", lambda _: cells[2:])
    with pytest.raises(KeyboardInterrupt):
        data.make_data("Cu", tmp_path / "work", lambda _: None, tmp_path)
    assert not (tmp_path / "Cu.json.gz").exists()
    data.make_data("Cu", tmp_path / "work", lambda _: None, tmp_path)
    assert computed == ["c0", "c1", "stopped", "c2"]
    assert [one.name for one in read_data("Cu", tmp_path)] == ["c0", "c1", "c2"]


def test_force_errors_by_hand() -> None:
    true = np.array([1.0, -2.0, 3.0])
    found = ForceErrors.of(1.1 * true, true)
    assert found.r == pytest.approx(1)
    assert found.relative == pytest.approx(0.1)
    assert found.slope == pytest.approx(1.1)
    assert found.mean_absolute == pytest.approx(2)


@pytest.mark.parametrize("symbol", ["Cu", "Ti"])
def test_shipped_parameters_give_their_card(symbol: str, tmp_path) -> None:
    card_anew(symbol, tmp_path)
    card = json.loads((tmp_path / f"{symbol}.json").read_text(encoding="utf-8"))["card"]
    shipped = load_parameters(symbol).card
    assert "forces_dense" in shipped
    for mesh in (name for name in shipped if name.startswith("forces")):
        for width, tiers in shipped[mesh].items():
            for tier, errors in tiers.items():
                assert card[mesh][width][tier] == pytest.approx(errors, abs=2e-4), (mesh, width)
    assert card["bars"] == shipped["bars"]
    assert card["bars"] == {"force": True, "force_change": True, "lattice": True}
    for name, row in shipped["crystals"].items():
        assert card["crystals"][name] == pytest.approx(row, rel=1e-3, abs=1e-3)


def test_the_change_on_more_kpoints_counts_too() -> None:
    card = load_parameters("Ti").card
    worse = {**card["forces_dense"], "change": {"all": {**card["forces_dense"]["change"]["all"]}}}
    worse["change"]["all"]["r"] = 0.5
    changed = {**card, "forces_dense": worse}
    changed["bars"] = bars(changed, "hcp")
    assert changed["bars"] == {"force": True, "force_change": False, "lattice": True}
    (sentence,) = warnings_of(changed, "hcp")
    assert "r 0.50" in sentence


def test_dense_snapshots_are_held_out_ones() -> None:
    held_out = {one.atoms.positions.tobytes() for one in load_samples("Ti", 4.0).held_out}
    cells = dense_snapshots("Ti")
    assert {one.tier for one in cells} == {"cold", "warm", "hot"}
    for one in cells:
        assert (one.role, one.grid) == ("dense", DENSE_GRID)
        assert one.atoms.positions.tobytes() in held_out


@pytest.mark.parametrize("symbol", shipped_metals())
def test_a_metal_that_misses_a_bar_says_so(symbol: str) -> None:
    assert symbol in ELEMENTS
    parameters = load_parameters(symbol)
    missed = [name for name, reached in parameters.card["bars"].items() if not reached]
    assert len(parameters.warnings) == len(missed)
