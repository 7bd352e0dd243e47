"""Read vaspout.h5 (VASP 6, compiled with HDF5 support)."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import EngineMissingError
from dosml.relabel.vasp.output import VaspOutput, VaspOutputError, read_bytes
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

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


def dos_tables(
    path: Path,
) -> tuple[VaspOutput, NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    """DOS of a vaspout.h5, in the layout of `dosml.relabel.vasp.vasprun.dos_tables`.

    Raises
    ------
    VaspOutputError, EngineMissingError
        As `read_vaspout`, and if the file holds no DOS.
    """

    def read(file: Any) -> Any:
        if _DOS not in file:
            raise VaspOutputError(f"{path} holds no density of states")
        energies = np.asarray(file[f"{_DOS}/energies"])
        dos = np.asarray(file[f"{_DOS}/dos"])
        total = np.stack([np.broadcast_to(energies, dos.shape), dos], axis=-1)
        fields: list[str] = []
        partial = None
        if f"{_DOS}/dospar" in file:
            # (spin, atom, orbital, energy) on disk
            partial = np.asarray(file[f"{_DOS}/dospar"]).transpose(1, 0, 3, 2)
            names = _orbital_names(file)
            fields = names[: partial.shape[-1]]
        return _read(file), total, fields, partial

    result: tuple[VaspOutput, NDArray[np.float64], list[str], NDArray[np.float64] | None]
    result = _open(path, read)
    return result


def _open(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise EngineMissingError(
            f"{path} needs the package h5py, which is not installed: {install_hint('cluster')}, "
            "or give the vasprun.xml instead"
        ) from error
    content = io.BytesIO(read_bytes(path))
    try:
        with h5py.File(content, "r") as file:
            return read(file)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise VaspOutputError(
            f"{path} is not a vaspout.h5 that can be read ({error}): the file is cut off or "
            "damaged; run the job again"
        ) from error


def _read(file: Any) -> VaspOutput:
    incar = {name: _text(value[()]) for name, value in file["input/incar"].items()}
    types = [_text(one) for one in file["results/positions/ion_types"]]
    counts = [int(one) for one in file["results/positions/number_ion_types"]]
    symbols = tuple(
        name.split("_")[0] for name, count in zip(types, counts, strict=True) for _ in range(count)
    )
    tags = [_text(tag) for tag in file[f"{_STEPS}/energies_tags"]]
    energies = dict(zip(tags, np.asarray(file[f"{_STEPS}/energies"])[-1], strict=True))
    levels = file["results/electron_eigenvalues"]
    occupations = np.asarray(levels["fermiweights"])  # (spin, k-point, band)
    scale = float(file["results/positions/scale"][()])
    oszicar = file.get(f"{_STEPS}/oszicar")
    stress = f"{_STEPS}/stress"
    version = ".".join(str(file[f"version/{part}"][()]) for part in ("major", "minor", "patch"))
    return VaspOutput(
        version=version,
        incar=incar,
        parameters={},
        symbols=symbols,
        n_valence=_valence(file, counts),
        cell=np.asarray(file[f"{_STEPS}/lattice_vectors"])[-1] * scale,
        scaled_positions=np.asarray(file[f"{_STEPS}/position_ions"])[-1],
        free_energy=float(energies["free energy    TOTEN"]),
        energy_without_entropy=float(energies["energy without entropy"]),
        energy_sigma_0=float(energies["energy(sigma->0)"]),
        forces=np.asarray(file[f"{_STEPS}/forces"])[-1],
        stress_kbar=np.asarray(file[stress])[-1] if stress in file else None,
        fermi_level=float(file[f"{_DOS}/efermi"][()]) if _DOS in file else math.nan,
        n_electrons=float(levels["nelectrons"][()]),
        n_bands=int(levels["nb_tot"][()]),
        kpoints=_divisions(file),
        top_occupation=float(np.abs(occupations[:, :, -1]).max()),
        ionic_steps=len(file[f"{_STEPS}/energies"]),
        electronic_steps=_last_count(oszicar),
        max_electronic_steps=int(float(incar.get("NELM", 60))),
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
