"""Whether a force field is better than none, for every learner: errors beside what they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dosml.learners.base import Prediction
    from dosml.relabel.dataset import LabelSet

#: eV per atom: held-out energies that scatter by less tell nothing of a force field.
LEAST_ENERGY = 1e-3
#: Fewer held-out energies have no scatter to speak of.
FEWEST_ENERGIES = 3


def worse_than_nothing(said: Prediction, labels: LabelSet) -> str:
    """Name the kinds of labels that a model predicts worse than the simplest guess.

    The guess of forces and stresses is zero, that of energies the mean energy per atom of these
    frames. A force error in % of the mean absolute force is above 100 then.

    Parameters
    ----------
    said
        What the model predicts.
    labels
        Of the same frames.

    Returns
    -------
    str
        A warning; empty where the model is better than no model.
    """
    mae, mav = _mean_abs(said.forces, labels.forces), _mean_abs(labels.forces)
    found = []
    if not mav:
        found.append("all forces of the held-out frames are zero, there is no force error in %")
    elif mae > mav:
        found.append(
            f"the forces are worse than zero everywhere would be: they are off by {mae:.2g} eV/Å, "
            f"where the held-out forces are {mav:.2g} eV/Å on average"
        )
    sizes = np.array([len(one) for one in labels.forces])
    energies = np.asarray(labels.energies) / sizes
    off = float(np.abs(said.energies / sizes - energies).mean())
    scatter = float(np.abs(energies - energies.mean()).mean())
    if len(sizes) >= FEWEST_ENERGIES and off > max(scatter, LEAST_ENERGY):
        found.append(
            f"the energies are worse than their mean would be: they are off by {1000 * off:.3g} "
            f"meV/atom, where the held-out energies scatter by {1000 * scatter:.3g} meV/atom"
        )
    if labels.stresses is not None and np.isfinite(said.stresses).all():
        mae = float(np.abs(said.stresses - labels.stresses).mean())
        mav = float(np.abs(labels.stresses).mean())
        if mae > mav > 0:
            found.append(
                f"the stresses are worse than zero would be: they are off by {mae:.2g} eV/Å^3, "
                f"where the held-out stresses are {mav:.2g} eV/Å^3 on average"
            )
    if not found:
        return ""
    return "; ".join(found) + ". More frames, or another choice of them, may help"


def with_judgement(facts: Mapping[str, Any], said: Prediction, labels: LabelSet) -> dict[str, Any]:
    """Add what `worse_than_nothing` says to a model's facts, behind its own warning."""
    words = [str(facts.get("warning") or ""), worse_than_nothing(said, labels)]
    warning = "; ".join(filter(None, words))
    return {**facts, **({"warning": warning} if warning else {})}


def _mean_abs(
    forces: Sequence[NDArray[np.float64]], others: Sequence[NDArray[np.float64]] | None = None
) -> float:
    """Mean absolute component, or that of the difference, over all atoms of all frames."""
    values = np.concatenate(forces)
    return float(np.abs(values if others is None else values - np.concatenate(others)).mean())
