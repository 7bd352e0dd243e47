"""The engine tb as an ase calculator, for molecular dynamics, phonons and elastic constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes

from dosml.errors import LabelError
from dosml.relabel.engines.base import LabelFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.relabel.engines.base import LabelsFrames
    from dosml.theory.setting import ElectronicSetting


class TbCalculator(Calculator):
    """Free energy, forces and stress at one setting.

    `energy` is the free energy too, whose derivative the forces are.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, engine: LabelsFrames, setting: ElectronicSetting) -> None:
        """Wait for the first frame."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._engine, self._setting = engine, setting

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Label the frame.

        Raises
        ------
        LabelError
            If the frame cannot be labelled.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame: Any = self.atoms
        label = self._engine.label(frame, self._setting)
        if isinstance(label, LabelFailure):
            raise LabelError(label.reason)
        self.results = {
            "energy": label.free_energy,
            "free_energy": label.free_energy,
            "forces": label.forces,
            "stress": label.stress,
        }
