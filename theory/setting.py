"""One point of a scan: how the electrons are smeared and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dosml.theory.smearing import Smearing


@dataclass(frozen=True)
class ElectronicSetting:
    """Electronic setting of a label set.

    Attributes
    ----------
    smearing
        Scheme and width (eV).
    electrons_per_atom_shift
        Electrons added per atom to the neutral count (negative: removed), with a uniform
        compensating background.
    """

    smearing: Smearing
    electrons_per_atom_shift: float = 0.0

    @property
    def name(self) -> str:
        """Short name, fit for file names: `sigma_0.2` or `sigma_0.2_electrons_-3`."""
        shift = self.electrons_per_atom_shift
        extra = f"_electrons_{shift:+g}" if shift else ""
        return f"sigma_{self.smearing.width:g}{extra}"

    def as_dict(self) -> dict[str, str | float]:
        """Plain values for JSON and for content hashes."""
        return {
            "scheme": self.smearing.scheme,
            # an integer would be written, and hashed, as another text than the same float
            "width_ev": float(self.smearing.width),
            "electrons_per_atom_shift": float(self.electrons_per_atom_shift),
        }
