"""Labels as the model sees them: energies above the baseline, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.dataset import LabelSet


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

    Attributes
    ----------
    baselines
        Energy per atom of each species by least squares over the frames, one array (n_species,)
        per label set, eV.
    stress
        Whether there are stress labels.
    """

    def __init__(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        species: Sequence[int],
    ) -> None:
        counts = np.array([[np.count_nonzero(f.numbers == z) for z in species] for f in frames])
        energies = np.stack([labels.energies for labels in label_sets], axis=1)
        solution = np.linalg.lstsq(counts, energies, rcond=None)[0]
        self._label_sets = label_sets
        self._energies = energies - counts @ solution
        self.baselines: list[NDArray] = list(solution.T)
        self.stress = label_sets[0].stresses is not None

    def rows(self, part: slice, device: torch.device) -> dict[str, torch.Tensor]:
        """Labels of some frames by kind, each (n_rows, n_sets), in the order of kernel rows.

        Parameters
        ----------
        part
            Which frames.
        device
            Where the tensors go.
        """
        out = {
            "energy": self._energies[part],
            "force": np.stack(
                [np.concatenate(labels.forces[part]).ravel() for labels in self._label_sets],
                axis=1,
            ),
        }
        if self.stress:
            stresses = [labels.stresses for labels in self._label_sets]
            out["stress"] = np.stack([s[part].ravel() for s in stresses if s is not None], axis=1)
        return {
            kind: torch.as_tensor(values, dtype=torch.float64, device=device)
            for kind, values in out.items()
        }
