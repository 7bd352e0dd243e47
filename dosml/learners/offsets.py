"""Finished potentials beside labels: energies of programs differ by one constant per element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import LearnerError
from dosml.learners.base import Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    #: Energy (eV), forces (eV/Å) and stress (eV/Å^3, or None) of a frame.
    Answer = tuple[float, NDArray[np.float64], NDArray[np.float64] | None]


def composition(frames: Sequence[Atoms], elements: Sequence[str]) -> NDArray[np.float64]:
    """Atoms of each element in each frame, shape (n_frames, n_elements)."""
    symbols = [frame.get_chemical_symbols() for frame in frames]
    return np.array([[one.count(element) for element in elements] for one in symbols], dtype=float)


def fit_offsets(
    frames: Sequence[Atoms], labelled: NDArray[np.float64], said: NDArray[np.float64]
) -> tuple[dict[str, float], float]:
    """Fit one energy per element to what a calculator's energies miss of the labels.

    Parameters
    ----------
    frames
        Labelled frames.
    labelled, said
        Energies of the labels and of the calculator, shape (n_frames,), eV.

    Returns
    -------
    offsets, misfit
        eV by element; root mean square of what is left, eV/atom.
    """
    sizes = np.array([len(frame) for frame in frames])
    elements = tuple(sorted({symbol for frame in frames for symbol in frame.symbols}))
    shares = composition(frames, elements) / sizes[:, None]
    missing = (labelled - said) / sizes
    best = np.linalg.lstsq(shares, missing, rcond=None)[0]
    misfit = float(np.sqrt(np.mean((missing - shares @ best) ** 2)))
    return dict(zip(elements, best.tolist(), strict=True)), misfit


def offset_of(frame: Atoms, offsets: Mapping[str, float]) -> float:
    """Give the energy (eV) that the offsets of its atoms come to.

    Raises
    ------
    LearnerError
        If an element has none.
    """
    symbols = frame.get_chemical_symbols()
    unknown = sorted(set(symbols) - set(offsets))
    if unknown:
        raise LearnerError(
            f"a frame holds {', '.join(unknown)}, the training frames held "
            f"{', '.join(sorted(offsets))}: the energy of an atom is not known"
        )
    return sum(offsets[symbol] for symbol in symbols)


def shifted_predictions(
    frames: Sequence[Atoms],
    answers: Sequence[Answer],
    offsets: Sequence[Mapping[str, float]],
) -> list[Prediction]:
    """Give what a potential says of frames as predictions for label sets.

    Parameters
    ----------
    answers
        Of each frame.
    offsets
        eV by element, for each label set.

    Raises
    ------
    LearnerError
        If an element has no offset.
    """
    empty = np.full(6, np.nan)
    stresses = [empty if stress is None else stress for _, _, stress in answers]
    return [
        Prediction(
            energies=np.array(
                [
                    energy + offset_of(frame, one)
                    for frame, (energy, _, _) in zip(frames, answers, strict=True)
                ]
            ),
            forces=[forces for _, forces, _ in answers],
            stresses=np.array(stresses).reshape(-1, 6),
        )
        for one in offsets
    ]
