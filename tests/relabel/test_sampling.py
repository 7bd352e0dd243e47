"""Molecular-dynamics frames: order where it should be, temperature, reproducibility, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.optimize import BFGS

from dosml.errors import FrameError, InputError, UnknownElementError
from dosml.relabel.bragg import bragg_order
from dosml.relabel.calibration import calibrate
from dosml.relabel.elements import ELEMENTS, element
from dosml.relabel.sampling import TIERS, default_timestep, sample_frames, sample_tier
from dosml.relabel.second_moment import SecondMomentCalculator
from dosml.relabel.structures import build_structure

METALS = ("Ti", "Cu", "W")
#: Mean |force component| (eV/Å) of published frames (Owen et al. 2024 test sets, cold, warm, melt),
#: computed by a third party; DFT forces at the same temperatures.
PUBLISHED_FORCES = {
    "Cu": (0.371, 0.668, 0.888),
    "W": (0.999, 1.608, 1.883),
    "Hf": (0.453, 0.749, 1.053),
}
#: Few steps, for what does not need equilibrium.
SHORT = {"equilibration_steps": 20, "spacing_steps": 10}


class _Made(Calculator):
    """A calculator with made-up forces that counts its calls."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, force: float) -> None:
        super().__init__()
        self.force = force
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        self.results = {"energy": 0.0, "forces": np.full((len(atoms), 3), self.force)}


def _by_tier(frames: list[Atoms]) -> dict[str, list[Atoms]]:
    return {tier: [f for f in frames if f.info["tier"] == tier] for tier in TIERS}


@pytest.fixture(scope="module")
def sampled() -> dict[str, dict[str, list[Atoms]]]:
    counts = {"cold": 4, "warm": 3, "melt": 4}
    return {s: _by_tier(sample_frames(s, n_frames_per_tier=counts, seed=1)) for s in METALS}


@pytest.mark.parametrize("symbol", METALS)
def test_order_persists_when_cold_and_is_gone_in_the_melt(sampled, symbol):
    perfect = build_structure(symbol, vacancy=False)
    order = {
        tier: np.mean([bragg_order(frame, perfect) for frame in frames])
        for tier, frames in sampled[symbol].items()
    }
    assert order["cold"] > 0.75
    assert order["cold"] > order["warm"] > 0.4
    assert order["melt"] < 0.2
    for frame in (one for frames in sampled[symbol].values() for one in frames):
        distances = frame.get_all_distances(mic=True)
        assert distances[distances > 0].min() > 0.6 * calibrate(symbol).r0


@pytest.mark.parametrize("symbol", METALS)
def test_frames_are_plain_and_describe_themselves(sampled, symbol):
    start = build_structure(symbol, seed=1)
    for tier, frames in sampled[symbol].items():
        times = [frame.info["md_time_fs"] for frame in frames]
        assert times == sorted(set(times))
        for frame in frames:
            assert frame.calc is None
            assert "momenta" not in frame.arrays
            assert np.array_equal(frame.cell, start.cell)
            assert frame.pbc.all()
            assert frame.info["vacancy_site"] == start.info["vacancy_site"]
            temperature = TIERS[tier] * element(symbol).melting_temperature
            assert frame.info["temperature_K"] == temperature
            scaled = frame.get_scaled_positions(wrap=False)
            assert ((scaled > -1e-6) & (scaled < 1 + 1e-6)).all()


def test_potential_energy_obeys_equipartition():
    """Cold and harmonic: 3/2 k T per atom above the relaxed vacancy crystal."""
    start = build_structure("Cu", seed=1)
    frames = sample_tier(start, temperature=200.0, n_frames=30, seed=5)
    relaxed = start.copy()
    relaxed.calc = SecondMomentCalculator(calibrate("Cu"))
    BFGS(relaxed, logfile=None).run(fmax=1e-4, steps=100)
    excess = []
    for frame in frames:
        frame.calc = SecondMomentCalculator(calibrate("Cu"))
        excess.append(frame.get_potential_energy() - relaxed.get_potential_energy())
    measured = np.mean(excess) / (1.5 * len(start) * units.kB)
    # 30 frames of 90 modes: a standard error of 3 % if they were independent
    assert measured == pytest.approx(200.0, rel=0.15)


