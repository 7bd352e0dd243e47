"""Is a force field stable: what runs of molecular dynamics with it say, as checks with limits.

Every check compares a number of one run, or of the crystal, with a limit that no sound model of a
metal comes near; a model that fails one of them is called unstable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.neighbours import NeighborList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

#: meV/atom/ps: energy that a run at constant energy may gain or lose. A time step of a fortieth of
#: the shortest period scatters by a tenth of it.
MOST_DRIFT = 10.0
#: Shortest distance of two atoms in units of the neighbour distance of the crystal. Melts of PBE
#: niobium end at 0.78, those of the sampling potential at 0.67.
LEAST_DISTANCE = 0.6
#: Largest force of the reference on an atom, in units of the largest one that it finds in frames of
#: the sampling potential at the same temperature.
MOST_FORCE = 3.0
#: Volume at zero pressure in units of that of the crystal.
VOLUMES = (0.7, 1.4)
#: Bragg order of the crystal at the end of the coldest run, see `dosml.relabel.bragg`.
LEAST_ORDER = 0.3
#: Standard deviation of predicted forces, in units of the forces: above it they are guesses.
MOST_SPREAD = 0.5
_MEV = 1000.0
#: Distances, g(r) of the model, and of what it is held against or None.
Series = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64] | None"]


@dataclass(frozen=True)
class Run:
    """One run of molecular dynamics.

    Attributes
    ----------
    name
        Such as "NVE 340 K".
    ensemble
        NVE, NVT or NPT.
    temperature
        K, as asked for.
    time_ps, energy, kinetic, volume, closest
        Series, all of one shape: time (ps), total energy (eV/atom), kinetic temperature (K), volume
        (Å^3/atom) and the shortest distance between two atoms (Å).
    ended
        Why it ended before its time; empty where it did not.
    spread, force
        Of the frames kept: root mean square of the standard deviation of the predicted forces (NaN
        where the model gives none) and of the forces, eV/Å.
    reference
        Of the frames kept: largest force on an atom by the reference, eV/Å; empty without one.
    error_percent
        Of the frames kept: 100 MAE/MAV of the forces against the reference; NaN without one.
    order
        Bragg order at the end; NaN where it was not looked at.
    """

    name: str
    ensemble: str
    temperature: float
    time_ps: NDArray[np.float64]
    energy: NDArray[np.float64]
    kinetic: NDArray[np.float64]
    volume: NDArray[np.float64]
    closest: NDArray[np.float64]
    ended: str = ""
    spread: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    force: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    reference: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    error_percent: float = math.nan
    order: float = math.nan

    @property
    def drift(self) -> float:
        """Slope of the total energy, meV/atom/ps; NaN for fewer than three points."""
        if len(self.time_ps) < 3 or np.ptp(self.time_ps) == 0:
            return math.nan
        return _MEV * float(np.polyfit(self.time_ps, self.energy, 1)[0])

    @property
    def grade(self) -> float:
        """Largest standard deviation of forces of a kept frame in units of its forces."""
        if not len(self.spread) or not np.isfinite(self.spread).any():
            return math.nan
        return float(np.nanmax(self.spread / self.force))


@dataclass(frozen=True)
class Check:
    """One number against its limit.

    Attributes
    ----------
    where
        Run, or "crystal".
    what
        What was looked at.
    value, limit, unit
        The number, the limit in words, the unit.
    passed
        Whether it is within.
    decides
        Whether failing it makes a model unstable; others are told.
    """

    where: str
    what: str
    value: float
    limit: str
    unit: str
    passed: bool
    decides: bool = True

    def words(self) -> str:
        """Say what failed."""
        number = f" {self.value:.3g} {self.unit}" if math.isfinite(self.value) else ""
        number = " is no number" if self.unit and not number else number
        return f"{self.where}: {self.what}{number.rstrip()}, expected {self.limit}"


def run_checks(
    run: Run, neighbour: float, volume: float, reference_force: float, *, coldest: bool
) -> list[Check]:
    """Judge one run.

    Parameters
    ----------
    run
        The run.
    neighbour, volume
        Neighbour distance (Å) and volume per atom (Å^3) of the crystal that it began from.
    reference_force
        Largest force (eV/Å) that the reference finds in frames of the sampling potential at this
        temperature; NaN where there is none.
    coldest
        Whether the crystal has to be there at the end.
    """
    name = run.name
    checks = []
    if run.ended:
        done = float(run.time_ps[-1]) if len(run.time_ps) else 0.0
        checks.append(
            Check(name, f"ended early ({run.ended}) after", done, "all of it", "ps", False)
        )
    if run.ensemble == "NVE" and not run.ended:
        drift = run.drift
        checks.append(
            Check(
                name,
                "energy drift",
                drift,
                f"at most {MOST_DRIFT:g} either way",
                "meV/atom/ps",
                abs(drift) <= MOST_DRIFT,
            )
        )
    if len(run.closest):
        closest = float(np.min(run.closest)) / neighbour
        checks.append(
            Check(
                name,
                "shortest distance",
                closest,
                f"at least {LEAST_DISTANCE:g}",
                "of the neighbour distance",
                closest >= LEAST_DISTANCE,
            )
        )
    if run.ensemble == "NPT" and len(run.volume):
        ratio = float(run.volume[-1]) / volume
        low, high = VOLUMES
        checks.append(
            Check(
                name,
                "volume at zero pressure",
                ratio,
                f"{low:g} to {high:g}",
                "of the crystal's",
                low <= ratio <= high,
            )
        )
    if len(run.reference) and math.isfinite(reference_force):
        ratio = float(np.max(run.reference)) / reference_force
        checks.append(
            Check(
                name,
                "largest force of the reference",
                ratio,
                f"at most {MOST_FORCE:g}",
                "times that of the sampling potential's frames",
                ratio <= MOST_FORCE,
            )
        )
    if coldest and math.isfinite(run.order):
        checks.append(
            Check(
                name,
                "Bragg order",
                run.order,
                f"at least {LEAST_ORDER:g}",
                "",
                run.order >= LEAST_ORDER,
            )
        )
    if math.isfinite(run.grade):
        checks.append(
            Check(
                name,
                "standard deviation of forces",
                run.grade,
                f"at most {MOST_SPREAD:g}",
                "of the forces",
                run.grade <= MOST_SPREAD,
                decides=False,
            )
        )
    return checks


def elastic_checks(stiffness: NDArray[np.float64]) -> list[Check]:
    """Judge elastic constants by Born's criterion: all eigenvalues are positive.

    Parameters
    ----------
    stiffness
        Shape (6, 6), GPa.
    """
    least = float(np.linalg.eigvalsh(stiffness)[0]) if np.isfinite(stiffness).all() else math.nan
    return [Check("crystal", "least stiffness", least, "above 0", "GPa", least > 0)]


def failures(checks: Sequence[Check]) -> list[Check]:
    """Give the checks that make a model unstable."""
    return [one for one in checks if one.decides and not one.passed]


def guesses(checks: Sequence[Check]) -> list[Check]:
    """Give the checks that failed without making a model unstable: it extrapolates there."""
    return [one for one in checks if not one.decides and not one.passed]


def verdict(checks: Sequence[Check]) -> str:
    """Say whether the model is stable, and why not."""
    bad = failures(checks)
    if not bad:
        passed = f"all {sum(one.decides for one in checks)} checks passed"
        if guess := guesses(checks):
            return f"not shown to be stable: {passed}, but on guessed forces ({guess[0].words()})"
        return f"stable: {passed}"
    return f"unstable: {'; '.join(one.words() for one in bad[:3])}" + (
        f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    )


def run_rows(runs: Sequence[Run], checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Rows of the table: one per run."""
    bad, guessed = ({one.where for one in part} for part in (failures(checks), guesses(checks)))
    return [
        {
            "run": run.name,
            "ensemble": run.ensemble,
            "temperature_k": run.temperature,
            "duration_ps": float(run.time_ps[-1]) if len(run.time_ps) else 0.0,
            "drift_mev_per_atom_ps": run.drift if run.ensemble == "NVE" else math.nan,
            "mean_temperature_k": float(np.mean(run.kinetic)) if len(run.kinetic) else math.nan,
            "volume_angstrom3_per_atom": float(run.volume[-1]) if len(run.volume) else math.nan,
            "closest_angstrom": float(np.min(run.closest)) if len(run.closest) else math.nan,
            "extrapolation": run.grade,
            "reference_error_percent": run.error_percent,
            "bragg_order": run.order,
            "ended": run.ended,
            "verdict": "unstable"
            if run.name in bad
            else ("guesses" if run.name in guessed else "ok"),
        }
        for run in runs
    ]


