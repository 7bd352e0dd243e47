"""Job folders of a VASP study: one per frame and setting, named by content.

```
STUDY/study.json  frames.extxyz  potcars.json  potcars/POTCAR.Ti_pv
      jobs/sigma_0.2-<hash of protocol and setting>/<frame id>/job.json
                                                              INCAR KPOINTS POSCAR POTCAR -> ...
           sigma_0.2_denser-<hash>/...                the same on a denser grid, for a few frames
```
A job whose POTCAR is not at hand has `INCAR.unresolved` in place of INCAR, and POTCAR.spec in place
of POTCAR: VASP cannot run it by mistake with a neutral cell or too few bands.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import ase.io

from dosml.errors import FrameError, InputError
from dosml.files import whole_file
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.store import content_hash
from dosml.relabel.vasp.frame_potcar import (
    FramePotcar,
    frame_potcar,
    potcar_names,
    species_runs,
)
from dosml.relabel.vasp.poscar import poscar_text
from dosml.relabel.vasp.potcars import potcar_path
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.record import read_record
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ase import Atoms

JOB = "job.json"
FRAMES = "frames.extxyz"
UNRESOLVED = "INCAR.unresolved"
#: What sets a job on the denser grid of k-points apart from that of the label.
DENSER = {"kpoints": "one more in every direction"}


@dataclass(frozen=True)
class VaspJob:
    """One job on disk."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was asked for.

        Raises
        ------
        InputError
            If job.json is missing or damaged.
        """
        return read_record(self.folder / JOB)

    @property
    def frame_id(self) -> str:
        """Content hash of the frame."""
        return str(self.record["frame_id"])

    @property
    def setting(self) -> ElectronicSetting:
        """Electronic setting."""
        held = self.record["setting"]
        return ElectronicSetting(
            Smearing(held["scheme"], held["width_ev"]), held["electrons_per_atom_shift"]
        )

    @property
    def incar(self) -> dict[str, Any]:
        """The requested INCAR."""
        return dict(self.record["incar"])

    @property
    def denser(self) -> bool:
        """Whether it is a label on a denser grid of k-points, to tell the label noise."""
        return bool(self.record.get("denser", False))

    @property
    def resolved(self) -> bool:
        """Whether the POTCAR was at hand, so that NELECT and NBANDS are known."""
        return self.record["potcar"] is not None


@dataclass(frozen=True)
class Written:
    """What `write_jobs` did."""

    new: int
    kept: int
    unresolved: int


def setting_folder(
    study: Path, protocol: VaspProtocol, setting: ElectronicSetting, *, denser: bool = False
) -> Path:
    """Where the jobs of one setting lie, or those on the denser grid of k-points."""
    content = {**protocol.fingerprint(), **setting.as_dict(), **(DENSER if denser else {})}
    name = f"{setting.name}_denser" if denser else setting.name
    return study / "jobs" / f"{name}-{content_hash(content)}"


def find_jobs(study: Path) -> list[VaspJob]:
    """All jobs of a study, sorted by folder.

    Raises
    ------
    InputError
        If there is none, or no such folder.
    """
    if not study.is_dir():
        what = "is a file" if study.exists() else "does not exist"
        raise InputError(f"{study} {what}: give the folder of a study, as dosml relabel made it")
    jobs = [VaspJob(path.parent) for path in sorted(study.glob(f"jobs/*/*/{JOB}"))]
    if not jobs:
        raise InputError(
            f"no VASP jobs in {study}: write them first with "
            "dosml relabel FRAMES --engine vasp --out FOLDER"
        )
    return jobs


def study_frames(study: Path) -> dict[str, Atoms]:
    """Frames of a study by id.

    Raises
    ------
    FrameError
        If the study's frame file is missing or damaged.
    """
    path = study / FRAMES
    try:
        frames = [canonical(atoms) for atoms in ase.io.read(path, index=":")]
    except Exception as error:
        raise FrameError(f"cannot read {path} ({error}): is {study} a VASP study?") from error
    return {frame_id(frame): frame for frame in frames}


def write_jobs(
    study: Path,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    protocol: VaspProtocol,
    *,
    on_progress: Callable[[int], None],
    denser: Sequence[Atoms] = (),
) -> Written:
    """Write the input folders that are not there yet; unresolved ones are resolved if possible.

    Parameters
    ----------
    study
        The study's folder.
    frames
        Canonical frames of any elements.
    settings
        Electronic settings.
    on_progress
        Called with the number of folders seen.
    denser
        Those of the frames that also get jobs on a denser grid of k-points.

    Raises
    ------
    InputError, EngineError
        If a POTCAR is not in the library, or VASP cannot do a setting.
    CampaignMismatchError
        If the study was begun with another POTCAR of an element.
    DiskSpaceError
        If the disk is full.
    """
    # frames of one sequence of elements share their POTCAR
    potcars: dict[tuple[tuple[str, int], ...], FramePotcar | None] = {}
    for frame in frames:
        runs = tuple(species_runs(frame))
        if runs not in potcars:
            potcars[runs] = frame_potcar(frame, protocol, study)
    _keep_frames(study, frames)
    new = kept = seen = unresolved = 0
    kinds = [(False, frame) for frame in frames] + [(True, frame) for frame in denser]
    for setting in settings:
        for more, frame in kinds:
            parent = setting_folder(study, protocol, setting, denser=more)
            job = VaspJob(parent / frame_id(frame))
            potcar = potcars[tuple(species_runs(frame))]
            if (job.folder / JOB).exists() and (job.resolved or potcar is None):
                kept += 1
            else:
                _write(job.folder, study, frame, setting, protocol, potcar, denser=more)
                new += 1
            seen += 1
            unresolved += potcar is None
            on_progress(seen)
    return Written(new, kept, unresolved)


def resolve_jobs(study: Path, *, on_progress: Callable[[int], None]) -> int:
    """Give every unresolved job its POTCAR, NELECT and NBANDS; return how many were left without.

    Raises
    ------
    DosmlError
        As `write_jobs`.
    """
    open_jobs = [job for job in find_jobs(study) if not job.resolved]
    if not open_jobs:
        return 0
    frames = study_frames(study)
    for done, job in enumerate(open_jobs, 1):
        protocol = VaspProtocol(**job.record["protocol"])
        frame = frames[job.frame_id]
        potcar = frame_potcar(frame, protocol, study)
        if potcar is None:
            return len(open_jobs)
        _write(job.folder, study, frame, job.setting, protocol, potcar, denser=job.denser)
        on_progress(done)
    return 0


def _keep_frames(study: Path, frames: Sequence[Atoms]) -> None:
    """Add frames to the study's frame file, and what is known of them since (tier, split)."""
    path = study / FRAMES
    held = study_frames(study) if path.exists() else {}
    together = {**held, **{frame_id(frame): canonical(frame) for frame in frames}}
    if {one: frame.info for one, frame in together.items()} != {
        one: frame.info for one, frame in held.items()
    }:
        with whole_file(path) as partial:
            ase.io.write(partial, list(together.values()), format="extxyz")