def test_frames_are_decorrelated():
    """Displacements of neighbouring frames have next to nothing in common."""
    start = build_structure("Cu", seed=1)
    frames = sample_tier(start, temperature=340.0, n_frames=12, seed=2)
    moved = []
    for frame in frames:
        shift = frame.positions - start.positions
        shift -= np.round(shift @ np.linalg.inv(frame.cell.array)) @ frame.cell.array
        moved.append((shift - shift.mean(axis=0)).ravel())
    moved = np.array(moved) - np.mean(moved, axis=0)
    neighbours = np.sum(moved[1:] * moved[:-1]) / np.sum(moved[1:] ** 2)
    assert abs(neighbours) < 0.35


@pytest.mark.parametrize("symbol", PUBLISHED_FORCES)
def test_forces_are_as_strong_as_in_published_frames(symbol):
    counts = {"cold": 2, "warm": 2, "melt": 2}
    frames = _by_tier(sample_frames(symbol, n_frames_per_tier=counts, seed=0))
    for tier, published in zip(TIERS, PUBLISHED_FORCES[symbol], strict=True):
        forces = []
        for frame in frames[tier]:
            frame.calc = SecondMomentCalculator(calibrate(symbol))
            forces.append(np.abs(frame.get_forces()).mean())
        assert np.mean(forces) / published == pytest.approx(1.0, abs=0.4), tier


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    counts = {"cold": 2, "melt": 1}
    first = sample_frames("Ti", n_frames_per_tier=counts, seed=3)
    again = sample_frames("Ti", n_frames_per_tier=counts, seed=3)
    other = sample_frames("Ti", n_frames_per_tier=counts, seed=4)
    for a, b, c in zip(first, again, other, strict=True):
        assert a.positions.tobytes() == b.positions.tobytes()
        assert not np.allclose(a.positions, c.positions)


def test_more_frames_continue_and_tiers_do_not_interfere():
    few = sample_frames("Cu", n_frames_per_tier={"cold": 2, "melt": 1}, seed=3)
    many = sample_frames("Cu", n_frames_per_tier={"melt": 2, "warm": 1, "cold": 3}, seed=3)
    assert [f.info["tier"] for f in many] == ["melt"] * 2 + ["warm"] + ["cold"] * 3
    for tier, frames in _by_tier(few).items():
        for a, b in zip(frames, _by_tier(many)[tier], strict=False):
            assert a.positions.tobytes() == b.positions.tobytes()
            assert a.info == b.info


def test_progress_and_zero_frames():
    seen = []
    frames = sample_frames(
        "Cu",
        n_frames_per_tier={"cold": 2, "warm": 0, "melt": 1},
        seed=0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(frames) == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_another_calculator_takes_over():
    made = []

    def factory() -> Calculator:
        made.append(EMT())
        return made[-1]

    counts = {"cold": 2, "melt": 2}
    ours = sample_frames("Cu", n_frames_per_tier={"cold": 1}, seed=3)
    frames = sample_frames(
        "Cu", n_frames_per_tier=counts, seed=3, calculator_factory=factory, **SHORT
    )
    assert len(made) == 2
    perfect = build_structure("Cu", vacancy=False)
    cold, melt = frames[:2], frames[2:]
    assert all(bragg_order(frame, perfect) > 0.75 for frame in cold)
    assert all(bragg_order(frame, perfect) < 0.3 for frame in melt)
    assert not np.allclose(frames[0].positions, ours[0].positions)
    step = default_timestep(63.546)
    assert cold[1].info["md_time_fs"] - cold[0].info["md_time_fs"] == pytest.approx(10 * step)


def test_a_costly_calculator_is_called_once_a_step():
    start, free = build_structure("Cu"), _Made(0.0)
    sample_tier(start, temperature=1.0, n_frames=3, seed=0, calculator=free, **SHORT)
    # 20 + 10 + 10 steps, and the forces that the dynamics starts from
    assert free.calls == 41


def test_failed_dynamics_is_an_error_not_a_frame():
    start = build_structure("Cu")
    with pytest.raises(FrameError, match="blew up"):
        sample_tier(start, temperature=300, n_frames=1, seed=0, calculator=_Made(50.0), **SHORT)
    with pytest.raises(FrameError, match="blew up"):
        sample_tier(start, temperature=300, n_frames=1, seed=0, calculator=_Made(np.nan), **SHORT)
    with pytest.raises(FrameError, match="as close as"):
        sample_tier(
            start,
            temperature=1500,
            n_frames=1,
            seed=0,
            calculator=_Made(0.0),
            equilibration_steps=400,
        )
    with pytest.raises(FrameError, match="shorter than 20"):
        sample_tier(start, temperature=1018, n_frames=4, seed=0, timestep_fs=20.0, melt=True)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"n_frames": -1},
        {"timestep_fs": 0.0},
        {"timestep_fs": 50.0},
        {"equilibration_steps": -1},
        {"spacing_steps": 0},
    ],
)
def test_numbers_out_of_range(change):
    arguments = {"temperature": 300.0, "n_frames": 1, "seed": 0, **change}
    with pytest.raises(InputError, match=next(iter(change)).split("_")[-1]):
        sample_tier(build_structure("Cu"), **arguments)


