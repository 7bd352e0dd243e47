"""Trained sparse Gaussian processes: mapped prediction and uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.learners.base import Prediction
from dosml.learners.sgp.force_variance import force_spread
from dosml.learners.sgp.geometry import frame_slices
from dosml.learners.sgp.kernel import VOIGT, environment_rows
from dosml.learners.sgp.on_threads import one_thread
from dosml.learners.sgp.storage import read_model, write_model
from dosml.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.sgp.descriptor import Environments
    from dosml.learners.sgp.geometry import PairBatch
    from dosml.learners.sgp.trained import SgpModel, SharedBasis

#: Atoms per batch at prediction, and of a batch at a time: near the caches of a CPU.
_ATOMS_PER_BATCH = 256
_ATOMS_AT_A_TIME = {"cpu": 128, "cuda": 4096}


class SgpModels:
    """Sparse Gaussian processes on the same inducing environments, one per label set.

    Parameters
    ----------
    shared
        What they have in common.
    models
        One per label set.
    """

    #: Suffix of a saved model's file.
    suffix = ".npz"

    def __init__(self, shared: SharedBasis, models: Sequence[SgpModel]) -> None:
        self.shared = shared
        self.models = tuple(models)
        self._descriptor = shared.descriptor()
        self._builder = shared.pair_builder()
        keep_freed_memory()
        # atoms with neighbours, atoms without: shape (n_sets, n_species, 2)
        self._baselines = torch.stack(
            [torch.stack([model.baseline, model.baseline_alone], dim=1) for model in self.models]
        )
        weights = torch.stack([model.weights for model in self.models])
        #: per species: linear form (n_sets, d), quadratic form (n_sets, d, d), or weights
        self._maps = [
            self._mapped(block, weights[:, where])
            for block, where in zip(
                shared.inducing.descriptors, shared.inducing.columns(), strict=True
            )
        ]

    def predict(
        self,
        frames: Sequence[Atoms],
        *,
        uncertainties: bool = False,
        force_uncertainties: bool = False,
        noise: bool = False,
    ) -> list[Prediction]:
        """Predict every frame with every model; descriptors are computed once.

        Parameters
        ----------
        frames
            Any frames of known elements.
        uncertainties
            Also give the standard deviation of each atom's energy (cost grows with M^2).
        force_uncertainties
            Also give the standard deviation of each force component (slow).
        noise
            Force uncertainties with the noise, calibrated on frames that were set apart: the
            error to expect against a label. Without: what more labels would remove, which
            tells frames apart that the model does not know.

        Returns
        -------
        list of Prediction
            One per label set.

        Raises
        ------
        LearnerError
            If a frame holds an element that the model was not trained on, or is broken.
        """
        n_sets = len(self.models)
        energies = [np.zeros(0)] * n_sets
        forces: list[list[np.ndarray]] = [[] for _ in range(n_sets)]
        stresses: list[list[np.ndarray]] = [[] for _ in range(n_sets)]
        spreads: list[list[np.ndarray]] = [[] for _ in range(n_sets)]
        force_spreads: list[list[np.ndarray]] = [[] for _ in range(n_sets)]
        sizes = [len(frame) for frame in frames]
        for part in frame_slices(sizes, _ATOMS_PER_BATCH):
            with one_thread():
                energy, force, stress, spread = self._mean(
                    frames[part], part.start, uncertainties=uncertainties
                )
            cuts = np.cumsum(sizes[part])[:-1]
            for k in range(n_sets):
                energies[k] = np.concatenate([energies[k], energy[k]])
                forces[k].extend(np.split(force[k], cuts))
                stresses[k].append(stress[k])
                if uncertainties:
                    spreads[k].extend(np.split(spread[k], cuts))
            if force_uncertainties:
                # a force is known as well as all environments that it moves: all pairs at once
                batch = self._builder.build(frames[part], part.start)
                envs = self._descriptor.environments(batch)
                for k, values in enumerate(
                    force_spread(
                        self.shared, self.models, batch, envs, forces=list(force) if noise else None
                    )
                ):
                    force_spreads[k].extend(np.split(values, cuts))
        return [
            Prediction(
                energies[k],
                forces[k],
                np.concatenate(stresses[k]) if stresses[k] else np.zeros((0, 6)),
                spreads[k] if uncertainties else None,
                force_spreads[k] if force_uncertainties else None,
            )
            for k in range(n_sets)
        ]

    def only(self, index: int) -> SgpModels:
        """Give one of the models alone."""
        return SgpModels(self.shared, [self.models[index]])

    def facts(self) -> list[dict[str, float | int | str]]:
        """Hyperparameters, sizes, log likelihood and costs (`COSTS`) of each model."""
        return [dict(model.facts) for model in self.models]

    def save(self, path: Path, index: int = 0) -> None:
        """Write the model of label set `index` to one file (npz with JSON, no pickle).

        Raises
        ------
        LearnerError
            If there is no such model.
        """
        if not 0 <= index < len(self.models):
            raise LearnerError(f"there is no model {index}: there are {len(self.models)}")
        write_model(path, self.shared, self.models[index])

    @classmethod
    def load(cls, path: Path, *, device: str | None = None) -> SgpModels:
        """Read a saved model: one that holds that label set alone.

        Parameters
        ----------
        path
            The file.
        device
            A torch device; None keeps the one that the model was trained on, if torch sees it
            here, else the CPU.

        Raises
        ------
        LearnerError
            If the file cannot be read, is not such a model, or does not fit here.
        """
        shared, model = read_model(path, device=device)
        try:
            return cls(shared, [model])
        except (KeyError, TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise LearnerError(f"{path} is damaged or does not fit here: {error}") from error

    def _mapped(self, block: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        zeta = self.shared.settings.zeta
        if zeta == 1:
            form = weights @ block
        elif zeta == 2:
            form = torch.stack([(block.T * row) @ block for row in weights])
        else:
            form = weights
        return form

    def _local(self, envs: Environments, batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Energy of each atom (n_sets, n) without baseline, and its slope in the descriptor."""
        zeta = self.shared.settings.zeta
        n_sets = len(self.models)
        energy = envs.values.new_zeros((n_sets, batch.n_atoms))
        slope = envs.values.new_zeros((n_sets, *envs.values.shape))
        for s, (form, block) in enumerate(
            zip(self._maps, self.shared.inducing.descriptors, strict=True)
        ):
            atoms = torch.nonzero(batch.species == s)[:, 0]
            values = envs.values[atoms]
            if zeta == 1:
                energy[:, atoms] = form @ values.T
                slope[:, atoms] = form[:, None, :].expand(-1, len(atoms), -1)
            elif zeta == 2:
                turned = values @ form
                energy[:, atoms] = (turned * values).sum(dim=2)
                slope[:, atoms] = 2 * turned
            else:
                dots = values @ block.T
                power = dots ** (zeta - 1)
                energy[:, atoms] = form @ (power * dots).T
                slope[:, atoms] = zeta * (power * form[:, None, :]) @ block
        return energy, slope

    def _mean(
        self, frames: Sequence[Atoms], first: int, *, uncertainties: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Energies (n_sets, n_frames), forces (n_sets, n, 3), stresses (n_sets, n_frames, 6).

        The last are the standard deviations of the energies of atoms, (n_sets, n), if asked for.
        """
        n_sets, n_atoms = len(self.models), sum(map(len, frames))
        energies = self._baselines.new_zeros((n_sets, len(frames)))
        forces = energies.new_zeros((n_sets, n_atoms, 3))
        virial = energies.new_zeros((n_sets, len(frames), 6))
        volumes = energies.new_zeros(len(frames))
        spreads = energies.new_zeros((n_sets, n_atoms))
        at_a_time = _ATOMS_AT_A_TIME[self._baselines.device.type]
        for atoms, batch in self._builder.parts(frames, first, at_a_time):
            envs = self._descriptor.environments(batch)
            local, slope = self._local(envs, batch)
            alone = (envs.values.abs().sum(dim=1) == 0).long()
            per_atom = local + self._baselines[:, batch.species, alone]
            energies.index_add_(1, batch.frame, per_atom)
            pulled = self._descriptor.pull_back(batch, envs, slope)
            forces[:, atoms].index_add_(1, batch.centre, pulled)
            forces.index_add_(1, batch.neighbour, pulled, alpha=-1)
            vectors = batch.vectors
            strain = torch.stack([pulled[:, :, a] * vectors[:, b] for a, b in VOIGT], dim=2)
            virial.index_add_(1, batch.frame[batch.centre], strain)
            volumes = batch.volumes
            if uncertainties:
                spreads[:, atoms] = self._atom_spread(batch, envs)
        stresses = virial / torch.where(volumes > 0, volumes, torch.nan)[None, :, None]
        found = (energies, forces, stresses, spreads)
        mean, force, stress, spread = (one.cpu().numpy() for one in found)
        return mean, force, stress, spread

    def _atom_spread(self, batch: PairBatch, envs: Environments) -> torch.Tensor:
        """Give the standard deviation of each atom's energy, (n_sets, n_atoms)."""
        shared = self.shared
        rows = environment_rows(envs, batch, shared.inducing, shared.settings.zeta)
        white = torch.linalg.solve_triangular(shared.lower, rows.T, upper=False)
        # a descriptor has unit length, or zero for an atom without neighbours
        own = (envs.values**2).sum(dim=1) ** shared.settings.zeta
        unknown = own - (white * white).sum(dim=0)
        return torch.stack(
            [
                model.hyperparameters.signal
                * (unknown + ((model.spread @ white) ** 2).sum(dim=0)).clamp(min=0).sqrt()
                for model in self.models
            ]
        )
