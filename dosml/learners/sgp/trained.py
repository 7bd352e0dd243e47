"""What a training leaves behind: the basis that all its models share, and each model's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from dosml.errors import LearnerError
from dosml.learners.sgp.cartesian import CartesianDescriptor
from dosml.learners.sgp.descriptor import Descriptor
from dosml.learners.sgp.geometry import PairBuilder
from dosml.learners.sgp.joint import JointDescriptor

if TYPE_CHECKING:
    from dosml.learners.sgp.force_errors import ForceErrors
    from dosml.learners.sgp.hyperparameters import Hyperparameters
    from dosml.learners.sgp.kernel import Inducing
    from dosml.learners.sgp.settings import SgpSettings


@dataclass(frozen=True)
class SharedBasis:
    """What all models of one training run share: it depends on the frames alone.

    Attributes
    ----------
    settings
        Of the learner, with a cutoff.
    species
        Atomic numbers, ascending.
    inducing
        The inducing environments.
    lower
        Cholesky factor of K_uu + jitter at signal 1, shape (M, M).
    """

    settings: SgpSettings
    species: tuple[int, ...]
    inducing: Inducing
    lower: torch.Tensor

    @property
    def cutoff(self) -> float:
        """Cutoff in Å."""
        if self.settings.cutoff is None:
            raise LearnerError("a model needs a cutoff")
        return self.settings.cutoff

    def descriptor(self) -> Descriptor:
        """Make the descriptor of the settings."""
        settings, device = self.settings, torch.device(self.settings.device)
        if settings.descriptor == "B1+B2":
            return JointDescriptor(
                self.cutoff,
                settings.n_max,
                settings.l_max,
                len(self.species),
                pair_n_max=settings.pair_n_max,
                pair_weight=settings.pair_weight,
                degree_decay=settings.degree_decay,
                device=device,
            )
        if settings.descriptor == "cace":
            return CartesianDescriptor(
                self.cutoff,
                settings.n_max,
                settings.l_max,
                len(self.species),
                nu=settings.nu,
                degree_decay=settings.degree_decay,
                device=device,
            )
        return Descriptor(
            settings.descriptor,
            self.cutoff,
            settings.n_max,
            settings.l_max,
            len(self.species),
            degree_decay=settings.degree_decay,
            device=device,
        )

    def pair_builder(self) -> PairBuilder:
        """Make the maker of neighbour pairs for the settings."""
        return PairBuilder(
            self.cutoff,
            # none beyond l = 0 where they are not looked at
            0 if self.settings.descriptor in {"B1", "cace"} else self.settings.l_max,
            self.species,
            device=torch.device(self.settings.device),
        )


@dataclass(frozen=True)
class SgpModel:
    """One trained model.

    Attributes
    ----------
    hyperparameters
        Signal and noises at the maximum of the likelihood.
    baseline
        Energy per atom of each species, eV, shape (n_species,).
    baseline_alone
        The same of atoms without a neighbour within the cutoff.
    weights
        Weights of the kernel at signal 1, shape (M,), eV.
    spread
        C^-1 Q^T with B = C C^T, shape (M, M): the part of the predictive variance that the
        labels did not remove.
    force_errors
        From variance and noise to force errors that were measured.
    facts
        What is known of the training: see `dosml.learners.sgp.model.SgpModels.facts`.
    """

    hyperparameters: Hyperparameters
    baseline: torch.Tensor
    baseline_alone: torch.Tensor
    weights: torch.Tensor
    spread: torch.Tensor
    force_errors: ForceErrors
    facts: dict[str, float | int | str]
