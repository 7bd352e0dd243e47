"""Labels as the model sees them: energies above the baseline, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.dataset import LabelSet

#: Atoms^2: baselines are pulled towards the mean energy per atom with this weight, which decides
#: where the compositions do not (all frames of one stoichiometry) and is nothing beside a
#: difference of one atom in a few frames.
PULL = 0.01
#: The same of atoms without neighbours, whose energies are known where there are any.
_PULL_ALONE = 1e-9

#: Variances are calibrated on every so many-th frame, where there are at least so many frames.
HOLD_EVERY, FEWEST_TO_HOLD = 5, 10


@dataclass(frozen=True)
class Baseline:
    """Energy per atom of each species, eV, that the model adds to what it has learnt.

    Attributes
    ----------
    bound
        Of atoms with neighbours, shape (n_species,).
    alone
        Of atoms without a neighbour within the cutoff, shape (n_species,); the same as `bound`
        where no training frame holds one.
    """

    bound: NDArray[np.float64]
    alone: NDArray[np.float64]


def baselines(
    bound: NDArray[np.int64], alone: NDArray[np.int64], energies: NDArray[np.float64]
) -> list[Baseline]:
    """Baselines by least squares over the frames, one per label set.

    An atom without neighbours has no descriptor, so nothing else can be learnt of it: its energy is
    a baseline of its own, and does not move that of the bound atoms. Where compositions do not tell
    species apart, they get the same energy per atom.

    Parameters
    ----------
    bound, alone
        Atoms of each species with and without neighbours in each frame, shape
        (n_frames, n_species).
    energies
        Of the frames, shape (n_frames, n_sets), eV.
    """
    n_species = bound.shape[1]
    atoms = (bound + alone).sum(axis=1)
    usual = bound.sum(axis=1) > 0
    mean = energies[usual].sum(axis=0) / atoms[usual].sum()
    pulls = np.repeat([PULL, _PULL_ALONE], n_species)
    matrix = np.concatenate([np.concatenate([bound, alone], axis=1), np.diag(np.sqrt(pulls))])
    above = np.concatenate(
        [energies - atoms[:, None] * mean, np.zeros((2 * n_species, energies.shape[1]))]
    )
    solution = mean + np.linalg.lstsq(matrix, above, rcond=None)[0]
    seen = alone.any(axis=0)
    return [
        Baseline(one[:n_species], np.where(seen, one[n_species:], one[:n_species]))
        for one in solution.T
    ]


class Targets:
    """Labels of several label sets, side by side.

    Parameters
    ----------
    frames
        Training frames.
    label_sets
        Labels in their order; stresses in all sets or in none.
    species
        Atomic numbers of the model, ascending.
    bound
        Which atoms have neighbours, those of all frames in a row, shape (n_atoms,). Labels of
        others, and of frames that hold no other, are left out: the model cannot follow them.

    Attributes
    ----------
    baselines
        One per label set.
    stress
        Whether there are stress labels.
    n_held
        Frames that calibrate the variances.
    """

    def __init__(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        species: Sequence[int],
        bound: NDArray[np.bool_],
    ) -> None:
        ends = np.cumsum([len(frame) for frame in frames])
        self._bound = np.split(bound, ends[:-1])
        pairs = list(zip(frames, self._bound, strict=True))
        with_neighbours = _counts([f.numbers[b] for f, b in pairs], species)
        alone = _counts([f.numbers[~b] for f, b in pairs], species)
        energies = np.stack([labels.energies for labels in label_sets], axis=1)
        self._label_sets = label_sets
        self.baselines = baselines(with_neighbours, alone, energies)
        self._energies = energies - np.stack(
            [with_neighbours @ one.bound + alone @ one.alone for one in self.baselines], axis=1
        )
        self._held = held_frames(
            np.array([np.sqrt(np.mean(np.square(force))) for force in label_sets[0].forces])
        )
        self.n_held = int(self._held.sum())
        self.stress = label_sets[0].stresses is not None

    def rows(
        self, part: slice, kept: Mapping[str, NDArray[np.bool_]], device: torch.device
    ) -> dict[str, torch.Tensor]:
        """Labels of some frames by kind, each (n_rows, n_sets), in the order of kernel rows.

        Parameters
        ----------
        part
            Which frames.
        kept
            Which of their kernel rows, from `kept`.
        device
            Where the tensors go.
        """
        out = {
            "energy": self._energies[part],
            "force": self.forces(part, torch.device("cpu")).numpy(),
        }
        if self.stress:
            stresses = [labels.stresses for labels in self._label_sets]
            out["stress"] = np.stack([s[part].ravel() for s in stresses if s is not None], axis=1)
        return {
            kind: torch.as_tensor(values[kept[kind]], dtype=torch.float64, device=device)
            for kind, values in out.items()
        }

    def forces(self, part: slice, device: torch.device) -> torch.Tensor:
        """Give the forces of all atoms of some frames, shape (3 n_atoms, n_sets), eV/Å."""
        stacked = [np.concatenate(labels.forces[part]).ravel() for labels in self._label_sets]
        return torch.as_tensor(np.stack(stacked, axis=1), dtype=torch.float64, device=device)

    def kept(self, part: slice, *, held: bool) -> dict[str, NDArray[np.bool_]]:
        """Which kernel rows of some frames the model can follow, by label kind.

        Parameters
        ----------
        part
            Which frames.
        held
            Whether of the frames that calibrate the variances, or of the others.
        """
        mine = self._held[part] == held
        atoms = [bound & one for bound, one in zip(self._bound[part], mine, strict=True)]
        frames = np.array([one.any() for one in atoms])
        return {
            "energy": frames,
            "force": np.repeat(np.concatenate(atoms), 3),
            "stress": np.repeat(frames, 6),
        }


def held_frames(size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames calibrate the variances: every fifth in the order of their forces.

    In that order, because errors grow with forces: a draw without the hot frames would call the
    model better than it is. Of a few frames none are set apart.

    Parameters
    ----------
    size
        Root mean square force of each frame, eV/Å.
    """
    held = np.zeros(len(size), dtype=bool)
    if len(size) >= FEWEST_TO_HOLD:
        held[np.argsort(size, kind="stable")[HOLD_EVERY // 2 :: HOLD_EVERY]] = True
    return held


def _counts(numbers: Sequence[NDArray[np.int64]], species: Sequence[int]) -> NDArray[np.int64]:
    """Atoms of each species in each list of atomic numbers, shape (n_lists, n_species)."""
    return np.array([[np.count_nonzero(one == z) for z in species] for one in numbers])
