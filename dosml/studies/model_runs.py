"""Molecular dynamics of any ase calculator, short and kept: what `dosml validate` judges.

A run is a plain function of its plan: crystal, calculator, ensemble, temperature, steps and seed.
It ends early, with a reason, where atoms run into each other, fly apart or stop being numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet

from dosml.analysis.statistics.stability import Run
from dosml.errors import DamagedFileError, DosmlError
from dosml.files import read_npz, whole_file
from dosml.neighbours import NeighborList
from dosml.relabel.bragg import bragg_order
from dosml.relabel.sampling import FRICTION_PER_STEP, default_timestep

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

#: Points of the series of a run, and frames kept of it.
POINTS, KEPT = 100, 8
#: Atoms closer than this, in units of the neighbour distance, end a run: what follows says no more.
CRASH = 0.35
#: So many times the temperature asked for, and more by chance in a small cell, ends a run.
TOO_HOT = 2.0
#: Volume in units of the first that ends a run.
TOO_WIDE = 3.0
#: Damping of thermostat and barostat in steps.
THERMOSTAT_STEPS, BAROSTAT_STEPS = 50, 400
#: What calculators raise on frames that they cannot do; each kind has its own.
FAILURES = (
    *(DosmlError, ValueError, RuntimeError, ArithmeticError),
    *(KeyError, IndexError, NotImplementedError),
)


@dataclass(frozen=True)
class RunPlan:
    """What to run.

    Attributes
    ----------
    ensemble
        NVE, NVT or NPT.
    temperature
        K.
    steps
        Of molecular dynamics.
    seed
        Of velocities and thermostat.
    """

    ensemble: str
    temperature: float
    steps: int
    seed: int

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.ensemble} {self.temperature:.0f} K"


@dataclass(frozen=True)
class Trajectory:
    """A run and what is kept of it: frames, the last with its momenta."""

    run: Run
    frames: tuple[Atoms, ...]


def neighbour_distance(crystal: Atoms) -> float:
    """Shortest distance between two atoms of a crystal, Å."""
    reach = 2.5 * float((crystal.cell.volume / len(crystal)) ** (1 / 3))
    return closest_pair(crystal, reach)


def closest_pair(atoms: Atoms, reach: float) -> float:
    """Shortest distance between two atoms up to a reach (Å), else the reach."""
    search = NeighborList(cutoff=reach, full_list=False, n_threads=1)
    (distances,) = search.compute(
        atoms.positions, np.asarray(atoms.cell), periodic=True, quantities="d"
    )
    return float(distances.min(initial=reach))


def simulate(start: Atoms, calculator: Calculator, plan: RunPlan, crystal: Atoms) -> Trajectory:
    """Run molecular dynamics; nothing that a calculator does ends in a traceback.

    Parameters
    ----------
    start
        Positions, cell and momenta to begin with; without momenta they are drawn.
    calculator
        Any.
    plan
        What to run.
    crystal
        Perfect sites of the same cell, which the order is measured against.
    """
    atoms = start.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(plan.seed)
    if not atoms.get_momenta().any():
        thermalize_momenta(atoms, plan.temperature, rng=rng)
    step = default_timestep(float(atoms.get_masses().min()))
    neighbour = neighbour_distance(crystal)
    series: list[tuple[float, ...]] = []
    frames: list[Atoms] = []
    stride = max(1, plan.steps // POINTS)
    ended = ""
    done = 0
    try:
        dynamics = _dynamics(atoms, plan, step, rng)
        while done < plan.steps:
            dynamics.run(min(stride, plan.steps - done))
            done += min(stride, plan.steps - done)
            series.append(_sample(atoms, done * step / 1000.0, neighbour))
            ended = _crash(atoms, plan, series[-1], start, neighbour)
            if ended:
                break
            if done * KEPT // plan.steps > len(frames):
                frames.append(_bare(atoms))
    except FAILURES as error:
        ended = f"{type(error).__name__}: {error}"
    order = math.nan
    if plan.ensemble == "NVT" and frames and not ended:
        order = bragg_order(frames[-1], crystal)
    columns = np.array(series, dtype=float).reshape(-1, 5).T
    return Trajectory(_run(plan, columns, ended, order), tuple(frames))


def _run(plan: RunPlan, series: NDArray[np.float64], ended: str, order: float) -> Run:
    """Give a run of its series, shape (5, n_points)."""
    time, energy, kinetic, volume, closest = series
    return Run(
        plan.name,
        plan.ensemble,
        plan.temperature,
        time,
        energy,
        kinetic,
        volume,
        closest,
        ended,
        order=order,
    )


def _dynamics(atoms: Atoms, plan: RunPlan, step: float, rng: np.random.Generator) -> Any:
    time = step * units.fs
    if plan.ensemble == "NVE":
        return VelocityVerlet(atoms, timestep=time)
    if plan.ensemble == "NVT":
        return Langevin(
            atoms,
            timestep=time,
            temperature_K=plan.temperature,
            friction=FRICTION_PER_STEP / time,
            fixcm=False,
            rng=rng,
        )
    return IsotropicMTKNPT(
        atoms,
        timestep=time,
        temperature_K=plan.temperature,
        pressure_au=0.0,
        tdamp=THERMOSTAT_STEPS * time,
        pdamp=BAROSTAT_STEPS * time,
    )


def _sample(atoms: Atoms, time: float, neighbour: float) -> tuple[float, ...]:
    total = (atoms.get_potential_energy() + atoms.get_kinetic_energy()) / len(atoms)
    kinetic = atoms.get_kinetic_energy() / (1.5 * len(atoms) * units.kB)
    volume = atoms.cell.volume / len(atoms)
    closest = closest_pair(atoms, neighbour) if np.isfinite(atoms.positions).all() else math.nan
    return time, total, kinetic, volume, closest


def _crash(
    atoms: Atoms, plan: RunPlan, sample: tuple[float, ...], start: Atoms, neighbour: float
) -> str:
    """Why a run cannot go on; empty where it can."""
    _, total, kinetic, volume, closest = sample
    limit = plan.temperature * TOO_HOT * (1.0 + 8.0 * math.sqrt(2.0 / (3.0 * len(atoms))))
    if not (np.isfinite(atoms.positions).all() and math.isfinite(total)):
        return "positions or energies are no numbers"
    if closest < CRASH * neighbour:
        return f"atoms {closest:.2f} Å apart"
    if kinetic > limit:
        return f"{kinetic:.0f} K in a run at {plan.temperature:.0f} K"
    ratio = volume * len(start) / start.cell.volume
    if not 1 / TOO_WIDE < ratio < TOO_WIDE:
        return f"{ratio:.1f} times the volume"
    return ""


def _bare(atoms: Atoms) -> Atoms:
    """Copy without calculator, with momenta."""
    kept: Atoms = atoms.copy()
    kept.calc = None
    return kept


def keep(path: Path, trajectory: Trajectory) -> None:
    """Write a run to one file, whole or not at all.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    run = trajectory.run
    head = {
        "ensemble": run.ensemble,
        "temperature": run.temperature,
        "ended": run.ended,
        "order": run.order,
    }
    frames = trajectory.frames
    with whole_file(path) as partial:
        np.savez(
            partial,
            allow_pickle=False,
            head=np.array(json.dumps(head)),
            series=np.array([run.time_ps, run.energy, run.kinetic, run.volume, run.closest]),
            numbers=np.array(frames[0].numbers if frames else [], dtype=int),
            positions=np.array([one.positions for one in frames]),
            momenta=np.array([one.get_momenta() for one in frames]),
            cells=np.array([np.asarray(one.cell) for one in frames]),
        )


