"""Read vaspout.h5 (VASP 6, compiled with HDF5 support)."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import EngineMissingError
from dosml.relabel.vasp.content import read_bytes
from dosml.relabel.vasp.output import DosRun, DosTables, VaspOutput, VaspOutputError
from dosml.relabel.vasp.species import symbol_of
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_DOS = "results/electron_dos"
_STEPS = "intermediate/ion_dynamics"


def read_vaspout(path: Path) -> VaspOutput:
    """Read everything but the DOS.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off or damaged.
    EngineMissingError
        If h5py is not installed.
    """
    output: VaspOutput = _open(path, _read)
    return output


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
    VaspOutputError, EngineMissingError
        As `read_vaspout`, and if the file holds no DOS.
    """
    found: tuple[VaspOutput, DosTables]
    found = _open(path, lambda file: (_read(file), _tables(file, path)), raw)
    return found


def run_dos(path: Path, raw: bytes | None = None) -> tuple[DosRun, DosTables]:
    """Read the DOS of any run, also of one that has no forces.

    Raises
    ------
    VaspOutputError, EngineMissingError
        If the file is missing, cut off, damaged, or holds no DOS.
    """
    found: tuple[DosRun, DosTables]
    found = _open(path, lambda file: (DosRun(**_run_facts(file)), _tables(file, path)), raw)
    return found


def _tables(file: Any, path: Path) -> DosTables:
    if _DOS not in file:
        raise VaspOutputError(f"{path} holds no density of states")
    energies = np.asarray(file[f"{_DOS}/energies"])
    dos = np.asarray(file[f"{_DOS}/dos"])
    total = np.stack([np.broadcast_to(energies, dos.shape), dos], axis=-1)
    if f"{_DOS}/dospar" not in file:
        return DosTables(total, [], None)
    # (spin, atom, orbital, energy) on disk
    partial = np.asarray(file[f"{_DOS}/dospar"]).transpose(1, 0, 3, 2)
    return DosTables(total, _orbital_names(file)[: partial.shape[-1]], partial)


def _open(path: Path, read: Callable[[Any], Any], raw: bytes | None = None) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise EngineMissingError(
            f"{path} needs the package h5py, which is not installed: {install_hint('cluster')}, "
            "or give the vasprun.xml instead"
        ) from error
    content = io.BytesIO(read_bytes(path) if raw is None else raw)
    try:
        with h5py.File(content, "r") as file:
            return read(file)
    except VaspOutputError:
        raise
    except Exception as error:  # h5py fails in many ways on a damaged file
        raise VaspOutputError(
            f"{path} is not a vaspout.h5 that can be read ({error}): the file is cut off or "
            "damaged; run the job again"
        ) from error


def _run_facts(file: Any) -> dict[str, Any]:
    """Fields of `DosRun`."""
    types = [symbol_of(_text(one)) for one in file["results/positions/ion_types"]]
    levels = "results/electron_eigenvalues/nelectrons"
    return {
        "incar": {name: _text(value[()]) for name, value in file["input/incar"].items()},
        "parameters": {},
        "symbols": tuple(
            name for name, count in zip(types, _counts(file), strict=True) for _ in range(count)
        ),
        "fermi_level": float(file[f"{_DOS}/efermi"][()]) if _DOS in file else math.nan,
        "n_electrons": float(file[levels][()]) if levels in file else math.nan,
    }


def _counts(file: Any) -> list[int]:
    return [int(one) for one in file["results/positions/number_ion_types"]]


def _read(file: Any) -> VaspOutput:
    facts = _run_facts(file)
    tags = [_text(tag) for tag in file[f"{_STEPS}/energies_tags"]]
    energies = dict(zip(tags, np.asarray(file[f"{_STEPS}/energies"])[-1], strict=True))
    levels = file["results/electron_eigenvalues"]
    occupations = np.asarray(levels["fermiweights"])  # (spin, k-point, band)
    scale = float(file["results/positions/scale"][()])
    oszicar = file.get(f"{_STEPS}/oszicar")
    stress = f"{_STEPS}/stress"
    version = ".".join(str(file[f"version/{part}"][()]) for part in ("major", "minor", "patch"))
    return VaspOutput(
        **facts,
        version=version,
        n_valence=_valence(file, _counts(file)),
        cell=np.asarray(file[f"{_STEPS}/lattice_vectors"])[-1] * scale,
        scaled_positions=np.asarray(file[f"{_STEPS}/position_ions"])[-1],
        free_energy=float(energies["free energy    TOTEN"]),
        energy_without_entropy=float(energies["energy without entropy"]),
        energy_sigma_0=float(energies["energy(sigma->0)"]),
        forces=np.asarray(file[f"{_STEPS}/forces"])[-1],
        stress_kbar=np.asarray(file[stress])[-1] if stress in file else None,
        n_bands=int(levels["nb_tot"][()]),
        kpoints=_divisions(file),
        top_occupation=float(np.abs(occupations[:, :, -1]).max()),
        ionic_steps=len(file[f"{_STEPS}/energies"]),
        electronic_steps=_last_count(oszicar),
        max_electronic_steps=int(float(facts["incar"].get("NELM", 60))),
        scf_converged=_converged(file),
    )


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode().strip()
    if isinstance(value, np.ndarray):
        return " ".join(_text(one) for one in value.ravel())
    return str(value)


def _valence(file: Any, counts: list[int]) -> float:
    """Sum of ZVAL over the atoms, from the POTCAR inside the file."""
    if "input/potcar/content" not in file:
        return math.nan
    lines = _text(file["input/potcar/content"][()]).splitlines()
    charges = [
        float(line.split("ZVAL")[1].split("=")[1].split()[0]) for line in lines if "ZVAL" in line
    ]
    if len(charges) != len(counts):
        return math.nan
    return float(sum(charge * count for charge, count in zip(charges, counts, strict=True)))


def _divisions(file: Any) -> tuple[int, ...] | None:
    names = [f"input/kpoints/nkp{axis}" for axis in "xyz"]
    if any(name not in file for name in names):
        return None
    return tuple(int(file[name][()]) for name in names)


def _converged(file: Any) -> bool | None:
    # written since VASP 6.5; 0 means converged
    name = f"{_STEPS}/electronic_step_converged"
    return bool(np.asarray(file[name]).ravel()[-1] == 0) if name in file else None


def _last_count(oszicar: Any) -> int:
    return int(np.asarray(oszicar)[-1, 0]) if oszicar is not None and len(oszicar) else 0


def _orbital_names(file: Any) -> list[str]:
    name = "results/projectors/lchar"
    if name in file:
        return [_text(one) for one in file[name]]
    return ["s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2"]