def pair_distribution(
    frames: Sequence[Atoms], reach: float, bins: int = 80
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """g(r) of periodic frames: density of neighbours at a distance over the mean density.

    Parameters
    ----------
    frames
        Frames.
    reach
        Å.
    bins
        Number of shells.

    Returns
    -------
    distances, values
        Shape (bins,): middle of each shell in Å, and g(r).
    """
    edges = np.linspace(0.0, reach, bins + 1)
    search = NeighborList(cutoff=reach, full_list=True, n_threads=1)
    total = np.zeros(bins)
    for frame in frames:
        (distances,) = search.compute(
            frame.positions, np.asarray(frame.cell), periodic=True, quantities="d"
        )
        counts = np.histogram(distances, edges)[0]
        total += counts * frame.cell.volume / len(frame) ** 2
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    return (edges[1:] + edges[:-1]) / 2, total / max(len(frames), 1) / shells


def distribution_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean |g - g'| over the mean g', percent."""
    return 100.0 * float(np.abs(one - other).mean() / other.mean())


def elastic_numbers(stiffness: NDArray[np.float64]) -> Mapping[str, float]:
    """C11, C12, C13, C33, C44, C66 and the bulk modulus (Voigt), GPa."""
    c = stiffness
    return {
        "c11_gpa": float(c[0, 0]),
        "c12_gpa": float(c[0, 1]),
        "c13_gpa": float(c[0, 2]),
        "c33_gpa": float(c[2, 2]),
        "c44_gpa": float(c[3, 3]),
        "c66_gpa": float(c[5, 5]),
        "bulk_modulus_gpa": float(c[:3, :3].sum() / 9.0),
    }
