"""Trained potentials: predictions in double precision, files, ase calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase.calculators.calculator import Calculator, all_changes

from dosml.errors import LearnerError
from dosml.learners.base import Prediction
from dosml.learners.cartesian.batches import TableBuilder
from dosml.learners.cartesian.potential import Potential
from dosml.learners.cartesian.settings import SUFFIX
from dosml.learners.cartesian.storage import read_model, write_model
from dosml.learners.cartesian.training import baseline_energies
from dosml.learners.sgp.geometry import frame_slices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.cartesian.settings import CartesianSettings
    from dosml.learners.cartesian.training import Trained

_ATOMS_PER_BATCH = {"cpu": 256, "cuda": 4096}


class OneModel:
    """One trained potential on a device, in double precision.

    Parameters
    ----------
    settings, species, trained
        What it is.
    device
        A torch device; None: that of the settings if torch sees it here, else the CPU.

    Raises
    ------
    LearnerError
        If the weights do not fit the settings.
    """

    def __init__(
        self,
        settings: CartesianSettings,
        species: tuple[int, ...],
        trained: Trained,
        device: str | None = None,
    ) -> None:
        if device is None:
            device = settings.device if torch.cuda.is_available() else "cpu"
        self._device = torch.device(device)
        self._baseline = trained.baseline
        self._builder = TableBuilder(settings.cutoff, species)
        self._potential = Potential(settings, len(species), trained.neighbours, trained.scale)
        try:
            self._potential.load_state_dict(trained.state)
            self._potential.to(self._device, torch.float64)
        except (RuntimeError, AssertionError) as error:
            raise LearnerError(f"the model does not fit here: {error}") from error
        self._potential.requires_grad_(requires_grad=False)

    def predict(self, frames: Sequence[Atoms]) -> Prediction:
        """Energies, forces and stresses of frames.

        Raises
        ------
        LearnerError
            If a frame cannot be used.
        """
        energies: list[np.ndarray] = []
        forces: list[np.ndarray] = []
        stresses: list[np.ndarray] = []
        sizes = [len(frame) for frame in frames]
        for part in frame_slices(sizes, _ATOMS_PER_BATCH[self._device.type]):
            table = self._builder.build(frames[part], part.start)
            said = self._potential(table.to(self._device, torch.float64))
            energies.append(
                (said.energies.cpu() + baseline_energies(table, self._baseline)).numpy()
            )
            forces.extend(np.split(said.forces.cpu().numpy(), np.cumsum(sizes[part])[:-1]))
            volumes = torch.where(table.volumes > 0, table.volumes, torch.nan)
            stresses.append((said.virials.cpu() / volumes[:, None]).numpy())
        return Prediction(
            np.concatenate(energies) if energies else np.zeros(0),
            forces,
            np.concatenate(stresses) if stresses else np.zeros((0, 6)),
        )


class CartesianModels:
    """One trained potential per label set.

    Parameters
    ----------
    settings, species
        Of all.
    trained
        One for each label set.
    facts
        What each is and what it cost.
    """

    suffix = SUFFIX

    def __init__(
        self,
        settings: CartesianSettings,
        species: tuple[int, ...],
        trained: Sequence[Trained],
        facts: Sequence[dict[str, Any]],
        *,
        device: str | None = None,
    ) -> None:
        self._settings, self._species = settings, species
        self._trained, self._facts = list(trained), list(facts)
        self._models = [OneModel(settings, species, one, device) for one in trained]

    def predict(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Predict every frame with every model: one `Prediction` per label set."""
        return [model.predict(frames) for model in self._models]

    def facts(self) -> list[dict[str, Any]]:
        """Give size, progress and cost of each model."""
        return [dict(one) for one in self._facts]

    def save(self, path: Path, index: int) -> None:
        """Write the model of label set `index` to one file.

        Raises
        ------
        LearnerError
            If there is no such model, or it cannot be written.
        """
        if not 0 <= index < len(self._trained):
            raise LearnerError(f"there is no model {index}: there are {len(self._trained)}")
        write_model(path, self._settings, self._species, self._trained[index], self._facts[index])

    @classmethod
    def load(cls, path: Path, device: str | None = None) -> CartesianModels:
        """Read a saved model: one that holds that label set alone.

        Raises
        ------
        LearnerError
            If the file is none, or does not fit here.
        """
        settings, species, trained, facts = read_model(path)
        try:
            return cls(settings, species, [trained], [facts], device=device)
        except LearnerError as error:
            raise LearnerError(f"{path}: {error}") from error


class CartesianCalculator(Calculator):
    """Energy, forces and stress of one trained potential.

    Parameters
    ----------
    models
        Of which the first is taken.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, models: CartesianModels) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._models = models

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        if self.atoms is None:
            raise LearnerError("the calculator has no atoms: attach it to an ase Atoms object")
        said = self._models.predict([self.atoms])[0]
        energy = float(said.energies[0])
        self.results = {"energy": energy, "free_energy": energy, "forces": said.forces[0]}
        if all(self.atoms.pbc):
            self.results["stress"] = said.stresses[0]
