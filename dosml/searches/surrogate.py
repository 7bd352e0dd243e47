"""The Gaussian process of a search: gpatom's, with a prior mean of ours (BEACON).

Kaappa, del Rio, Jacobsen, Phys. Rev. B 103, 174114 (2021): a squared-exponential kernel on a global
fingerprint of distances and angles, trained on energies and forces. The prior mean is a calculator
with a scale, asked once for each structure.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.stress import full_3x3_to_voigt_6_stress
from scipy.spatial.distance import pdist

from dosml.errors import InputError
from dosml.searches.fingerprint import Fingerprint, Reach
from dosml.searches.prior import PriorValues, ask, fit_scale, wall
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.searches.process import StackedProcess
    from dosml.searches.starts import Bounds

#: Reach of distances of the fingerprint, of clusters and of crystals, whose pairs grow with its
#: cube, and of angles, in units of the neighbour distance.
RADIAL, PERIODIC_RADIAL, ANGULAR = 3.0, 2.2, 1.5
#: What angles tell structures apart, in units of what distances do.
ANGLES = 0.5
#: Noise in units of the prefactor.
NOISE = 2e-4
#: Length scales that are tried, in units of the mean distance of labels. With few labels the
#: likelihood has a second maximum below one, at which nothing resembles anything, and energies of
#: the next structures are wrong by ten times as much.
LENGTHS = (10.0, 200.0)
#: The length scale is fitted at every call for so many labels, then after every few, up to where
#: it costs more than it changes; decades it is found within.
FEW, REFIT, LAST_REFIT, CLOSE = 12, 5, 60, 0.05
#: In units of the mean distance of labels: a structure nearer to a label than this is no news.
NEAREST = 2e-3
#: A place this wide was looked at after so many labels: what is left of the way down to its minimum
#: is the engine's to go in the end. Different valleys of Cu8 are 0.2 and more apart.
PLACE, VISITS = 0.1, 4
#: eV/Å: where a relaxation on the surrogate ends; longest step in Å.
FMAX, LONGEST_STEP = 0.05, 0.2


def check_installed() -> None:
    """See that the library is there.

    Raises
    ------
    InputError
        Naming the command that installs it.
    """
    if find_spec("gpatom") is None:
        raise InputError(
            "dosml structures needs the package ase-gpatom, which is not installed: "
            f"{install_hint('structures')}"
        )


class Surrogate:
    """A Gaussian process on labels, with a prior mean.

    Parameters
    ----------
    bounds
        Of the metal.
    calculator
        Of the prior; None: the wall alone.
    """

    def __init__(self, bounds: Bounds, calculator: Calculator | None) -> None:
        self._bounds = bounds
        self._prior = _kept_prior(bounds, calculator)
        self._process: Any = None
        self._prints: dict[bytes, Fingerprint] = {}
        reach = PERIODIC_RADIAL if bounds.periodic else RADIAL
        self._reach = Reach(reach * bounds.neighbour, ANGULAR * bounds.neighbour)
        self._length: float | None = None
        self.scale = 1.0

    def resume(self, length: float) -> None:
        """Take the length scale of a search that goes on."""
        self._length = length

    def fit(
        self,
        frames: Sequence[Atoms],
        energies: NDArray[np.float64],
        forces: Sequence[NDArray[np.float64]],
        *,
        first: int,
    ) -> None:
        """Learn labels: scale of the prior, length, constant and prefactor, then the rest.

        Parameters
        ----------
        frames, energies, forces
            Structures with their labels, eV and eV/Å.
        first
            Labels that the scale of the prior is fitted to.
        """
        from dosml.searches.process import StackedProcess

        prints = self._fingerprints(frames)
        values = [self._prior.raw(one) for one in prints[:first]]
        self.scale, constant = fit_scale(values, energies[:first], forces[:first])
        self._prior.scale = self.scale
        self._prior.set_constant(constant)
        self._unit = _mean_distance(prints)
        targets = [
            np.concatenate([[energy], -np.ravel(force)])
            for energy, force in zip(energies, forces, strict=True)
        ]
        self._process = StackedProcess(NOISE, self._prior)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy's deprecations in the library
            if self._length is None or _refits(len(frames)):
                self._length = _fitted_length(self._process, prints, targets, self._unit)
            self._process.set_hyperparams({"scale": self._length})
            self._process.train(prints, targets)
            _fit_prefactor(self._process)
        self._process.settle()

    @property
    def length(self) -> float:
        """Length scale of the kernel."""
        return float(self._process.hp["scale"])

    def predict(self, atoms: Atoms) -> tuple[float, float]:
        """Energy and its standard deviation, eV."""
        found = self._fingerprint(atoms)
        energy = self._process.energy(found)[0] + float(self._prior.potential(found)[0])
        return energy, math.sqrt(max(self._process.variance(found), 0.0))

    def values(self, atoms: Atoms) -> PriorValues:
        """Energy, forces and, for a crystal, stress."""
        found = self._fingerprint(atoms)
        energy, slope = self._process.energy(found)
        gradient, strain = found.pull(slope)
        prior = self._prior.potential(found)
        stress = full_3x3_to_voigt_6_stress(strain) / atoms.cell.volume
        if self._bounds.periodic:
            stress += self._prior.get_stress(found)
        forces = -gradient - prior[1:].reshape(-1, 3)
        return PriorValues(energy + float(prior[0]), forces, stress)

    def known(self, atoms: Atoms) -> bool:
        """Whether a structure is one of the labels, or its place was visited often enough."""
        apart = self._process.distances(self._fingerprint(atoms)) / self._unit
        return bool(apart.min() < NEAREST or (apart < PLACE).sum() >= VISITS)

    def relax(self, atoms: Atoms, steps: int, pressure: float) -> Atoms:
        """Relax on the surrogate.

        Parameters
        ----------
        atoms
            Where to begin.
        steps
            At most.
        pressure
            eV/Å^3, on a crystal's cell.

        Returns
        -------
        ase.Atoms
            Without calculator; where the relaxation went astray, the last sound structure.
        """
        moving = atoms.copy()
        moving.calc = _Surface(self)
        target: Any = moving
        if self._bounds.periodic:
            target = FrechetCellFilter(moving, scalar_pressure=pressure)
        last: Atoms = atoms.copy()
        with BFGS(target, logfile=None, maxstep=LONGEST_STEP) as optimiser:
            for _ in optimiser.irun(fmax=FMAX, steps=steps):
                if not self._bounds.sound(moving):
                    break
                last = moving.copy()
        last.calc = None
        return last

    def _fingerprint(self, atoms: Atoms) -> Fingerprint:
        return Fingerprint.of(atoms, self._reach)

    def _fingerprints(self, frames: Sequence[Atoms]) -> list[Fingerprint]:
        """Give those of the labels; what angles weigh follows from all of them."""
        from gpatom.gpfp.fingerprint import FPUpdater

        for frame in frames:
            key = _key(frame)
            if key not in self._prints:
                self._prints[key] = self._fingerprint(frame)
        prints = [self._prints[_key(frame)].weighted(1.0) for frame in frames]
        with np.errstate(all="ignore"):  # two atoms have no angle
            weight = float(FPUpdater(ANGLES).get_aweight(prints, 1.0))
        self._reach = replace(self._reach, weight=weight if np.isfinite(weight) else 1.0)
        return [one.weighted(self._reach.weight) for one in prints]


class _Surface:
    """The surrogate as ase's optimisers ask it; an ase calculator compares longer than this takes.

    Parameters
    ----------
    surrogate
        Trained.
    """

    def __init__(self, surrogate: Surrogate) -> None:
        self._surrogate = surrogate
        self._last: tuple[bytes, PriorValues] | None = None

    def get_potential_energy(self, atoms: Atoms, **_: object) -> float:
        """Give the energy, eV."""
        return self._at(atoms).energy

    def get_forces(self, atoms: Atoms) -> NDArray[np.float64]:
        """Give the forces (n_atoms, 3), eV/Å."""
        return self._at(atoms).forces.copy()

    def get_stress(self, atoms: Atoms) -> NDArray[np.float64]:
        """Stress (6,), eV/Å^3."""
        return self._at(atoms).stress.copy()

    def _at(self, atoms: Atoms) -> PriorValues:
        key = _key(atoms)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._surrogate.values(atoms))
        return self._last[1]


def _mean_distance(prints: Sequence[Fingerprint]) -> float:
    """Mean distance of labels that are not the same structure; 1 where all are."""
    distances = pdist([one.vector for one in prints])
    apart = distances[distances > 0]
    return float(apart.mean()) if len(apart) else 1.0


def _refits(count: int) -> bool:
    return count <= FEW or (count % REFIT == 0 and count <= LAST_REFIT)


def _fitted_length(
    process: StackedProcess,
    prints: Sequence[Fingerprint],
    targets: Sequence[NDArray[np.float64]],
    unit: float,
) -> float:
    """Find the length scale of largest likelihood within `LENGTHS`."""
    from gpatom.gpfp.hpfitter import HyperparameterFitter
    from scipy.optimize import minimize_scalar

    log = io.StringIO()  # the library writes one

    def badness(length: float) -> float:
        arguments = (process, ["scale"], True, True, None, log)
        return float(HyperparameterFitter.neg_log_likelihood([length], *arguments))

    process.train(prints, targets)
    bounds = [math.log10(one * unit) for one in LENGTHS]
    found = minimize_scalar(badness, bounds=bounds, method="bounded", options={"xatol": CLOSE})
    return float(10**found.x)


def _key(atoms: Atoms) -> bytes:
    return bytes(atoms.positions.tobytes() + np.asarray(atoms.cell).tobytes())


def _fit_prefactor(gp: Any) -> None:
    """Find constant and prefactor in closed form."""
    from gpatom.gpfp.hpfitter import GPPrefactorFitter, PriorFitter

    PriorFitter.fit(gp)
    GPPrefactorFitter.fit(gp)
    gp.train(gp.X, gp.Y)


def _kept_prior(bounds: Bounds, calculator: Calculator | None) -> Any:
    """Make a prior of gpatom's kind that asks its calculator once for every structure."""
    from gpatom.gpfp.prior import CalculatorPrior

    class KeptPrior(CalculatorPrior):  # type: ignore[misc]
        """s E_prior + wall + m."""

        def __init__(self) -> None:
            super().__init__(calculator)
            self.scale = 1.0
            self._kept: dict[bytes, tuple[PriorValues, PriorValues]] = {}

        def raw(self, x: Fingerprint) -> PriorValues:
            """Ask the calculator, unscaled."""
            return self._both(x)[0]

        def potential(self, x: Fingerprint) -> NDArray[np.float64]:
            """Energy and its gradient."""
            inner, apart = self._both(x)
            energy = self.scale * inner.energy + apart.energy + self.constant
            forces = self.scale * inner.forces + apart.forces
            return np.concatenate([[energy], -forces.ravel()])

        def get_stress(self, x: Fingerprint) -> NDArray[np.float64]:
            """Stress, eV/Å^3."""
            inner, apart = self._both(x)
            return np.asarray(self.scale * inner.stress + apart.stress)

        def _both(self, x: Fingerprint) -> tuple[PriorValues, PriorValues]:
            key = _key(x.atoms)
            if key not in self._kept:
                apart = wall(x.atoms, bounds.neighbour, x.pairs)
                self._kept[key] = (ask(x.atoms, calculator), apart)
            return self._kept[key]

    return KeptPrior()
