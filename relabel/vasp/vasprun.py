"""Read vasprun.xml: fast, because a study has ten thousand of them, and strict.

Sections are found by their place in the tree and their attributes (see `sections`): a calculation's
own `<dos>` and `<eigenvalues>` are those of the regular mesh of k-points, whatever KPOINTS_OPT,
LOPTICS, GW or a projection have written before or inside.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dosml.relabel.vasp.content import read_bytes, recognise
from dosml.relabel.vasp.fortran import number, table
from dosml.relabel.vasp.output import DosRun, DosTables, VaspOutput, VaspOutputError
from dosml.relabel.vasp.sections import Section, sections
from dosml.relabel.vasp.vasprun_parts import (
    atoms_of,
    energies_of,
    kpoints_of,
    named,
    structure_of,
    tags_of,
    vectors_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

AnyRun = TypeVar("AnyRun", bound=DosRun)
_ROW = re.compile(rb"<r>([^<]*)</r>")
_FIELD = re.compile(rb"<field[^>]*>\s*([^<]*?)\s*</field>")
_SPIN = re.compile(rb"<set[^<>]*comment\s*=\s*[\"']\s*spin\s*\d+\s*[\"']")
_EFERMI = re.compile(rb"<i\s[^<>]*name\s*=\s*[\"']efermi[\"'][^<>]*>([^<]*)</i>")
_STRESS = "the stress is left out: a number of it overflowed (asterisks)"
_CUT_OFF = (
    "the file is cut off behind its density of states: the job was stopped or the disk was full, "
    "and nothing tells whether the step had converged"
)
#: What reading a damaged section raises.
_DAMAGED = (ET.ParseError, KeyError, ValueError, IndexError, AttributeError, TypeError)


def read_vasprun(path: Path) -> VaspOutput:
    """Read everything but the DOS from a vasprun.xml.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off, damaged, or holds no finished ionic step.
    """
    raw = read_bytes(path)
    try:
        return _read(raw, _finished(raw, path), path)
    except _DAMAGED as error:
        raise VaspOutputError(
            f"{path} is not a vasprun.xml that can be read ({type(error).__name__}: {error}): "
            "the file is damaged; run the job again"
        ) from error


def dos_tables(path: Path, raw: bytes | None = None) -> tuple[VaspOutput, DosTables]:
    """Read a label's output and its DOS.

    Parameters
    ----------
    path
        The file, for messages where `raw` is given.
    raw
        Its content, where that was read before.

    Raises
    ------
    VaspOutputError
        As `read_vasprun`, and if the file holds no DOS.
    """
    return _with_dos(path, raw, _read)


def run_dos(
    path: Path, raw: bytes | None = None, *, unfinished: bool = False
) -> tuple[DosRun, DosTables]:
    """Read the DOS of any run, also of one that has no forces.

    Parameters
    ----------
    path, raw
        As `dos_tables`.
    unfinished
        Also take the DOS of a file that is cut off behind it; `facts["lost"]` tells of it.

    Raises
    ------
    VaspOutputError
        If the file is missing, damaged, or holds no DOS, or is cut off.
    """

    def facts(raw: bytes, run: Section, path: Path) -> DosRun:
        cut = {} if run.whole else {"lost": _CUT_OFF}
        return DosRun(**_run_facts(raw, run, _last_calculation(run, path, unfinished)), facts=cut)

    return _with_dos(path, raw, facts, unfinished=unfinished)


def _with_dos(
    path: Path,
    raw: bytes | None,
    read: Callable[[bytes, Section, Path], AnyRun],
    *,
    unfinished: bool = False,
) -> tuple[AnyRun, DosTables]:
    raw = read_bytes(path) if raw is None else raw
    try:
        run = _run(raw, path) if unfinished else _finished(raw, path)
        dos = _regular(_last_calculation(run, path, unfinished), "dos")
        if dos is None and not run.whole:
            raise VaspOutputError(
                f"{path} is cut off, and its last ionic step holds no whole density of states: "
                "the job was stopped or the disk was full; run it again"
            )
        if dos is None:
            raise VaspOutputError(f"{path} holds no density of states")
        output = read(raw, run, path)
        total, fields, partial = _dos(raw, dos, len(output.symbols))
        if math.isnan(output.fermi_level):
            output = _with_fermi_level(output, total)
        return output, DosTables(total[..., :2], fields, partial)
    except _DAMAGED as error:
        raise VaspOutputError(
            f"the DOS in {path} cannot be read ({type(error).__name__}: {error})"
        ) from error


def _run(raw: bytes, path: Path) -> Section:
    """Outermost section of a run.

    Raises
    ------
    VaspOutputError
        If the file is none of one run of VASP.
    """
    if b"<!DOCTYPE" in raw[:4096] or b"<!ENTITY" in raw[:4096]:
        raise VaspOutputError(
            f"{path} defines a document type or entities, which VASP never does: it is refused"
        )
    runs = [one for one in sections(raw) if one.name == "modeling"]
    if not runs:
        raise VaspOutputError(f"{path} is not a vasprun.xml: no <modeling> at its beginning")
    if len(runs) > 1:
        raise VaspOutputError(
            f"{path} holds {len(runs)} runs of VASP one after the other: split it at <?xml"
        )
    return runs[0]


def _finished(raw: bytes, path: Path) -> Section:
    run = _run(raw, path)
    if not run.whole:
        raise VaspOutputError(
            f"{path} is cut off (no closing </modeling>): the job was stopped or the disk was "
            "full; run it again"
        )
    return run


def _last_calculation(run: Section, path: Path, unfinished: bool = False) -> Section:
    steps = [one for one in run.children if one.name == "calculation"]
    if not steps:
        raise VaspOutputError(f"{path} holds no ionic step: VASP stopped before its first one")
    if not (unfinished or steps[-1].whole):
        raise VaspOutputError(f"{path} is cut off within its last ionic step: run the job again")
    return steps[-1]


def _regular(step: Section, name: str) -> Section | None:
    """Find a calculation's own section of a name, on the regular mesh of k-points."""
    # VASP marks what is on other k-points with a comment: kpoints_opt, interpolated
    found = [one for one in step.children if one.name == name and not one.attributes.get("comment")]
    # GW and restarts write what they began with before what they found
    return found[-1] if found and found[-1].whole else None


