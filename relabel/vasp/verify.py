"""Is this output the label that was asked for? Every reason to say no, with its own message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.relabel.bands import EMPTY
from dosml.relabel.structures import right_handed
from dosml.relabel.vasp.incar_tags import FREE_TAGS
from dosml.relabel.vasp.poscar import frame_of_poscar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ase import Atoms

    from dosml.relabel.vasp.jobs import VaspJob
    from dosml.relabel.vasp.output import VaspOutput

#: Names of tags among the parameters that VASP reports, where they differ.
PARAMETER_NAMES = {"ENCUT": "ENMAX"}
#: Values that VASP prints for tags that were not given (IVDW = 0).
UNSET = frozenset({"0", "F", ".FALSE.", ""})
#: Å.
POSITION_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Refusal:
    """Why an output is not the label that was asked for.

    Attributes
    ----------
    kind
        One of "not run", "damaged", "not converged", "top band", "incar", "electrons", "frame".
    reason
        What was read, what was expected and what to do.
    """

    kind: str
    reason: str


def requested_frame(job: VaspJob) -> Atoms | Refusal:
    """Frame of a job from its POSCAR, checked against the content hash of the request."""
    path = job.folder / "POSCAR"
    try:
        return frame_of_poscar(path.read_text(encoding="utf-8"), job.frame_id)
    except (OSError, ValueError) as error:
        return Refusal(
            "frame",
            f"{path} is not that of its job ({error}): POSCAR was changed; write the inputs again",
        )


def refuse(output: VaspOutput, job: VaspJob, frame: Atoms, where: Path) -> Refusal | None:
    """First reason why this output is not the job's label, or None.

    Parameters
    ----------
    output
        As read.
    job
        The request.
    frame
        The requested frame.
    where
        The file, for messages.
    """
    for check in (_frame, _incar, _electrons, _convergence, _top_band):
        refusal = check(output, job, frame, where)
        if refusal is not None:
            return refusal
    return None


def _frame(output: VaspOutput, _: VaspJob, frame: Atoms, where: Path) -> Refusal | None:
    symbols = tuple(frame.get_chemical_symbols())
    if output.symbols != symbols:
        return Refusal(
            "frame",
            f"{where} is of {_count(output.symbols)}, asked for was {_count(symbols)}: "
            "the job ran with another POSCAR or POTCAR; write the inputs again and run it again",
        )
    posed = right_handed(frame)
    cell = np.asarray(posed.cell)
    off = float(np.abs(output.cell - cell).max())
    if off > POSITION_TOLERANCE:
        return Refusal(
            "frame", f"{where} has another cell than the frame asked for (by {off:.2g} Å)"
        )
    shift = output.scaled_positions - posed.get_scaled_positions(wrap=False)
    moved = np.abs((shift - np.rint(shift)) @ cell).max()
    if moved > POSITION_TOLERANCE:
        return Refusal(
            "frame",
            f"{where} is of another frame: an atom lies {moved:.2g} Å from where it was asked for",
        )
    return None


def _incar(output: VaspOutput, job: VaspJob, _: Atoms, where: Path) -> Refusal | None:
    wanted = job.incar
    different = [
        f"{tag} = {executed} (asked for: {_plain(wanted[tag])})"
        for tag in sorted(wanted)
        if tag not in FREE_TAGS and (executed := _differs(tag, wanted[tag], output)) is not None
    ]
    different += [
        f"{tag} = {output.incar[tag]} (not asked for)"
        for tag in sorted(output.incar)
        if tag not in FREE_TAGS and tag not in wanted and output.incar[tag] not in UNSET
    ]
    grid = job.record["kpoints"]
    if grid is not None and output.kpoints is not None and tuple(grid) != output.kpoints:
        different.append(f"k-points {output.kpoints} (asked for: {tuple(grid)})")
    if not different:
        return None
    return Refusal(
        "incar",
        f"{where} was computed with another INCAR than requested: {'; '.join(different)}. Run the "
        "job with its own INCAR, or write inputs with --incar",
    )


def _differs(tag: str, wanted: Any, output: VaspOutput) -> str | None:
    """Return the executed value as text if it is another one."""
    executed = [
        found
        for found in (
            output.incar.get(tag),
            output.parameters.get(PARAMETER_NAMES.get(tag, tag)),
        )
        if found is not None
    ]
    if not executed:
        # vaspout.h5 holds the whole INCAR; vasprun.xml leaves some tags out, and cannot be asked
        return None if output.parameters else "not given"
    # INCAR first: among the parameters VASP rewrites LREAL = Auto and the like
    same = [_same(tag, wanted, value) for value in executed]
    numeric = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
    if all(same) if numeric else same[0]:
        return None
    return executed[same.index(False)]


def _same(tag: str, wanted: Any, executed: str) -> bool:
    text = executed.strip().strip("'\"")
    if isinstance(wanted, bool):
        return text.strip(".").upper() in ({"T", "TRUE", "1"} if wanted else {"F", "FALSE", "0"})
    if isinstance(wanted, (list, tuple)):
        numbers = text.split()
        return len(numbers) == len(wanted) and all(
            _close(float(one), float(other)) for one, other in zip(numbers, wanted, strict=True)
        )
    if isinstance(wanted, (int, float)):
        try:
            value = float(text)
        except ValueError:
            return False
        # VASP rounds the number of bands up to what its processes share evenly
        return value >= wanted if tag == "NBANDS" else _close(value, float(wanted))
    # VASP reads PREC, ALGO and GGA by their first letters, in any case
    letters = 1 if tag == "PREC" else None
    return text.upper()[:letters] == str(wanted).strip().upper()[:letters]


def _close(one: float, other: float) -> bool:
    # vasprun.xml prints eight decimals
    return abs(one - other) <= 1e-6 * abs(other) + 1.01e-8


def _electrons(output: VaspOutput, job: VaspJob, frame: Atoms, where: Path) -> Refusal | None:
    expected = output.n_valence + job.setting.electrons_per_atom_shift * len(frame)
    # nan where the file does not name the POTCAR's valence: then NELECT alone speaks
    if abs(output.n_electrons - expected) > 1e-3:
        return Refusal(
            "electrons",
            f"{where} holds {output.n_electrons:g} electrons; its POTCAR and the shift of "
            f"{job.setting.electrons_per_atom_shift:+g} per atom make {expected:g}: the inputs "
            "were made for another POTCAR; write them again with the POTCAR in use",
        )
    return None


def _convergence(output: VaspOutput, _: VaspJob, __: Atoms, where: Path) -> Refusal | None:
    if output.scf_converged is None:
        return Refusal(
            "not converged",
            f"{where} does not say whether the SCF converged (VASP {output.version} writes that "
            "into vasprun.xml only): keep the vasprun.xml beside it",
        )
    if not output.scf_converged:
        return Refusal(
            "not converged",
            f"{where}: the SCF did not converge in {output.electronic_steps} of at most "
            f"{output.max_electronic_steps} steps: run it again with --incar ALGO=All, smaller "
            "mixing, or a larger NELM",
        )
    return None


def _top_band(output: VaspOutput, _: VaspJob, __: Atoms, where: Path) -> Refusal | None:
    if not output.top_occupation < EMPTY:  # nan is refused too
        return Refusal(
            "top band",
            f"{where}: the highest of {output.n_bands} bands still holds "
            f"{output.top_occupation:.2g} (empty is below {EMPTY:g}): write the inputs again with "
            f"more bands, such as --incar NBANDS={int(1.3 * output.n_bands)}",
        )
    return None


def _count(symbols: tuple[str, ...]) -> str:
    kinds: Mapping[str, int] = {one: symbols.count(one) for one in dict.fromkeys(symbols)}
    return " ".join(f"{count} {one}" for one, count in kinds.items()) or "no atoms"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
