"""Size of force errors to expect: predictive variances held against frames that were set apart.

The variance of a force has a part that more data would remove (what the labels left open, times
signal^2) and the noise: misfit of the model and errors of the labels. Both rest on assumptions:
that the noise is the same for every force and independent from one to the next. Neither is so:
misfit grows with the forces of a frame, and a model with many functions also fits some of its
noise. So the error to expect of a force in a frame whose mean square force is f2 is

    scale^2 (variance + noise^2 (flat + (1 - flat) f2 / mean f2)),

with `scale` and `flat` measured: with the hyperparameters of all frames, the weights are solved
once more without every fifth frame, and the likelihood of the errors of `ATOMS_PER_FRAME` atoms of
each of these is maximised. For a given `flat` that makes scale^2 the mean of the squared errors
over what they should be. The normal equations hold the sums over these frames apart, so it costs
O(M^3) and the kernel rows of a few atoms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from dosml.learners.sgp.force_errors import ForceErrors
from dosml.learners.sgp.force_variance import force_prior
from dosml.learners.sgp.likelihood import posterior

if TYPE_CHECKING:
    from dosml.learners.sgp.accumulate import Evidence
    from dosml.learners.sgp.descriptor import Descriptor
    from dosml.learners.sgp.geometry import PairBatch
    from dosml.learners.sgp.hyperparameters import Hyperparameters
    from dosml.learners.sgp.kernel import KernelRows

#: Atoms of each frame set apart whose force errors are looked at; fewer where frames are so many
#: that their kernel rows would fill the memory.
ATOMS_PER_FRAME, MOST_ATOMS = 8, 2000
#: Prior variance over the largest one, below which a force vanishes by symmetry.
SYMMETRIC = 1e-10
#: Shares of the noise that do not grow with the forces of a frame; the best is taken. A tenth is
#: kept: of a few frames the coldest do not tell how small errors become.
FLAT = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


class HeldForces:
    """Kernel rows, prior variances and labels of some forces of the frames set apart.

    Parameters
    ----------
    descriptor, zeta
        Of the model.
    n_frames
        Frames set apart.
    """

    def __init__(self, descriptor: Descriptor, zeta: int, n_frames: int) -> None:
        self._descriptor, self._zeta = descriptor, zeta
        self._n_atoms = max(1, min(ATOMS_PER_FRAME, MOST_ATOMS // max(1, n_frames)))
        self._priors: list[torch.Tensor] = []
        self._rows: list[torch.Tensor] = []
        self._labels: list[torch.Tensor] = []
        self._squares: list[torch.Tensor] = []

    def add(
        self, batch: PairBatch, rows: KernelRows, labels: torch.Tensor, frames: list[int]
    ) -> None:
        """Take some atoms of the frames of a batch.

        Parameters
        ----------
        batch, rows
            Frames and all their kernel rows.
        labels
            Forces of all their atoms, shape (3 n_atoms, n_sets), eV/Å.
        frames
            Which of the batch's frames.
        """
        if not frames:
            return
        envs = self._descriptor.environments(batch)
        for frame in frames:
            members = torch.nonzero(batch.frame == frame)[:, 0]
            step = max(1, len(members) // self._n_atoms)
            atoms = members[::step][: self._n_atoms]
            prior = force_prior(self._descriptor, batch, envs, self._zeta, atoms)
            where = (3 * atoms[:, None] + torch.arange(3, device=atoms.device)).flatten()
            self._priors.append(prior.flatten())
            self._rows.append(rows.forces[where].double())
            self._labels.append(labels[where])
            own = (3 * members[:, None] + torch.arange(3, device=atoms.device)).flatten()
            self._squares.append(labels[own].square().mean(dim=0).expand(len(where), -1))

    def calibration(self, lower: torch.Tensor, rotation: torch.Tensor) -> Calibration:
        """Bring the rows into the basis of the evidence.

        Parameters
        ----------
        lower
            Cholesky factor of K_uu.
        rotation
            See `NormalEquations.finish`.
        """
        if not self._rows:
            empty = lower.new_zeros(0)
            return Calibration(lower.new_zeros((len(lower), 0)), empty, empty, empty)
        priors = torch.cat(self._priors)
        # forces that vanish by symmetry are known without any error
        free = priors > SYMMETRIC * priors.max()
        rows = torch.cat(self._rows)[free]
        # as large as all else
        self._rows.clear()
        white = torch.linalg.solve_triangular(lower, rows.T, upper=False)
        unknown = (priors[free] - (white * white).sum(dim=0)).clamp(min=0)
        labels, squares = torch.cat(self._labels)[free], torch.cat(self._squares)[free]
        return Calibration(rotation.T @ white, unknown, labels, squares)


@dataclass(frozen=True)
class Calibration:
    """Forces of the frames set apart, in the basis of the evidence.

    Attributes
    ----------
    rows
        Whitened, rotated kernel rows, shape (M, n).
    unknown
        Variance at signal 1 that the inducing environments cannot express, shape (n,).
    labels
        Shape (n, n_sets), eV/Å.
    squares
        Mean square force of the frame of each, shape (n, n_sets), (eV/Å)^2.
    """

    rows: torch.Tensor
    unknown: torch.Tensor
    labels: torch.Tensor
    squares: torch.Tensor

    def __call__(self, number: int, evidence: Evidence, hypers: Hyperparameters) -> ForceErrors:
        """Calibrate one label set; plain variance and noise where no frames were set apart.

        Parameters
        ----------
        number
            Of the label set.
        evidence, hypers
            Its own.
        """
        if not self.rows.shape[1]:
            return ForceErrors()
        solved = posterior(evidence.without_held(), hypers)
        signal2 = hypers.signal**2
        miss = self.labels[:, number] - signal2 * (self.rows.T @ solved.solution)
        left = torch.linalg.solve_triangular(solved.factor, self.rows, upper=False)
        variance = signal2 * (self.unknown + (left * left).sum(dim=0))
        squares = self.squares[:, number]
        mean_square = float(squares.mean())
        best, lowest = ForceErrors(), math.inf
        for flat in FLAT if mean_square > 0 else ():
            trial = ForceErrors(1.0, flat, mean_square)
            said = variance + hypers.force_noise**2 * trial.noise_share(squares)
            scale2 = float((miss * miss / said).mean())
            # -2 log likelihood per label, without constants
            cost = math.log(scale2) + float(said.log().mean())
            if cost < lowest:
                best, lowest = ForceErrors(math.sqrt(scale2), flat, mean_square), cost
        return best