def _run_facts(raw: bytes, run: Section, step: Section) -> dict[str, Any]:
    """Fields of `DosRun`."""
    parameters = tags_of(raw, run, "parameters")
    dos = _regular(step, "dos")
    return {
        "incar": tags_of(raw, run, "incar"),
        "parameters": parameters,
        "symbols": atoms_of(raw, run)[0],
        "fermi_level": math.nan if dos is None else _fermi_level(raw, dos),
        "n_electrons": number(parameters.get("NELECT", "nan")),
    }


def _read(raw: bytes, run: Section, path: Path) -> VaspOutput:
    step = _last_calculation(run, path)
    facts = _run_facts(raw, run, step)
    incar, parameters = facts["incar"], facts["parameters"]
    symbols, n_valence = atoms_of(raw, run)
    electronic = step.all("scstep")
    energies = energies_of(raw, electronic[-1]) if electronic else {}
    max_steps = int(number(parameters.get("NELM", incar.get("NELM", "0"))))
    structure = step.last("structure")
    if structure is None:
        raise KeyError("structure")
    cell, scaled = structure_of(raw, structure)
    stress = vectors_of(raw, step, "stress")
    forces = vectors_of(raw, step, "forces")
    if forces is None or forces.shape != scaled.shape or scaled.shape != (len(symbols), 3):
        raise ValueError(f"forces of {len(symbols)} atoms are expected")
    free_energy = energies_of(raw, step.last("energy"))["e_fr_energy"]
    if not (math.isfinite(free_energy) and np.isfinite(forces).all()):
        raise ValueError("the free energy or a force is no number (asterisks?)")
    kpoints = kpoints_of(raw, run)
    if math.isnan(facts["n_electrons"]):
        raise KeyError("NELECT")
    return VaspOutput(
        **facts,
        version=named(raw, run.last("generator")).get("version", "unknown"),
        n_valence=n_valence,
        cell=cell,
        scaled_positions=scaled,
        free_energy=free_energy,
        energy_without_entropy=energies.get("e_wo_entrp", math.nan),
        energy_sigma_0=energies.get("e_0_energy", math.nan),
        forces=forces,
        stress_kbar=stress if stress is not None and np.isfinite(stress).all() else None,
        n_bands=int(parameters["NBANDS"]),
        kpoints=kpoints[0],
        top_occupation=_top_occupation(raw, _regular(step, "eigenvalues"), kpoints[1]),
        ionic_steps=len(run.all("calculation")),
        electronic_steps=len(electronic),
        max_electronic_steps=max_steps,
        # VASP stops below NELM only when converged; at NELM the file cannot tell
        scf_converged=0 < len(electronic) < max_steps,
        facts={"lost": _STRESS} if stress is not None and np.isnan(stress).any() else {},
    )


