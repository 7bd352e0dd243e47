"""Which frames of a pool to label next: the joint posterior of the forces of all of them.

The force field's kernel is expanded in environments of the training frames and of the pool,
u: K_uu = L L^T, and W = L^-1 K_uF are the whitened rows of a frame's forces. With forces known to a
noise n and the signal s, and r = n^2/s^2,

    A = (I + sum_known W W^T / r)^-1,    cov(F_i, F_j) = s^2 W_i^T A W_j,

and to label frame i takes A W_i (r + W_i^T A W_i)^-1 W_i^T A away from A: the others become better
known where they resemble it. Labels play no part beyond the two numbers s and n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.learners.sgp.accumulate import NormalEquations
from dosml.learners.sgp.geometry import frame_slices
from dosml.learners.sgp.inducing import greedy_environments, shares
from dosml.learners.sgp.kernel import Inducing, kernel_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.learners.sgp.trained import SgpModel, SharedBasis

#: Environments of the basis; atoms a batch; elements of a temporary.
BASIS, _ATOMS, _CHUNK = 500, 256, 2_000_000
#: Below every variance: where nothing is unknown, no frame is harder than another.
_NOTHING = 1e-300


class FramePosterior:
    """What is known of the forces of frames, before and after some of them are labelled.

    Parameters
    ----------
    shared
        Descriptor and kernel of a trained model.
    frames
        Training frames and candidates.
    size
        Environments of the basis.

    Raises
    ------
    LearnerError
        If a frame holds an element that the model does not know.
    """

    def __init__(self, shared: SharedBasis, frames: Sequence[Atoms], size: int = BASIS) -> None:
        known = set(shared.species)
        foreign = {int(z) for frame in frames for z in frame.numbers} - known
        if foreign:
            raise LearnerError(f"frames hold elements {sorted(foreign)} that the model has not")
        descriptor, builder = shared.descriptor(), shared.pair_builder()
        parts = frame_slices([len(frame) for frame in frames], _ATOMS)
        batches = [builder.build(frames[part], part.start) for part in parts]
        settings = shared.settings
        values = [descriptor.environments(batch).values for batch in batches]
        species = torch.cat([batch.species for batch in batches])
        every = torch.cat(values)
        blocks = []
        counts = shares([int((species == s).sum()) for s in range(len(shared.species))], size)
        for s, count in enumerate(counts):
            mine = every[species == s]
            blocks.append(
                mine[greedy_environments(mine, settings.zeta, count, settings.selection_tolerance)]
            )
        inducing = Inducing(tuple(blocks), tuple(np.zeros((0, 2), dtype=int) for _ in blocks))
        lower = NormalEquations(inducing.gram(settings.zeta), settings.jitter, 1).lower
        #: Whitened force rows of each frame, (M, 3 n_atoms).
        self._rows: list[torch.Tensor] = []
        for batch in batches:
            rows = kernel_rows(
                descriptor,
                batch,
                inducing,
                settings.zeta,
                stress=False,
                dtype=torch.float64,
                chunk_elements=_CHUNK,
            ).forces
            white = torch.linalg.solve_triangular(lower, rows.T, upper=False)
            sizes = torch.bincount(batch.frame, minlength=batch.n_frames) * 3
            self._rows += list(white.split(sizes.tolist(), dim=1))

    def spread(self, model: SgpModel, known: Sequence[int]) -> NDArray[np.float64]:
        """Root mean square standard deviation of the forces of every frame, eV/Å.

        Parameters
        ----------
        model
            Whose signal and force noise are taken.
        known
            Frames that are labelled.
        """
        posterior = self._posterior(model, known)
        return model.hyperparameters.signal * np.sqrt(self._variances(posterior))

    def choose(
        self,
        models: Sequence[SgpModel],
        known: Sequence[int],
        pool: Sequence[int],
        count: int,
    ) -> list[int]:
        """Choose the frames known least, one after the other, each with the former ones as known.

        Parameters
        ----------
        models
            One per label set; a frame's score is the mean over them, each in units of the mean of
            the pool.
        known
            Frames that are labelled.
        pool
            Frames to choose from.
        count
            How many.

        Returns
        -------
        list of int
            Numbers of frames in the order of choice.
        """
        ratios = [self._ratio(model) for model in models]
        posteriors = [self._posterior(model, known) for model in models]
        left, chosen = list(pool), []
        for _ in range(min(count, len(left))):
            scores = np.zeros(len(left))
            for posterior in posteriors:
                mine = np.array([self._variance(posterior, n) for n in left])
                scores += mine / max(float(mine.mean()), _NOTHING)
            best = left.pop(int(np.argmax(scores)))
            chosen.append(best)
            posteriors = [
                self._conditioned(posterior, ratio, best)
                for ratio, posterior in zip(ratios, posteriors, strict=True)
            ]
        return chosen

    def _ratio(self, model: SgpModel) -> float:
        hypers = model.hyperparameters
        return float((hypers.force_noise / hypers.signal) ** 2)

    def _posterior(self, model: SgpModel, known: Sequence[int]) -> torch.Tensor:
        size = int(self._rows[0].shape[0])
        precision = torch.eye(size, dtype=torch.float64, device=self._rows[0].device)
        for n in known:
            precision += self._rows[n] @ self._rows[n].T / self._ratio(model)
        return torch.cholesky_inverse(torch.linalg.cholesky(precision))

    def _variance(self, posterior: torch.Tensor, number: int) -> float:
        rows = self._rows[number]
        return float(((posterior @ rows) * rows).sum() / rows.shape[1])

    def _variances(self, posterior: torch.Tensor) -> NDArray[np.float64]:
        found = [self._variance(posterior, n) for n in range(len(self._rows))]
        return np.asarray(np.clip(np.array(found), 0.0, None))

    def _conditioned(self, posterior: torch.Tensor, ratio: float, number: int) -> torch.Tensor:
        rows = self._rows[number]
        turned = posterior @ rows
        inner = rows.T @ turned
        inner.diagonal().add_(ratio)
        lower = torch.linalg.cholesky((inner + inner.T) / 2)
        half = torch.linalg.solve_triangular(lower, turned.T, upper=False)
        left: torch.Tensor = posterior - half.T @ half
        return left
