"""Molecular dynamics as in TM23: its inputs, and the frames of finished trajectories.

Owen et al., npj Comput. Mater. 10, 92 (2024), Methods: Gamma point, no spin, Nose-Hoover thermostat
with a period of 40 steps (SMASS = 0), 5 fs steps, 55 ps at 0.25, 0.75 and 1.25 of the melting
temperature; the first 5 ps are dropped, then every 50 fs one frame is taken: 1000 per temperature.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import ase.io
from ase import Atoms
from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.sets import BadInputSetWarning, VaspInputSet

from dosml.errors import FrameError, InputError
from dosml.files import whole_file
from dosml.relabel.elements import element
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.sampling import TIERS
from dosml.relabel.vasp.fortran import number
from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.poscar import poscar_text, to_structure
from dosml.relabel.vasp.potcars import get_potcar, potcar_path
from dosml.relabel.vasp.vasprun import trajectory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.relabel.vasp.protocol import VaspProtocol
    from dosml.relabel.vasp.vasprun import StepStructure

TIMESTEP_FS = 5.0
LENGTH_FS = 55_000.0
DROPPED_FS = 5_000.0
SPACING_FS = 50.0


@dataclass
class TM23AimdSet(VaspInputSet):
    """Inputs of one trajectory.

    Attributes
    ----------
    temperature
        K.
    """

    temperature: float = 300.0
    sort_structure: bool = False

    CONFIG: ClassVar[dict[str, Any]] = {
        "INCAR": {
            "ALGO": "Fast",
            "EDIFF": 1e-5,
            "ENCUT": 520,
            "GGA": "PE",
            "IBRION": 0,
            "ISIF": 2,
            "ISMEAR": 1,
            "ISPIN": 1,
            "ISYM": 0,
            "LASPH": True,
            "LCHARG": False,
            "LREAL": "Auto",
            "LWAVE": False,
            "MAXMIX": 40,
            "MDALGO": 2,
            "NBLOCK": 1,
            "NELMIN": 4,
            "NSW": round(LENGTH_FS / TIMESTEP_FS),
            "POTIM": TIMESTEP_FS,
            "PREC": "Normal",
            "SIGMA": 0.2,
            "SMASS": 0,
        },
        "KPOINTS": {},
        "POTCAR_FUNCTIONAL": "PBE_54",
        "POTCAR": {},
    }

    @property
    def incar_updates(self) -> dict[str, Any]:
        """Constant temperature."""
        return {"TEBEG": self.temperature, "TEEND": self.temperature}

    @property
    def kpoints(self) -> Kpoints:
        """Gamma point."""
        return Kpoints.gamma_automatic(kpts=(1, 1, 1))


def write_aimd(start: Atoms, out: Path, protocol: VaspProtocol) -> dict[str, Path]:
    """Write one folder per tier.

    Parameters
    ----------
    start
        Starting structure, one element.
    out
        Folder of the three trajectories.
    protocol
        POTCAR choice and INCAR changes.

    Returns
    -------
    dict
        Folder by tier.

    Raises
    ------
    InputError
        If the POTCAR is not in the library.
    FrameError
        If the structure cannot be written as a POSCAR.
    """
    symbol = start.get_chemical_symbols()[0]
    name = protocol.potcar_symbol(symbol)
    potcar = get_potcar(name, protocol.functional, out)
    folders = {}
    for tier, fraction in TIERS.items():
        folder = out / tier
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BadInputSetWarning)
            options: dict[str, Any] = {
                "structure": to_structure(start),
                "user_incar_settings": dict(protocol.incar),
                "user_potcar_settings": {symbol: name},
                "user_potcar_functional": protocol.functional,
            }
            temperature = round(fraction * element(symbol).melting_temperature, 2)
            inputs = TM23AimdSet(temperature=temperature, **options)
            inputs.write_input(str(folder), potcar_spec=True)
            (folder / "POSCAR").write_text(poscar_text(canonical(start)), encoding="utf-8")
        record = {
            "tier": tier,
            "temperature_K": inputs.temperature,
            "melting_temperature_K": element(symbol).melting_temperature,
            "overridden": sorted(protocol.incar),
            "frame_id": frame_id(canonical(start)),
        }
        with whole_file(folder / "trajectory.json") as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if potcar is not None:
            (folder / "POTCAR.spec").unlink()
            link = folder / "POTCAR"
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(potcar_path(out, name), folder))
        folders[tier] = folder
    return folders


@dataclass(frozen=True)
class Trajectory:
    """A molecular dynamics on disk: its settings, and its steps, which are read when asked for.

    Attributes
    ----------
    symbols
        Chemical symbol of every atom.
    timestep_fs
        POTIM.
    n_steps
        NSW.
    temperature
        TEBEG, K.
    block
        Steps from one structure in the file to the next.
    structures
        Those in the file.
    """

    symbols: tuple[str, ...]
    timestep_fs: float
    n_steps: int
    temperature: float
    block: int
    structures: Sequence[StepStructure]

    @property
    def tier(self) -> str:
        """Tier whose temperature is nearest, by the melting temperature of the element."""
        melting = element(self.symbols[0]).melting_temperature
        return min(TIERS, key=lambda name: abs(TIERS[name] * melting - self.temperature))


def read_trajectory(path: Path) -> Trajectory:
    """Read a trajectory from its vasprun.xml.

    Raises
    ------
    VaspOutputError
        If the file cannot be read.
    InputError
        If it is no molecular dynamics.
    FrameError
        If it holds more structures than steps.
    """
    tags, symbols, structures = trajectory(path)
    if tags.get("IBRION") != "0":
        raise InputError(f"{path} is no molecular dynamics (IBRION = {tags.get('IBRION')})")
    try:
        timestep, n_steps = number(tags["POTIM"]), int(tags["NSW"])
        temperature = number(tags["TEBEG"])
        # a force field that is only applied may write every so many steps
        applied = tags.get("ML_MODE", "").lower() == "run" or tags.get("ML_ISTART") == "2"
        block = max(1, int(tags.get("ML_OUTBLOCK", "1"))) if applied else 1
    except (KeyError, ValueError) as error:
        raise VaspOutputError(
            f"{path} does not say its time step, number of steps and temperature (POTIM, NSW, "
            f"TEBEG): {error}"
        ) from error
    if not (timestep > 0 and symbols):
        raise VaspOutputError(f"{path}: POTIM = {timestep} fs, {len(symbols)} atoms: no dynamics")
    if len(structures) * block > max(n_steps, 1):
        raise FrameError(
            f"{path} holds {len(structures)} structures, every {block} steps one, of {n_steps} "
            "steps: their times cannot be told"
        )
    return Trajectory(symbols, timestep, n_steps, temperature, block, structures)


def sample_trajectory(
    path: Path,
    *,
    drop_fs: float = DROPPED_FS,
    every_fs: float = SPACING_FS,
    unfinished: bool = False,
) -> list[Atoms]:
    """Take frames from a trajectory.

    Parameters
    ----------
    path
        Its vasprun.xml, plain or compressed.
    drop_fs
        Equilibration that is left out.
    every_fs
        Time between two frames.
    unfinished
        Take a trajectory that has fewer steps than it was asked for.

    Returns
    -------
    list
        Canonical frames with `tier`, `temperature_K` and `md_time_fs`.

    Raises
    ------
    InputError
        If the times are no multiples of the time step.
    FrameError
        If the trajectory is not finished, or too short.
    """
    run = read_trajectory(path)
    stride = round(every_fs / run.timestep_fs) if math.isfinite(every_fs) else 0
    if stride < 1 or abs(stride * run.timestep_fs - every_fs) > 1e-6:
        raise InputError(
            f"--every {every_fs:g} fs is no multiple of the time step of {path} "
            f"({run.timestep_fs:g} fs)"
        )
    if not (math.isfinite(drop_fs) and drop_fs >= 0):
        raise InputError(f"--drop {drop_fs:g}: give a time in fs, 0 or more")
    if stride % run.block:
        raise InputError(
            f"--every {every_fs:g} fs: {path} holds every {run.block}th step only (ML_OUTBLOCK), "
            f"one in {run.block * run.timestep_fs:g} fs; give a multiple of that"
        )
    skip = round(drop_fs / run.timestep_fs / run.block) * run.block
    frames = []
    for count, structure in enumerate(run.structures, 1):
        step = count * run.block
        if step > skip and (step - skip) % stride == 0:
            cell, scaled = structure.read()
            if len(scaled) != len(run.symbols):
                raise VaspOutputError(f"{path}, step {step}: {len(scaled)} atoms")
            frame = Atoms(run.symbols, scaled_positions=scaled, cell=cell, pbc=True)
            frame.info.update(
                tier=run.tier,
                temperature_K=run.temperature,
                md_time_fs=step * run.timestep_fs,
            )
            frames.append(canonical(frame))
    count = len(run.structures) * run.block
    if count <= run.n_steps - run.block and not unfinished:
        raise FrameError(
            f"{path} holds {count} of {run.n_steps} steps: let the run finish, or give "
            "--unfinished to take what there is"
        )
    if not frames:
        raise FrameError(
            f"{path} is too short: {count} steps of {run.timestep_fs:g} fs, the first "
            f"{drop_fs:g} fs of which are dropped"
        )
    return frames


def write_frames(frames: list[Atoms], out: Path) -> None:
    """Write sampled frames as extxyz.

    Raises
    ------
    FrameError
        If two frames are identical.
    DiskSpaceError
        If the disk is full.
    """
    if len({frame_id(frame) for frame in frames}) < len(frames):
        raise FrameError("two sampled frames are identical: was a trajectory given twice?")
    with whole_file(out) as path:
        ase.io.write(path, frames, format="extxyz")