def test_what_cannot_be_sampled():
    with pytest.raises(InputError, match="cold, warm, melt, hot"):
        sample_frames("Cu", n_frames_per_tier={"boiling": 1}, seed=0)
    with pytest.raises(UnknownElementError):
        sample_frames("Al", n_frames_per_tier={"cold": 1}, seed=0)
    alloy = build_structure("Cu")
    alloy.symbols[0] = "Au"
    with pytest.raises(
        FrameError, match="holds Au and Cu: molecular dynamics needs frames of one element"
    ):
        sample_tier(alloy, temperature=300, n_frames=1, seed=0)
    slab = build_structure("Cu")
    slab.pbc = (True, True, False)
    with pytest.raises(FrameError, match="pbc T T F"):
        sample_tier(slab, temperature=300, n_frames=1, seed=0)


def test_bragg_order_of_crystal_gas_and_debye_waller():
    crystal = bulk("Cu", cubic=True).repeat(4)
    shifted = crystal.copy()
    shifted.translate([0.3, 0.7, -0.2])
    assert bragg_order(shifted, crystal) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    gas = crystal.copy()
    gas.positions = rng.random((len(gas), 3)) @ gas.cell.array
    assert bragg_order(gas, crystal) < 5 / len(gas)
    # Gaussian displacements: e^{-G^2 s^2} per peak, |G|^2 = 3 of (2 pi/a)^2 for the first shell
    rattled = crystal.copy()
    rattled.positions += rng.normal(scale=0.2, size=rattled.positions.shape)
    expected = np.exp(-3 * (2 * np.pi / 3.61) ** 2 * 0.2**2)
    assert bragg_order(rattled, crystal, n_shells=1) == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match="same cell"):
        bragg_order(bulk("Cu", cubic=True), crystal)


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ELEMENTS)
def test_every_metal_stays_a_crystal_when_cold_and_melts(symbol):
    frames = _by_tier(sample_frames(symbol, n_frames_per_tier={"cold": 4, "melt": 2}, seed=11))
    perfect = build_structure(symbol, vacancy=False)
    assert min(bragg_order(frame, perfect) for frame in frames["cold"]) > 0.7
    assert max(bragg_order(frame, perfect) for frame in frames["melt"]) < 0.33


@pytest.mark.slow
def test_published_omega_titanium_stays_omega():
    frames = sample_frames("Ti", n_frames_per_tier={"cold": 3}, seed=0, prototype="omega")
    perfect = build_structure("Ti", prototype="omega", vacancy=False)
    assert len(frames[0]) == 80
    assert min(bragg_order(frame, perfect) for frame in frames) > 0.65


def test_atoms_of_a_soft_metal_keep_their_distance_when_it_melts():
    """PBE melts of niobium end at 0.78 of the neighbour distance; without a core here at 0.67."""
    frames = sample_frames("Nb", n_frames_per_tier={"melt": 2}, seed=0)
    closest = min(
        frame.get_all_distances(mic=True)[np.triu_indices(len(frame), 1)].min() for frame in frames
    )
    assert 0.75 * 2.858 < closest < 0.85 * 2.858
