"""A trained model as an ase calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols

from dosml.errors import LearnerError
from dosml.learners.sgp.model import SgpModels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms


class SgpCalculator(Calculator):
    """Energy, forces, stress and uncertainty of one trained model.

    The cost of energy, forces and stress does not depend on the number of inducing environments
    for zeta = 1 and 2. Uncertainties are computed only where asked for:
    `calculator.get_property("energies_uncertainty", atoms)` gives the standard deviation of each
    atom's energy, shape (n_atoms,), eV; `"forces_uncertainty"` that of each force component,
    shape (n_atoms, 3), eV/Å: what more training labels would remove. `"forces_expected_error"`
    has the noise in it and is calibrated: the error to expect against a label.

    Parameters
    ----------
    models
        Trained models.
    index
        Which of them.

    Raises
    ------
    LearnerError
        If there is no such model.
    """

    implemented_properties = [  # noqa: RUF012 (ase declares it so)
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energies_uncertainty",
        "forces_uncertainty",
        "forces_expected_error",
    ]

    def __init__(self, models: SgpModels, index: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not 0 <= index < len(models.models):
            raise LearnerError(f"there is no model {index}: there are {len(models.models)}")
        self._models = models.only(index)

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that the model was trained on."""
        return tuple(chemical_symbols[z] for z in self._models.shared.species)

    @classmethod
    def from_file(cls, path: Path, *, device: str | None = None) -> SgpCalculator:
        """Read a saved model.

        Parameters
        ----------
        path
            Written by `SgpModels.save`.
        device
            A torch device; None keeps the one that the model was trained on, if torch sees it
            here, else the CPU.

        Raises
        ------
        LearnerError
            If the file is not such a model.
        """
        return cls(SgpModels.load(path, device=device))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame = self.atoms
        if frame is None:
            raise LearnerError("the calculator has no atoms: attach it to an ase Atoms object")
        wanted = set(properties)
        prediction = self._models.predict(
            [frame],
            uncertainties="energies_uncertainty" in wanted,
            force_uncertainties="forces_uncertainty" in wanted,
        )[0]
        energy = float(prediction.energies[0])
        results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "forces": prediction.forces[0],
        }
        if all(frame.pbc):
            results["stress"] = prediction.stresses[0]
        if prediction.uncertainties is not None:
            results["energies_uncertainty"] = prediction.uncertainties[0]
        if prediction.force_uncertainties is not None:
            results["forces_uncertainty"] = prediction.force_uncertainties[0]
        if "forces_expected_error" in wanted:
            errors = self._models.predict([frame], force_uncertainties=True, noise=True)[0]
            assert errors.force_uncertainties is not None
            results["forces_expected_error"] = errors.force_uncertainties[0]
        self.results = results
