"""From a job folder to a label in the store, or to the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import InputError
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.label import Label, check_label
from dosml.relabel.store import LabelStore
from dosml.relabel.vasp.content import kind_of, read_bytes
from dosml.relabel.vasp.jobs import DENSER
from dosml.relabel.vasp.output import OUTPUT_NAMES, VaspOutputError, find_output
from dosml.relabel.vasp.projected_dos import projected_dos
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.stamp import Stamp
from dosml.relabel.vasp.verify import Refusal, refuse, requested_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.relabel.vasp.jobs import VaspJob
    from dosml.relabel.vasp.output import VaspOutput
    from dosml.theory.dos import ElectronicDos


def store_of(study: Path, job: VaspJob) -> LabelStore:
    """Label store that a job's label belongs to."""
    fingerprint = VaspProtocol(**job.record["protocol"]).fingerprint()
    return LabelStore(study / "labels", fingerprint | (DENSER if job.denser else {}))


def read_label(job: VaspJob) -> Label | Refusal:
    """Read, check and convert a job's output."""
    refusal: Refusal | None = None
    for path in _outputs(job.folder):
        outcome = _read_one(path, job)
        if isinstance(outcome, Label):
            return outcome
        # vaspout.h5 may be whole where vasprun.xml is not; the first reason is the one to tell
        refusal = refusal or outcome
    return refusal or Refusal(
        "not run", f"{job.folder} holds no vasprun.xml or vaspout.h5: the job has not run yet"
    )


def _outputs(folder: Path) -> list[Path]:
    return [folder / name for name in OUTPUT_NAMES if (folder / name).exists()]


def _read_one(path: Path, job: VaspJob) -> Label | Refusal:
    frame = requested_frame(job)
    if isinstance(frame, Refusal):
        return frame
    try:
        raw = read_bytes(path)
        if kind_of(raw) == "vaspout.h5":
            from dosml.relabel.vasp.vaspout import dos_tables
        else:
            from dosml.relabel.vasp.vasprun import dos_tables
        output, tables = dos_tables(path, raw)
        refusal = refuse(output, job, frame, path)
        if refusal is not None:
            return refusal
        read = projected_dos(output, tables, path)
        # what overflowed in the DOS does not touch energy and forces
        whole = np.isfinite(read.total).all() and (read.d is not None or not read.lost)
        dos = read.electronic_dos() if whole else None
    except VaspOutputError as error:
        return Refusal("damaged", str(error))
    except (InputError, ValueError) as error:
        return Refusal("damaged", f"the DOS in {path} cannot be used: {error}")
    return _label(output, dos, path, len(frame), read.lost)


def _label(
    output: VaspOutput, dos: ElectronicDos | None, path: Path, n_atoms: int, lost: Sequence[str]
) -> Label:
    return Label(
        free_energy=output.free_energy,
        forces=output.forces.reshape(n_atoms, 3),
        stress=output.stress,
        fermi_level=output.fermi_level,
        n_electrons=output.n_electrons,
        top_occupation=output.top_occupation,
        dos=dos,
        facts={
            "vasp_version": output.version,
            "electronic_steps": output.electronic_steps,
            "energy_sigma_0_ev": output.energy_sigma_0,
            "source": path.name,
            **Stamp.of(path).facts("source_"),
            **({"lost": "; ".join(lost)} if lost else {}),
        },
    )


def ensure_label(study: Path, job: VaspJob) -> Refusal | None:
    """Put the label of a job into the store, unless that was done before.

    Returns
    -------
    Refusal or None
        Why there is no label; None where the store has it.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    store, setting = store_of(study, job), job.setting
    held = store.get(job.frame_id, setting)
    if isinstance(held, Label) and _is_current(held, job):
        return None
    outcome = read_label(job)
    if isinstance(outcome, Label):
        try:
            check_label(outcome)
        except ValueError as error:
            outcome = Refusal("damaged", f"the output in {job.folder} holds no label: {error}")
    if isinstance(outcome, Refusal):
        if isinstance(held, Label):
            store.label_path(job.frame_id, setting).unlink(missing_ok=True)
        if outcome.kind != "not run":
            store.put_failure(job.frame_id, setting, LabelFailure(outcome.reason))
        return outcome
    store.put(job.frame_id, setting, outcome)
    return None


def _is_current(label: Label, job: VaspJob) -> bool:
    """Whether the output is the one it was read from, or was deleted to save space."""
    source = job.folder / str(label.facts.get("source"))
    if not source.exists():
        return find_output(job.folder) is None
    try:
        return Stamp.of_facts(label.facts, "source_").fits(source)
    except KeyError:
        return False  # of a version that went by time stamps alone


def table_facts(label: Label) -> dict[str, Any]:
    """Facts of a label for the table: energies in eV, force in eV/Å, pressure in eV/Å^3.

    The pressure is positive where the cell is compressed; "lost" says which numbers overflowed.
    """
    return {
        "free_energy_ev": label.free_energy,
        "energy_sigma_0_ev": float(label.facts["energy_sigma_0_ev"]),
        "largest_force_ev_per_a": float(np.linalg.norm(label.forces, axis=1).max()),
        "pressure_ev_per_a3": None if label.stress is None else -float(label.stress[:3].mean()),
        "electronic_steps": int(label.facts["electronic_steps"]),
        "vasp_version": str(label.facts["vasp_version"]),
        "lost": str(label.facts.get("lost", "")),
    }
