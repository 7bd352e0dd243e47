"""Prior means of a search: s E_prior(x) + m, and a wall that keeps atoms apart.

s is one factor for a metal, fitted with m to the first labels by least squares on energies and
forces: a universal potential may be several times too soft, and an unscaled prior misleads. The
Gaussian process then finds m anew by generalised least squares (Lyngby, Larsen, Jacobsen, 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress

from dosml.files import file_hash
from dosml.relabel.calibration import calibrate
from dosml.relabel.second_moment import SecondMomentCalculator
from dosml.searches.fingerprint import Pairs
from dosml.searches.settings import CLASSICAL, NONE
from dosml.studies.force_source import force_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

#: The wall ends at this distance, in units of the neighbour distance; its stiffness in eV/Å^2.
WALL, STIFFNESS = 0.80, 30.0
#: A prior whose fitted factor is outside of this knows nothing of these structures and is left out
#: (s = 0): a force field of crystals that stood as it is led every search of a cluster astray.
SCALES = (0.1, 20.0)
#: eV/Å: forces of a frame count less the larger they are beside this.
_SOFT = 1.0


@dataclass(frozen=True)
class PriorValues:
    """Energy (eV), forces (n, 3) (eV/Å) and stress (6,) (eV/Å^3) of one structure."""

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


def prior_calculator(text: str, symbol: str, device: str | None) -> Calculator | None:
    """Give the calculator that a prior is named after; None for no prior.

    Parameters
    ----------
    text
        none, classical, a saved model's file, an engine or `ase:MODULE:FUNCTION`.
    symbol
        The metal.
    device
        Where a model runs.

    Raises
    ------
    InputError, LearnerError
        If there is no such thing.
    """
    if text == NONE:
        return None
    if text == CLASSICAL:
        return SecondMomentCalculator(calibrate(symbol))
    return force_source(text, sigma=None, scheme=None, device=device).calculator


def prior_key(text: str) -> str:
    """Name a prior by what decides it: a saved model by its content."""
    path = Path(text)
    return file_hash(path) if path.is_file() else text


def wall(atoms: Atoms, neighbour: float, pairs: Pairs | None = None) -> PriorValues:
    """Half a spring between every two atoms that are closer than `WALL`.

    Parameters
    ----------
    atoms
        The structure.
    neighbour
        Distance of neighbours in the crystal, Å.
    pairs
        Pairs of the structure at least as far as the wall reaches, where they are known.
    """
    reach = WALL * neighbour
    if pairs is None:
        pairs = Pairs.of(atoms, reach)
    near = pairs.dm < reach
    distances, vectors = pairs.dm[near], pairs.rm[near]
    gap = reach - distances
    energy = 0.5 * STIFFNESS * float((gap**2).sum())
    pull = (-STIFFNESS * gap / np.maximum(distances, 1e-6))[:, None] * vectors  # dE/dD
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, pairs.i[near], pull)
    np.add.at(forces, pairs.j[near], -pull)
    virial = vectors.T @ pull / atoms.cell.volume
    return PriorValues(energy, forces, full_3x3_to_voigt_6_stress(virial))


def ask(atoms: Atoms, calculator: Calculator | None) -> PriorValues:
    """Ask a calculator; none gives zeros, and so does a stress that it has not."""
    if calculator is None:
        return PriorValues(0.0, np.zeros((len(atoms), 3)), np.zeros(6))
    asked = atoms.copy()
    asked.calc = calculator
    energy, forces = float(asked.get_potential_energy()), np.asarray(asked.get_forces())
    stress = np.zeros(6)
    if "stress" in calculator.implemented_properties:
        stress = np.asarray(asked.get_stress())
    return PriorValues(energy, forces, stress)


def fit_scale(
    values: Sequence[PriorValues],
    energies: NDArray[np.float64],
    forces: Sequence[NDArray[np.float64]],
) -> tuple[float, float]:
    """Fit s and m of s E_prior + m to labels.

    Parameters
    ----------
    values
        What the prior says of the frames.
    energies, forces
        Labels, eV and eV/Å.

    Returns
    -------
    scale, constant
        s and m (eV); s is 0 where what is fitted cannot be (`SCALES`).
    """
    rows, targets = [], []
    for one, energy, force in zip(values, energies, forces, strict=True):
        weight = 1.0 / (_SOFT + float(np.sqrt(np.mean(np.square(force)))))
        rows += [[weight * one.energy, weight]]
        targets += [weight * energy]
        rows += [[weight * value, 0.0] for value in one.forces.ravel()]
        targets += (weight * force.ravel()).tolist()
    (scale, constant), *_ = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)
    if not SCALES[0] <= scale <= SCALES[1]:
        scale, constant = 0.0, float(np.mean(energies))
    return float(scale), float(constant)
