"""Computed cells: what one record holds, and the files that keep them."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import InputError
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: Where the shipped data lie.
DATA = Path(__file__).parent / "data"
#: Raised when the content of a file changes its meaning.
VERSION = 1


@dataclass(frozen=True)
class Result:
    """Energy, forces and stress at one width of the smearing.

    Attributes
    ----------
    free_energy
        F, eV per cell.
    forces
        Shape (n_atoms, 3), eV/Å.
    stress
        Shape (6,), eV/Å^3, ase sign and order.
    fermi_level
        eV.
    """

    free_energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    fermi_level: float


@dataclass(frozen=True)
class Record:
    """One computed cell.

    Attributes
    ----------
    name, kind, role, tier
        As of `dosml.relabel.engines.tb.fit.plan.Cell`.
    symbol
        Element.
    cell, positions
        Shapes (3, 3) and (n_atoms, 3), Å.
    kpoints, weights
        Fractional coordinates, shape (n_k, 3), and weights, sum 1: irreducible points of a crystal,
        one of k and -k of a snapshot.
    results
        By width (eV) of Methfessel-Paxton smearing of order 1.
    levels, d_weights
        Shape (n_k, n_bands): levels at the first width, eV, semicore left out, on the scale of
        `fermi_level`; and their d character (GPAW's bound projectors).
    """

    name: str
    kind: str
    role: str
    tier: str
    symbol: str
    cell: NDArray[np.float64]
    positions: NDArray[np.float64]
    kpoints: NDArray[np.float64]
    weights: NDArray[np.float64]
    results: Mapping[float, Result]
    levels: NDArray[np.float64]
    d_weights: NDArray[np.float64]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to what they mean."""
        plain = asdict(self)
        decimals = {"cell": 8, "positions": 8, "kpoints": 8, "weights": 10}
        decimals |= {"levels": 3, "d_weights": 2}
        for name, digits in decimals.items():
            plain[name] = np.round(plain[name], digits).tolist()
        plain["results"] = {
            f"{width:g}": {
                "free_energy": round(one.free_energy, 6),
                "forces": np.round(one.forces, 5).tolist(),
                "stress": np.round(one.stress, 7).tolist(),
                "fermi_level": round(one.fermi_level, 5),
            }
            for width, one in self.results.items()
        }
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Record:
        """Inverse of `as_json`."""
        values = dict(plain)
        for name in ("cell", "positions", "kpoints", "weights", "levels", "d_weights"):
            values[name] = np.array(values[name], dtype=np.float64)
        values["results"] = {
            float(width): Result(
                free_energy=one["free_energy"],
                forces=np.array(one["forces"]),
                stress=np.array(one["stress"]),
                fermi_level=one["fermi_level"],
            )
            for width, one in values["results"].items()
        }
        return cls(**values)


def write_record(path: Path, record: Record) -> None:
    """Write one record; the file is whole or not there."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(record.as_json(), separators=(",", ":")), encoding="utf-8")


def read_record(path: Path) -> Record:
    """Inverse of `write_record`."""
    return Record.from_json(json.loads(path.read_text(encoding="utf-8")))


def write_data(path: Path, records: Sequence[Record], facts: Mapping[str, Any]) -> None:
    """Write all records of a metal as one compressed file that depends on its content only."""
    plain = {
        "version": VERSION,
        "facts": dict(facts),
        "records": [one.as_json() for one in records],
    }
    text = json.dumps(plain, separators=(",", ":"))
    with whole_file(path) as partial:
        partial.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def read_data(symbol: str, folder: Path = DATA) -> list[Record]:
    """Read the records of a metal.

    Raises
    ------
    InputError
        If there are none.
    """
    path = folder / f"{symbol}.json.gz"
    if not path.is_file():
        raise InputError(
            f"no fitting data of {symbol} in {folder}: make them with python -m "
            f"dosml.relabel.engines.tb.fit data {symbol} --out FOLDER"
        )
    plain = json.loads(gzip.decompress(path.read_bytes()))
    if plain["version"] != VERSION:
        raise InputError(f"{path} has version {plain['version']}, this code reads {VERSION}")
    return [Record.from_json(one) for one in plain["records"]]
