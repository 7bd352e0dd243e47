"""The Gaussian process of a search: gpatom's, with a prior mean of ours (BEACON).

Kaappa, del Rio, Jacobsen, Phys. Rev. B 103, 174114 (2021): a squared-exponential kernel on a global
fingerprint of distances and angles, trained on energies and forces. The prior mean is a calculator
with a scale, asked once for each structure.
"""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dosml.errors import InputError
from dosml.searches.prior import PriorValues, ask, fit_scale, wall
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.searches.starts import Bounds

#: Reach of distances of the fingerprint, of clusters and of crystals, whose pairs grow with its
#: cube, and of angles, in units of the neighbour distance.
RADIAL, PERIODIC_RADIAL, ANGULAR = 3.0, 2.2, 1.5
#: Bins of both, and weight of angles to begin with.
BINS = {"r_nbins": 100, "a_nbins": 50, "aweight": 1.0}
#: Noise in units of the prefactor.
NOISE = 2e-4
#: The length scale is fitted anew after so many labels; what it is fitted to costs the cube.
REFIT, LAST_REFIT = 5, 60
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
        self._model: Any = None
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
            Labels that the scale of the prior is fitted to. The length scale is fitted to the first
            labels that come, and again after every `REFIT`.
        """
        from ase.calculators.singlepoint import SinglePointCalculator

        values = [self._prior.raw(frame) for frame in frames[:first]]
        self.scale, constant = fit_scale(values, energies[:first], forces[:first])
        self._prior.scale = self.scale
        self._prior.set_constant(constant)
        images = []
        for frame, energy, force in zip(frames, energies, forces, strict=True):
            image = frame.copy()
            image.calc = SinglePointCalculator(image, energy=float(energy), forces=force)
            images.append(image)
        self._model = self._new_model(self._length or 100.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy's deprecations in the library
            self._model.add_data_points(images)
            self._model.update_fps()
            if self._length is None or (len(frames) % REFIT == 0 and len(frames) <= LAST_REFIT):
                self._fit_length()
            _fit_prefactor(self._model.gp)

    @property
    def length(self) -> float:
        """Length scale of the kernel."""
        return float(self._model.gp.hp["scale"])

    def predict(self, atoms: Atoms) -> tuple[float, float]:
        """Energy and its standard deviation, eV."""
        energy, _, spread = self._model.get_energy_and_forces(atoms)
        return float(energy), float(spread) if np.isfinite(spread) else 0.0

    def nearest(self, atoms: Atoms) -> float:
        """Distance to the nearest label in units of the length scale."""
        return float(self._model.calculate_distances(atoms).min()) / self.length

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
        from gpatom.gpfp.calculator import GPCalculator

        moving = atoms.copy()
        moving.calc = GPCalculator(self._model, calculate_stress=self._bounds.periodic)
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

    def _new_model(self, length: float) -> Any:
        from gpatom.gpfp.atoms_gp_interface import Model
        from gpatom.gpfp.fingerprint import FingerPrint, FPUpdater
        from gpatom.gpfp.gp import GaussianProcess

        neighbour = self._bounds.neighbour
        reach = PERIODIC_RADIAL if self._bounds.periodic else RADIAL
        arguments = {"r_cutoff": reach * neighbour, "a_cutoff": ANGULAR * neighbour, **BINS}
        return Model(
            gp=GaussianProcess(
                hp={"scale": length, "weight": 100.0, "ratio": NOISE}, prior=self._prior
            ),
            fp=FingerPrint(fp_args=arguments, calc_strain=self._bounds.periodic),
            fp_updater=FPUpdater(factor=0.5),
        )

    def _fit_length(self) -> None:
        """Fit the length scale by the likelihood, as BEACON does; nothing is written."""
        from gpatom.gpfp.hpfitter import (
            HyperparameterFitter,
            PriorDistributionLogNormal,
            ScaleSetter,
        )

        gp = self._model.gp
        expected = PriorDistributionLogNormal()
        distances, _ = ScaleSetter.calculate_all_distances(gp)
        ScaleSetter.update_scale_prior_distribution(expected, distances)
        ScaleSetter.fix_scale(gp, distances)
        HyperparameterFitter.fit(gp, ["scale"], pd=expected, txt=os.devnull)
        # few labels are fitted best by a length at which nothing resembles anything
        self._length = max(float(gp.hp["scale"]), float(np.mean(distances)))
        gp.set_hyperparams({"scale": self._length})
        gp.train(gp.X, gp.Y)


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

        def raw(self, atoms: Atoms) -> PriorValues:
            """Ask the calculator, unscaled."""
            return self._both(atoms)[0]

        def potential(self, x: Any) -> NDArray[np.float64]:
            """Energy and its gradient."""
            inner, apart = self._both(x.atoms)
            energy = self.scale * inner.energy + apart.energy + self.constant
            forces = self.scale * inner.forces + apart.forces
            return np.concatenate([[energy], -forces.ravel()])

        def get_stress(self, x: Any) -> NDArray[np.float64]:
            """Stress, eV/Å^3."""
            inner, apart = self._both(x.atoms)
            return np.asarray(self.scale * inner.stress + apart.stress)

        def _both(self, atoms: Atoms) -> tuple[PriorValues, PriorValues]:
            key = atoms.positions.tobytes() + np.asarray(atoms.cell).tobytes()
            if key not in self._kept:
                self._kept[key] = (ask(atoms, calculator), wall(atoms, bounds.neighbour))
            return self._kept[key]

    return KeptPrior()
