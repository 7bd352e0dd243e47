"""One force field for all smearings: weights that depend smoothly on sigma.

Models of several label sets on the same frames share their inducing environments, so

    F(R; sigma) = sum_j c_j(sigma) k(R, R_j),      c_j(sigma_t) known at the label sets' sigma_t.

In between, each c_j is a Gaussian process over sigma with a mean that is linear in u and a second,
small kernel, the same for all j (the covariance is K_uu^-1 x kappa: all functions F(R; .) are
smooth in the same way),

    u = log(sigma^2 + (0.3 eV)^2) / 2,
    kappa = (1 + r + r^2 / 3) exp(-r),   r = sqrt(5) |u - u'| / length,

so that c(sigma) = sum_t a_t(sigma) c(sigma_t) by universal kriging: O(T^3). Below the width of what
a density of states has at the Fermi level, smearing acts with sigma^2 (Sommerfeld), far above it
with the logarithm. The length is four times the range of u. The baselines, which hold nearly all
of F's change with sigma, are a cubic spline in
sqrt(sigma^2 + (0.3 eV)^2).

With a' = da/dsigma the same sums give dF/dsigma: the electronic entropy S = -dF/dsigma, in units of
k_B where sigma is k_B T (Fermi-Dirac), and the sum of the generalised entropies of any other scheme
(`dosml.theory.smearing`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import InputError, LearnerError
from dosml.learners.sgp.force_errors import ForceErrors
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.sigma_kernel import SigmaKernel
from dosml.learners.sgp.storage import (
    basis_arrays,
    basis_head,
    check_format,
    read_basis,
    read_file,
    read_model,
    write_file,
)
from dosml.learners.sgp.trained import SgpModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.learners.sgp.trained import SharedBasis

#: Fewer label sets say nothing of a curvature.
FEWEST = 3
_FORMAT = "dosml-sgp-across-sigma"
_VERSION = 1
_ARRAYS = ("baseline", "baseline_alone", "weights")


@dataclass(frozen=True)
class AcrossSigma:
    """Models of several label sets as one model with sigma as an argument.

    Attributes
    ----------
    shared
        Inducing environments.
    models
        One per sigma, ascending.
    kernel
        The kernel over sigma.
    scheme
        Smearing scheme of the labels.
    """

    shared: SharedBasis
    models: tuple[SgpModel, ...]
    kernel: SigmaKernel
    scheme: str

    @classmethod
    def join(
        cls, shared: SharedBasis, models: Sequence[SgpModel], widths: Sequence[float], scheme: str
    ) -> AcrossSigma:
        """Join models that were trained together.

        Parameters
        ----------
        shared, models
            Of one training.
        widths
            sigma of each model, eV.
        scheme
            Smearing scheme of all label sets.

        Raises
        ------
        InputError
            If there are fewer than three widths, or two are the same.
        """
        if len(set(widths)) < max(FEWEST, len(models)):
            said = ", ".join(f"{width:g}" for width in widths)
            raise InputError(
                f"one model across sigma needs label sets at {FEWEST} smearings at least, each "
                f"once: got {said} eV; label more with dosml smear-scan"
            )
        order = np.argsort(widths)
        chosen = tuple(models[k] for k in order)
        nodes = np.asarray(widths, dtype=float)[order]
        return cls(shared, chosen, SigmaKernel(nodes), scheme)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest sigma of the labels, eV."""
        return float(self.kernel.nodes[0]), float(self.kernel.nodes[-1])

    def at(self, sigma: float) -> SgpModels:
        """Give the model at one sigma and, second, its derivative by sigma.

        Parameters
        ----------
        sigma
            eV, between the smallest and the largest of the labels.

        Raises
        ------
        InputError
            If it is not: nothing is known there.
        """
        low, high = self.range
        if not low <= sigma <= high:
            raise InputError(
                f"sigma {sigma:g} eV is outside the labels of this model, {low:g} to {high:g} eV"
            )
        pairs = zip(self.kernel.weights(sigma), self.kernel.baseline_weights(sigma), strict=True)
        return SgpModels(self.shared, [self._mixed(*pair) for pair in pairs])

    def predict(self, frames: Sequence[Atoms], sigma: float) -> SigmaPrediction:
        """Predict frames at one sigma.

        Raises
        ------
        InputError
            See `at`.
        LearnerError
            See `SgpModels.predict`.
        """
        value, slope = self.at(sigma).predict(frames)
        return SigmaPrediction(value.energies, value.forces, value.stresses, -slope.energies)

    def without(self, number: int) -> AcrossSigma:
        """Give the same without one of its nodes, with a kernel of its own."""
        keep = [k for k in range(len(self.models)) if k != number]
        return AcrossSigma.join(
            self.shared,
            [self.models[k] for k in keep],
            [float(self.kernel.nodes[k]) for k in keep],
            self.scheme,
        )

    def save(self, path: Path) -> None:
        """Write one file.

        Raises
        ------
        LearnerError
            If it cannot be written.
        """
        arrays = basis_arrays(self.shared)
        for name in _ARRAYS:
            arrays[name] = torch.stack([getattr(one, name) for one in self.models]).cpu().numpy()
        head = {
            **basis_head(self.shared, _FORMAT, _VERSION),
            "scheme": self.scheme,
            "widths_ev": self.kernel.nodes.tolist(),
            "hyperparameters": [asdict(one.hyperparameters) for one in self.models],
            "facts": [one.facts for one in self.models],
        }
        write_file(path, head, arrays)

    @classmethod
    def load(cls, path: Path, *, device: str | None = None) -> AcrossSigma:
        """Read what `save` wrote; it has no uncertainties.

        Parameters
        ----------
        path
            The file.
        device
            As for `SgpModels.load`.

        Raises
        ------
        LearnerError
            If the file is no such model, or does not fit here.
        """
        head, arrays = read_file(path)
        check_format(path, head, _FORMAT, _VERSION)
        try:
            shared = read_basis(head, arrays, device)
            nothing = torch.zeros((0, 0), dtype=torch.float64)

            def tensor(name: str, number: int) -> torch.Tensor:
                return torch.as_tensor(arrays[name][number], device=shared.settings.device)

            models = tuple(
                SgpModel(
                    Hyperparameters(**head["hyperparameters"][k]),
                    tensor("baseline", k),
                    tensor("baseline_alone", k),
                    tensor("weights", k),
                    nothing,
                    ForceErrors(),
                    head["facts"][k],
                )
                for k in range(len(head["widths_ev"]))
            )
            kernel = SigmaKernel(np.array(head["widths_ev"], dtype=float))
            return cls(shared, models, kernel, str(head["scheme"]))
        except (KeyError, TypeError, ValueError, RuntimeError, AssertionError, InputError) as error:
            raise LearnerError(f"{path} is damaged or does not fit here: {error}") from error

    @classmethod
    def join_files(cls, paths: Sequence[Path], widths: Sequence[float], scheme: str) -> AcrossSigma:
        """Join saved models of one training.

        Parameters
        ----------
        paths
            Written by `SgpModels.save`.
        widths
            sigma of each, eV.
        scheme
            Smearing scheme of all.

        Raises
        ------
        LearnerError
            If a file is no such model, or they are not of one training.
        InputError
            See `join`.
        """
        parts = [read_model(path) for path in paths]
        first = parts[0][0]
        for path, (shared, _) in zip(paths, parts, strict=True):
            if shared.settings != first.settings or not torch.equal(shared.lower, first.lower):
                raise LearnerError(
                    f"{path} has other inducing environments than {paths[0]}: one model across "
                    "sigma is made of label sets that were trained together"
                )
        return cls.join(first, [model for _, model in parts], widths, scheme)

    def _mixed(self, shares: NDArray[np.float64], baseline_shares: NDArray[np.float64]) -> SgpModel:
        """Model whose weights and baselines are sums over the nodes."""

        def total(name: str, over: NDArray[np.float64]) -> torch.Tensor:
            stack = torch.stack([getattr(one, name) for one in self.models])
            return torch.as_tensor(over, device=stack.device) @ stack

        nearest = self.models[int(np.argmax(shares))]
        return SgpModel(
            nearest.hyperparameters,
            total("baseline", baseline_shares),
            total("baseline_alone", baseline_shares),
            total("weights", shares),
            nearest.spread,
            nearest.force_errors,
            dict(nearest.facts),
        )


@dataclass(frozen=True)
class SigmaPrediction:
    """What a model across sigma says of frames at one sigma.

    Attributes
    ----------
    energies
        Free energies F, shape (n_frames,), eV.
    forces
        -dF/dR, one array (n_atoms, 3) per frame, eV/Å.
    stresses
        Shape (n_frames, 6), eV/Å^3.
    entropies
        S = -dF/dsigma, shape (n_frames,), pure numbers (k_B for Fermi-Dirac smearing). E = F +
        sigma S.
    """

    energies: NDArray[np.float64]
    forces: list[NDArray[np.float64]]
    stresses: NDArray[np.float64]
    entropies: NDArray[np.float64]


def is_across(path: Path) -> bool:
    """Whether a file holds a model across sigma.

    Raises
    ------
    LearnerError
        If it is none of the sparse Gaussian process at all.
    """
    return read_file(path)[0].get("format") == _FORMAT