def _write(
    folder: Path,
    study: Path,
    frame: Atoms,
    setting: ElectronicSetting,
    protocol: VaspProtocol,
    potcar: FramePotcar | None,
    *,
    denser: bool,
) -> None:
    from dosml.relabel.vasp.inputs import input_set

    inputs = input_set(frame, setting, protocol, potcar, denser=denser)
    files = inputs.get_input_set(potcar_spec=True)
    incar = files["INCAR"]
    kpoints = files["KPOINTS"]
    names = potcar_names(frame, protocol)
    record = {
        "frame_id": frame_id(frame),
        "n_atoms": len(frame),
        "setting": setting.as_dict(),
        "protocol": protocol.model_dump(mode="json"),
        "overridden": sorted(protocol.incar),
        "incar": dict(incar),
        "kpoints": list(kpoints.kpts[0]) if kpoints is not None else None,
        "potcar_symbol": " ".join(names),
        "potcar": asdict(potcar.facts) if potcar is not None else None,
        "pymatgen": version("pymatgen"),
        # collect keeps these out of the label sets and compares them with the labels
        **({"denser": True} if denser else {}),
    }
    poscar = poscar_text(frame)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "POSCAR").write_text(poscar, encoding="utf-8")
    if kpoints is not None:
        (folder / "KPOINTS").write_text(str(kpoints), encoding="utf-8")
    spec, link = folder / "POTCAR.spec", folder / "POTCAR"
    if potcar is None:
        spec.write_text("\n".join(names) + "\n", encoding="utf-8")
        (folder / UNRESOLVED).write_text(
            "# NELECT and NBANDS are missing: they need the ZVAL of the POTCAR.\n"
            "# Set PMG_VASP_PSP_DIR and run: dosml relabel resolve STUDY\n"
            + incar.get_str(sort_keys=True),
            encoding="utf-8",
        )
    else:
        (folder / "INCAR").write_text(incar.get_str(sort_keys=True), encoding="utf-8")
        (folder / UNRESOLVED).unlink(missing_ok=True)
        spec.unlink(missing_ok=True)
        link.unlink(missing_ok=True)
        # one copy for all folders: ten thousand POTCARs would fill a disk
        link.symlink_to(os.path.relpath(potcar_path(study, potcar.facts.symbol), folder))
    # last, because a folder with its record counts as written
    with whole_file(folder / JOB) as partial:
        partial.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
