"""A model across sigma as an ase calculator with sigma as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes

from dosml.errors import LearnerError
from dosml.learners.sgp.across import AcrossSigma

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.sgp.model import SgpModels


class AcrossCalculator(Calculator):
    """Free energy, forces, stress and electronic entropy at any sigma between those of the labels.

    `calculator.set(sigma=0.5)` sets sigma (eV); ase then computes anew. "energy" and "free_energy"
    are both F, whose derivative the forces are; `get_property("entropy", atoms)` gives
    S = -dF/dsigma of the cell (k_B for Fermi-Dirac smearing), `get_property("internal_energy",
    atoms)` E = F + sigma S, eV.

    Parameters
    ----------
    model
        A model across sigma.
    sigma
        eV; None: the smallest of the labels.

    Raises
    ------
    InputError
        If sigma is outside of the labels.
    """

    implemented_properties = [  # noqa: RUF012 (ase declares it so)
        "energy",
        "free_energy",
        "forces",
        "stress",
        "entropy",
        "internal_energy",
    ]
    default_parameters = {"sigma": None}  # noqa: RUF012 (ase declares it so)

    def __init__(self, model: AcrossSigma, sigma: float | None = None) -> None:
        self.model = model
        self._at: SgpModels | None = None
        super().__init__()  # type: ignore[no-untyped-call]
        self.set(sigma=model.range[0] if sigma is None else sigma)

    @classmethod
    def from_file(cls, path: Path, *, device: str | None = None) -> AcrossCalculator:
        """Read a saved model across sigma.

        Raises
        ------
        LearnerError
            If the file is no such model.
        """
        return cls(AcrossSigma.load(path, device=device))

    def set(self, **given: Any) -> dict[str, Any]:
        """Set sigma (eV).

        Raises
        ------
        InputError
            If it is outside of the labels.
        """
        if given.get("sigma") is not None:
            self._at = self.model.at(float(given["sigma"]))
        changed: dict[str, Any] = super().set(**given)  # type: ignore[no-untyped-call]
        if changed:
            self.reset()  # type: ignore[no-untyped-call]
        return changed

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame = self.atoms
        if frame is None or self._at is None:
            raise LearnerError("the calculator has no atoms: attach it to an ase Atoms object")
        value, slope = self._at.predict([frame])
        free, entropy = float(value.energies[0]), -float(slope.energies[0])
        self.results = {
            "energy": free,
            "free_energy": free,
            "forces": value.forces[0],
            "entropy": entropy,
            "internal_energy": free + float(self.parameters["sigma"]) * entropy,
        }
        if all(frame.pbc):
            self.results["stress"] = value.stresses[0]