def _fermi_level(raw: bytes, dos: Section) -> float:
    match = _EFERMI.search(dos.text(raw))
    return number(match[1]) if match else math.nan


def _top_occupation(
    raw: bytes, section: Section | None, weights: NDArray[np.float64] | None
) -> float:
    """Largest occupation of the highest band; k-points of weight zero (bands) are left out."""
    if section is None:
        return math.nan
    text = section.text(raw)
    n_bands = text.count(b"<r>", 0, text.find(b"</set>"))
    fields = _FIELD.findall(text) or [b"eigene", b"occ"]
    values = table(_ROW.findall(text), len(fields))
    occupation = fields.index(b"occ") if b"occ" in fields else 1
    top = np.abs(values[:, occupation].reshape(-1, n_bands)[:, -1])
    if weights is not None and len(top) % len(weights) == 0 and (weights > 0).any():
        top = top.reshape(-1, len(weights))[:, weights > 0]
    return float(top.max())


def _dos(
    raw: bytes, dos: Section, n_atoms: int
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    whole = dos.last("total")
    if whole is None:
        raise KeyError("total")
    text = whole.text(raw)
    rows = _ROW.findall(text)
    n_spins = max(1, len(_SPIN.findall(text)))
    # energy, DOS, integral
    total = table(rows, len(_FIELD.findall(text)) or 3).reshape(n_spins, len(rows) // n_spins, -1)
    partial = dos.last("partial")
    if partial is None:
        return total, [], None
    text = partial.text(raw)
    fields = [name.decode() for name in _FIELD.findall(text)][1:]
    values = table(_ROW.findall(text), 1 + len(fields))
    n_grid = total.shape[1]
    # a non-collinear run has one spin in its total, and four components here
    return total, fields, values.reshape(n_atoms, -1, n_grid, 1 + len(fields))[..., 1:]


def _with_fermi_level(output: AnyRun, total: NDArray[np.float64]) -> AnyRun:
    """Take a Fermi level that overflowed from the integrated DOS: where it holds NELECT electrons.

    Raises
    ------
    ValueError
        If the integral does not say either.
    """
    held = total[..., 2].sum(axis=0) if total.shape[-1] > 2 else np.array([math.nan])
    if not (np.isfinite(held).all() and held[0] < output.n_electrons < held[-1]):
        raise ValueError("the Fermi level is no number (asterisks?), and the DOS does not tell it")
    above = int(np.argmax(held >= output.n_electrons))
    levels = total[0, above - 1 : above + 1, 0]
    level = float(np.interp(output.n_electrons, held[above - 1 : above + 1], levels))
    lost = "the Fermi level overflowed (asterisks) and was taken from the integrated DOS"
    return replace(output, fermi_level=level, facts={**output.facts, "lost": lost})


@dataclass(frozen=True)
class StepStructure:
    """Structure of one ionic step, read when it is asked for."""

    raw: bytes
    section: Section
    path: Path

    def read(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cell (3, 3) in Å and scaled positions (n_atoms, 3).

        Raises
        ------
        VaspOutputError
            If it is damaged.
        """
        try:
            return structure_of(self.raw, self.section)
        except _DAMAGED as error:
            raise VaspOutputError(f"a structure in {self.path} cannot be read: {error}") from error


def trajectory(path: Path) -> tuple[dict[str, str], tuple[str, ...], list[StepStructure]]:
    """Tags, chemical symbols, and the structures of all finished steps of a molecular dynamics.

    A step of an ab initio run is a `<calculation>`; one that a machine-learned force field made
    (ML_LMLFF) is a nameless `<structure>` outside of any. A file that is cut off gives its finished
    steps.

    Returns
    -------
    tags
        Parameters of the run, as text.
    symbols
        Of every atom.
    steps
        Structures, step by step.

    Raises
    ------
    VaspOutputError
        If the file cannot be read.
    """
    path, raw, kind = recognise(path)
    if kind != "vasprun.xml":
        raise VaspOutputError(f"{path} is a {kind}: give the vasprun.xml of the dynamics")
    run = _run(raw, path)
    try:
        tags = {**tags_of(raw, run, "incar"), **tags_of(raw, run, "parameters")}
        symbols, _ = atoms_of(raw, run)
    except _DAMAGED as error:
        raise VaspOutputError(f"{path} is not a vasprun.xml with ionic steps ({error})") from error
    found = []
    for one in run.children:
        if one.name == "calculation" and one.whole:
            found.append(one.last("structure"))
        elif one.name == "structure" and one.whole and not one.attributes.get("name"):
            found.append(one)
    return tags, symbols, [StepStructure(raw, one, path) for one in found if one is not None]
