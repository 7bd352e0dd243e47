"""Parameters of one metal: the numbers of the tight-binding model, and their file format.

Form: Cohen, Mehl, Papaconstantopoulos, Phys. Rev. B 50, 14694 (1994); Mehl, Papaconstantopoulos,
Phys. Rev. B 54, 4519 (1996). `radial.py` writes the functions out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: The ten two-centre integrals, in the order of all arrays.
BONDS = ("sss", "sps", "pps", "ppp", "sds", "pds", "pdp", "dds", "ddp", "ddd")
SHELLS = ("s", "p", "d")
#: Powers of the density in an on-site energy, in the order of all arrays.
DENSITY_POWERS = (0.0, 1 / 3, 2 / 3, 4 / 3, 2.0)
#: States that nine orbitals of an atom hold.
STATES_PER_ATOM = 18

#: Where the parameter files that ship with dosml lie, one `SYMBOL.json` a metal.
SHIPPED = Path(__file__).parent / "parameters"

_TERMS = ("0", "1/3", "2/3", "4/3", "2")
_RADIAL = ("c0", "c1", "c2", "c3", "q")


@dataclass(frozen=True)
class TbParameters:
    """Parameters of one metal, in Rydberg and Bohr as they are published.

    Attributes
    ----------
    symbol
        Chemical symbol.
    electrons
        Valence electrons per atom.
    cutoff_radius
        Where everything has gone to zero, Bohr.
    cutoff_width
        l of the cutoff function 1/(1 + exp((R - R0)/l)) with R0 = `cutoff_radius` - 5 l, Bohr; over
        the last l a smooth step takes the rest to zero.
    decay
        lambda of the density exp(-lambda^2 R), Bohr^-1/2.
    onsite
        Shape (3, 5), Ry: rows s, p, d, columns the powers `DENSITY_POWERS` of the density.
    hopping, overlap
        Shape (10, 5), rows `BONDS`: (c0 + c1 R + c2 R^2 + c3 R^3) exp(-q^2 R), in Ry (overlap:
        dimensionless), Bohr, and Bohr^-1/2.
    short_range
        Two distances a < b, Bohr: below b the model is continued, from a down its functions are
        constant (`radial.py`).
    repulsion
        Height of the continuation's repulsion, Ry.
    level_zero
        How the zero of the levels moves with the atoms: six numbers in eV, or none
        (`level_zero.py`).
    kpoint_spacing
        Largest distance between neighbouring k-points (1/Å, 2 pi included) at which the forces of
        the metal are converged; None: the engine's default.
    free
        Shape (116,): which entries of `to_vector` a fit may change.
    source
        Where the numbers come from.
    warnings
        What a reader of labels made with them must know, one sentence each.
    provenance, card
        How they were made, and how good they are: plain values for the data card.
    """

    symbol: str
    electrons: float
    cutoff_radius: float
    cutoff_width: float
    decay: float
    onsite: NDArray[np.float64]
    hopping: NDArray[np.float64]
    overlap: NDArray[np.float64]
    short_range: tuple[float, float] = (0.0, 0.0)
    repulsion: float = 0.0
    level_zero: tuple[float, ...] = ()
    kpoint_spacing: float | None = None
    free: NDArray[np.bool_] = field(default_factory=lambda: np.ones(116, dtype=bool))
    source: str = ""
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and numbers.

        Raises
        ------
        EngineError
            If a table has the wrong shape or holds something that is no finite number.
        """
        shapes = {"onsite": (3, 5), "hopping": (10, 5), "overlap": (10, 5), "free": (116,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise EngineError(
                    f"parameters of {self.symbol}: {name} must have the shape {shape}, it has "
                    f"{getattr(self, name).shape}"
                )
        if not np.isfinite(self.to_vector()).all():
            raise EngineError(f"parameters of {self.symbol}: not all are finite numbers")
        if not 0 < self.electrons < STATES_PER_ATOM:
            raise EngineError(
                f"parameters of {self.symbol}: {self.electrons:g} electrons an atom, but nine "
                "orbitals hold more than 0 and less than 18"
            )
        if not 0 < 6 * self.cutoff_width < self.cutoff_radius:
            raise EngineError(
                f"parameters of {self.symbol}: a cutoff of {self.cutoff_radius:g} Bohr must be more"
                f" than six times its width {self.cutoff_width:g}, and both positive"
            )
        inner, outer = self.short_range
        if not 0 <= inner <= outer < self.cutoff_radius:
            raise EngineError(
                f"parameters of {self.symbol}: short_range {self.short_range} must be two rising "
                "distances within the cutoff"
            )
        if self.level_zero and not (
            len(self.level_zero) == 1 + len(DENSITY_POWERS) and np.isfinite(self.level_zero).all()
        ):
            raise EngineError(
                f"parameters of {self.symbol}: level_zero must be no or {1 + len(DENSITY_POWERS)} "
                f"finite numbers, got {self.level_zero}"
            )
        if self.kpoint_spacing is not None and not self.kpoint_spacing > 0:
            raise EngineError(
                f"parameters of {self.symbol}: kpoint_spacing {self.kpoint_spacing} must be a "
                "distance above 0 in 1/Å"
            )

    def content(self) -> str:
        """Hash (16 hexadecimal digits) of all that labels depend on: not of card and provenance."""
        numbers = [
            self.electrons,
            self.cutoff_radius,
            self.cutoff_width,
            *self.short_range,
            self.repulsion,
            *self.to_vector(),
            *self.level_zero,
        ]
        text = " ".join([self.symbol, *(repr(float(number)) for number in numbers)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_vector(self) -> NDArray[np.float64]:
        """All 116 numbers that a fit may change: decay, on-site, hopping, overlap.

        Returns
        -------
        vector
            Shape (116,), Ry and Bohr; `parameter_names` names the entries.
        """
        tables = (self.onsite, self.hopping, self.overlap)
        return np.concatenate([[self.decay], *(table.ravel() for table in tables)])

    def with_vector(self, vector: NDArray[np.float64]) -> TbParameters:
        """Inverse of `to_vector`: everything else stays.

        Parameters
        ----------
        vector
            Shape (116,).
        """
        vector = np.asarray(vector, dtype=np.float64)
        return replace(
            self,
            decay=float(vector[0]),
            onsite=vector[1:16].reshape(3, 5).copy(),
            hopping=vector[16:66].reshape(10, 5).copy(),
            overlap=vector[66:116].reshape(10, 5).copy(),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for one parameter file."""
        return {
            "symbol": self.symbol,
            "units": "Ry, Bohr",
            "electrons": self.electrons,
            "cutoff_radius": self.cutoff_radius,
            "cutoff_width": self.cutoff_width,
            "short_range": list(self.short_range),
            "repulsion": self.repulsion,
            "level_zero": list(self.level_zero),
            "kpoint_spacing": self.kpoint_spacing,
            "decay": self.decay,
            "onsite": dict(zip(SHELLS, self.onsite.tolist(), strict=True)),
            "hopping": dict(zip(BONDS, self.hopping.tolist(), strict=True)),
            "overlap": dict(zip(BONDS, self.overlap.tolist(), strict=True)),
            "fixed": [
                name for name, free in zip(parameter_names(), self.free, strict=True) if not free
            ],
            "source": self.source,
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
            "card": dict(self.card),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TbParameters:
        """Inverse of `to_json`.

        Raises
        ------
        EngineError
            If an entry is missing, unknown, or not what it should be.
        """
        given = dict(values)
        try:
            if (units := given.pop("units")) != "Ry, Bohr":
                raise EngineError(f'parameter file: units must be "Ry, Bohr", got {units!r}')
            fixed = set(given.pop("fixed"))
            tables = {
                name: np.array([given[name][row] for row in rows], dtype=np.float64)
                for name, rows in (("onsite", SHELLS), ("hopping", BONDS), ("overlap", BONDS))
            }
            inner, outer = (float(value) for value in given.pop("short_range"))
            return cls(
                **given
                | tables
                | {
                    "short_range": (inner, outer),
                    "warnings": tuple(given["warnings"]),
                    "level_zero": tuple(map(float, given.get("level_zero", ()))),
                    "free": np.array([name not in fixed for name in parameter_names()]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(
                f"this is not a parameter file of the engine tb ({error}): write one with "
                "TbParameters.to_json"
            ) from error


def parameter_names() -> list[str]:
    """Names of the entries of `TbParameters.to_vector`, such as `onsite_d_2/3`, `overlap_sps_q`."""
    return [
        "decay",
        *(f"onsite_{shell}_{term}" for shell in SHELLS for term in _TERMS),
        *(f"hopping_{bond}_{term}" for bond in BONDS for term in _RADIAL),
        *(f"overlap_{bond}_{term}" for bond in BONDS for term in _RADIAL),
    ]


def load_parameters(metal: str) -> TbParameters:
    """Parameters that ship with dosml.

    Raises
    ------
    EngineError
        If there are none for this metal.
    """
    path = SHIPPED / f"{metal}.json"
    if not path.is_file():
        known = ", ".join(shipped_metals()) or "none yet"
        raise EngineError(
            f"the engine tb ships no parameters for {metal} (it has {known}): give a file in the "
            "NRL format or of dosml with --engine-option parameters=FILE, or use another engine"
        )
    return TbParameters.from_json(json.loads(path.read_text(encoding="utf-8")))


def shipped_metals() -> list[str]:
    """Metals whose parameters ship with dosml."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))
