"""Read vasprun.xml: fast, because a study has ten thousand of them, and strict.

Most of a vasprun.xml is tables (`<eigenvalues>`, `<dos>`, and above all the band-by-band
`<projected>`), which an XML parser turns into millions of Python objects. Here the file is cut at
the tags of its sections: the small ones go through the XML parser, a table is read as one array of
numbers, and what is not asked for is skipped.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.vasp.output import VaspOutput, VaspOutputError, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_ROW = re.compile(rb"<r>([^<]*)</r>")
_FIELD = re.compile(rb"<field[^>]*>\s*([^<]*?)\s*</field>")


def read_vasprun(path: Path) -> VaspOutput:
    """Read everything but the DOS from a vasprun.xml.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off, damaged, or holds no finished ionic step.
    """
    try:
        return _read(read_bytes(path), path)
    except (ET.ParseError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise VaspOutputError(
            f"{path} is not a vasprun.xml that can be read ({type(error).__name__}: {error}): "
            "the file is damaged; run the job again"
        ) from error


def _read(raw: bytes, path: Path) -> VaspOutput:
    head, last, n_steps = _cut(raw, path)
    tree = _xml(head + b"</modeling>")
    incar = _named(tree.find("incar"))
    parameters = _named(tree.find("parameters"))
    symbols, n_valence = _atoms(tree)
    light_end = min(
        (at for at in (last.find(b"<eigenvalues>"), last.find(b"<dos>")) if at >= 0),
        default=last.rfind(b"</calculation>"),
    )
    step = _xml(last[:light_end] + b"</calculation>")
    electronic = step.findall("scstep")
    energies = _named(electronic[-1].find("energy")) if electronic else {}
    max_steps = int(parameters.get("NELM", incar.get("NELM", "0")))
    cell, scaled = _structure(_part(step, "structure"))
    stress = step.find("varray[@name='stress']")
    return VaspOutput(
        version=_version(tree),
        incar=incar,
        parameters=parameters,
        symbols=symbols,
        n_valence=n_valence,
        cell=cell,
        scaled_positions=scaled,
        free_energy=float(_named(step.find("energy"))["e_fr_energy"]),
        energy_without_entropy=float(energies.get("e_wo_entrp", math.nan)),
        energy_sigma_0=float(energies.get("e_0_energy", math.nan)),
        forces=_rows(_part(step, "varray[@name='forces']")),
        stress_kbar=_rows(stress) if stress is not None else None,
        fermi_level=_fermi_level(last),
        n_electrons=float(parameters["NELECT"]),
        n_bands=int(parameters["NBANDS"]),
        kpoints=_divisions(tree),
        top_occupation=_top_occupation(last),
        ionic_steps=n_steps,
        electronic_steps=len(electronic),
        max_electronic_steps=max_steps,
        # VASP stops below NELM only when converged; at NELM the file cannot tell
        scf_converged=0 < len(electronic) < max_steps,
    )


def _cut(raw: bytes, path: Path) -> tuple[bytes, bytes, int]:
    """Head, last `<calculation>` and number of ionic steps.

    Raises
    ------
    VaspOutputError
        If the file does not end, or holds no step.
    """
    first = raw.find(b"<calculation>")
    if b"<modeling>" not in raw[:1000]:
        raise VaspOutputError(f"{path} is not a vasprun.xml: no <modeling> at its beginning")
    if raw.rfind(b"</modeling>") < 0:
        raise VaspOutputError(
            f"{path} is cut off (no closing </modeling>): the job was stopped or the disk was "
            "full; run it again"
        )
    if first < 0:
        raise VaspOutputError(f"{path} holds no ionic step: VASP stopped before its first one")
    begin = raw.rfind(b"<calculation>")
    end = raw.find(b"</calculation>", begin)
    if end < 0:
        raise VaspOutputError(f"{path} is cut off within its last ionic step: run the job again")
    return raw[:first], raw[begin : end + len(b"</calculation>")], raw.count(b"<calculation>")


def _xml(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - the user's own VASP wrote it


def _named(block: ET.Element | None) -> dict[str, str]:
    """Text of every `<i>` and `<v>` of a block by name, the first of those printed twice."""
    if block is None:
        return {}
    named: dict[str, str] = {}
    for item in block.iter():
        if item.tag in {"i", "v"} and "name" in item.attrib:
            named.setdefault(item.attrib["name"], (item.text or "").strip())
    return named


def _version(tree: ET.Element) -> str:
    return _named(tree.find("generator")).get("version", "unknown")


def _atoms(tree: ET.Element) -> tuple[tuple[str, ...], float]:
    symbols = tuple(
        (row[0].text or "").strip() for row in tree.iterfind("atominfo/array[@name='atoms']/set/rc")
    )
    n_valence = sum(
        float(row[0].text or 0) * float(row[3].text or 0)
        for row in tree.iterfind("atominfo/array[@name='atomtypes']/set/rc")
    )
    return symbols, n_valence


def _divisions(tree: ET.Element) -> tuple[int, ...] | None:
    row = tree.find("kpoints/generation/v[@name='divisions']")
    return None if row is None else tuple(int(word) for word in (row.text or "").split())


def _structure(block: ET.Element) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _rows(_part(block, "crystal/varray[@name='basis']")), _rows(
        _part(block, "varray[@name='positions']")
    )


def _part(block: ET.Element, path: str) -> ET.Element:
    part = block.find(path)
    if part is None:
        raise KeyError(path)
    return part


def _rows(block: ET.Element) -> NDArray[np.float64]:
    return np.array([(row.text or "").split() for row in block.iterfind("v")], dtype=np.float64)


def _fermi_level(last: bytes) -> float:
    match = re.search(rb'<i name="efermi">\s*([^<\s]+)', last)
    return float(match[1]) if match else math.nan


def _top_occupation(last: bytes) -> float:
    begin = last.find(b"<eigenvalues>")
    if begin < 0:
        return math.nan
    section = last[begin : last.find(b"</eigenvalues>", begin)]
    n_bands = section.count(b"<r>", 0, section.find(b"</set>"))
    table = _table(section, 2)
    return float(np.abs(table[:, 1].reshape(-1, n_bands)[:, -1]).max())


def _table(section: bytes, columns: int) -> NDArray[np.float64]:
    rows = _ROW.findall(section)
    # np.fromstring's text mode is several times faster than float() on every word
    values = np.fromstring(b" ".join(rows), dtype=np.float64, sep=" ")
    if values.size != len(rows) * columns:
        raise ValueError("a table holds something that is not a number (asterisks?)")
    return values.reshape(len(rows), columns)


def dos_tables(
    path: Path,
) -> tuple[VaspOutput, NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    """Tables of the `<dos>` block of the last ionic step.

    Returns
    -------
    output
        The rest of the file.
    total
        Shape (n_spins, n_grid, 2): energy (eV, absolute) and DOS.
    fields
        Orbital names of the partial DOS, without the energy.
    partial
        Shape (n_atoms, n_spins, n_grid, n_fields), or None where the file has none.

    Raises
    ------
    VaspOutputError
        As `read_vasprun`, and if the file holds no DOS.
    """
    try:
        raw = read_bytes(path)
        output = _read(raw, path)
        return output, *_dos(_cut(raw, path)[1], path, len(output.symbols))
    except (ET.ParseError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise VaspOutputError(
            f"the DOS in {path} cannot be read ({type(error).__name__}: {error})"
        ) from error


def _dos(
    last: bytes, path: Path, n_atoms: int
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    begin = last.find(b"<dos>")
    if begin < 0:
        raise VaspOutputError(f"{path} holds no density of states")
    section = last[begin : last.find(b"</dos>", begin)]
    cut = section.find(b"<partial>")
    total_part = section if cut < 0 else section[:cut]
    n_spins = total_part.count(b'comment="spin')
    total = _table(total_part, 3).reshape(n_spins, -1, 3)[..., :2]
    if cut < 0:
        return total, [], None
    part = section[cut:]
    fields = [name.decode() for name in _FIELD.findall(part)][1:]
    table = _table(part, 1 + len(fields))
    return total, fields, table.reshape(n_atoms, n_spins, -1, 1 + len(fields))[..., 1:]


def trajectory(path: Path) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Cell (3, 3) in Å and scaled positions (n_atoms, 3) of every finished ionic step.

    A file that is cut off yields its finished steps.

    Raises
    ------
    VaspOutputError
        If the file cannot be read.
    """
    raw = read_bytes(path)
    at = 0
    while (begin := raw.find(b"<calculation>", at)) >= 0:
        at = raw.find(b"</calculation>", begin)
        if at < 0:
            return
        # the electronic steps come first and may hold no structure
        inner = raw.find(b"<structure", begin, at)
        block = _xml(raw[inner : raw.find(b"</structure>", inner) + len(b"</structure>")])
        yield _structure(block)


def head_facts(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Parameters and chemical symbols, of a finished or unfinished run.

    Raises
    ------
    VaspOutputError
        If the file cannot be read.
    """
    raw = read_bytes(path)
    first = raw.find(b"<calculation>")
    try:
        tree = _xml(raw[:first] + b"</modeling>")
    except ET.ParseError as error:
        raise VaspOutputError(f"{path} is not a vasprun.xml with ionic steps ({error})") from error
    return {**_named(tree.find("incar")), **_named(tree.find("parameters"))}, _atoms(tree)[0]