def find(path: Path) -> Trajectory | None:
    """Read a run that was kept; None where there is none that can be used."""
    from ase import Atoms

    try:
        arrays = read_npz(path)
        head = json.loads(str(arrays["head"]))
        plan = RunPlan(str(head["ensemble"]), float(head["temperature"]), 0, 0)
        run = _run(plan, arrays["series"], str(head["ended"]), float(head["order"]))
        frames = tuple(
            Atoms(arrays["numbers"], positions, cell=cell, pbc=True, momenta=momenta)
            for positions, momenta, cell in zip(
                arrays["positions"], arrays["momenta"], arrays["cells"], strict=True
            )
        )
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return Trajectory(run, frames)


def melting_ramp(
    start: Atoms, calculator: Calculator, *, first: float, last: float, steps: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Heat a crystal at constant volume, and watch its Bragg order.

    The temperature at which the order is lost is that of superheating in a small periodic cell: an
    upper bound of the melting point, comparable between calculators on the same ramp.

    Parameters
    ----------
    start
        Perfect crystal.
    first, last
        K, of the ramp.
    steps
        In all.
    seed
        Of velocities and thermostat.

    Returns
    -------
    temperatures, order, ended
        K and Bragg order, one per part of the ramp; why it ended early, or an empty text.
    """
    atoms = start.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(seed)
    thermalize_momenta(atoms, first, rng=rng)
    step = default_timestep(float(atoms.get_masses().min()))
    plan = RunPlan("NVT", first, steps, seed)
    dynamics = _dynamics(atoms, plan, step, rng)
    neighbour = neighbour_distance(start)
    temperatures = np.linspace(first, last, RAMP_PARTS)
    order: list[float] = []
    ended = ""
    for temperature in temperatures:
        dynamics.set_temperature(temperature_K=temperature)
        try:
            dynamics.run(max(1, steps // RAMP_PARTS))
            sample = _sample(atoms, 0.0, neighbour)
            ended = _crash(
                atoms, RunPlan("NVT", temperature, steps, seed), sample, start, neighbour
            )
        except FAILURES as error:
            ended = f"{type(error).__name__}: {error}"
        if ended:
            break
        order.append(bragg_order(atoms, start))
    return temperatures[: len(order)], np.array(order), ended


#: Parts of a ramp, at one temperature each.
RAMP_PARTS = 25


def superheating(
    temperatures: NDArray[np.float64], order: NDArray[np.float64], n_atoms: int
) -> float:
    """Temperature (K) from which on a heated crystal has no order; NaN where it keeps it.

    Parameters
    ----------
    temperatures, order
        From `melting_ramp`.
    n_atoms
        Atoms in the cell: a liquid has S(G)/N.
    """
    molten = order < 0.2 + 3.0 / n_atoms
    solid = np.flatnonzero(~molten)
    first = int(solid[-1]) + 1 if len(solid) else 0
    return float(temperatures[first]) if first < len(temperatures) else math.nan
