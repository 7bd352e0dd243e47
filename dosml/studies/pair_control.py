"""Control labels: the pair potential that comes nearest to the forces of a label set.

On the same frames it has forces of about the same size and no angles: what a force field finds hard
in these labels is hard because of the geometry of the frames alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.angular_basis import PAIR_LEVEL, AngularBasis, basis_functions
from dosml.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.dataset import Dataset

#: Reach of the pair potential over the cube root of the volume per atom: below the cutoff of the
#: default learner, so that a force field can see all of it.
REACH = 1.75
#: In front of the names of control label sets.
PREFIX = "pairs_"


@dataclass(frozen=True)
class PairControl:
    """Labels of pair potentials beside the labels that they were fitted to.

    Attributes
    ----------
    data
        The same frames and roles; a label set "pairs_NAME" for each, energies and forces only, no
        DOS.
    explained
        Name of the label set that was fitted -> share of the squared force that the pair potential
        holds, over all frames.
    """

    data: Dataset
    explained: dict[str, float]


def pair_control(data: Dataset) -> PairControl:
    """Fit a pair potential to every label set (least squares on the forces of all frames).

    Parameters
    ----------
    data
        Labels of frames of one element, periodic in all directions.

    Raises
    ------
    InputError
        If the frames hold several elements, or no neighbours within reach.
    """
    if len(data.elements) != 1:
        raise InputError(
            f"the pair-potential control takes frames of one element, these hold "
            f"{', '.join(data.elements)}: leave the control out"
        )
    volume = float(np.mean([abs(frame.cell.volume) / len(frame) for frame in data.frames]))
    basis = AngularBasis(cutoff=round(REACH * volume ** (1 / 3), 2), n_max=1, l_max=0)
    pairs = basis.levels == PAIR_LEVEL
    found = [basis_functions(frame, basis) for frame in data.frames]
    values = np.array([value[pairs] for value, _ in found])
    designs = [forces[pairs] for _, forces in found]  # (functions, atoms, 3) each
    design = np.concatenate([one.reshape(len(one), -1) for one in designs], axis=1).T
    if not design.any():
        raise InputError(f"no atom has a neighbour within {basis.cutoff:g} Å: no pair potential")
    label_sets, explained = [], {}
    for labels in data.label_sets:
        target = np.concatenate([forces.ravel() for forces in labels.forces])
        coefficients = np.linalg.lstsq(design, target, rcond=None)[0]
        rest = target - design @ coefficients
        explained[labels.name] = 1 - float(rest @ rest) / float(target @ target)
        label_sets.append(
            replace(
                labels,
                name=f"{PREFIX}{labels.name}",
                energies=values @ coefficients,
                forces=[_forces(one, coefficients) for one in designs],
                stresses=None,
                dos=None,
                dos_parts=None,
                facts={},
                noise=None,
            )
        )
    return PairControl(replace(data, label_sets=tuple(label_sets)), explained)


def _forces(
    functions: NDArray[np.float64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(np.tensordot(coefficients, functions, axes=1))
