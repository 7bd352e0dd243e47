"""One label set as extxyz: readable by ase and by every force-field code."""

from __future__ import annotations

import gzip
import hashlib
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.io.extxyz import write_extxyz

from dosml.errors import FrameError
from dosml.files import whole_file
from dosml.limits import UNPACKING_ERRORS, open_bounded
from dosml.relabel.dataset.label_set import LabelSet
from dosml.relabel.frame_files import iter_file
from dosml.relabel.frames import TRAINING, canonical, check_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.dataset.value import Dataset

#: Endings of the names of label files.
ENDINGS = (".extxyz", ".extxyz.gz", ".extxyz.xz")
#: Beyond these there are no labels: total energies of all electrons of a heavy atom, of atoms half
#: an Å apart; stresses in any unit, which `dosml.relabel.label_units` names.
MOST_ENERGY, MOST_FORCE, MOST_STRESS = 1e7, 1e4, 1e8
#: Voigt order xx yy zz yz xz xy of a full tensor.
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def set_name(path: Path) -> str:
    """Name of the label set in a file: that of the file without its ending."""
    name = path.name
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return path.stem


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, the same whether it is compressed (.gz, .xz) or not.

    Raises
    ------
    FrameError
        If the file is missing or damaged.
    """
    digest = hashlib.sha256()
    try:
        with open_bounded(path) as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except UNPACKING_ERRORS as error:
        raise FrameError(
            f"cannot read {path} ({type(error).__name__}: {error}): the file is missing, cut off "
            "or damaged"
        ) from error
    return digest.hexdigest()


def write_labels(path: Path, dataset: Dataset, labels: LabelSet) -> None:
    """Write frames and labels: `REF_energy`, `REF_forces`, `REF_stress`, `tier` and `split`.

    Parameters
    ----------
    path
        Compressed if its name ends in .gz.
    labels
        One of the dataset's label sets.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    with whole_file(path) as partial, _writing(partial) as handle:
        for number, frame in enumerate(dataset.frames):
            out = canonical(frame)
            out.info["tier"] = dataset.tiers[number]
            out.info.pop("split", None)
            if dataset.roles:
                out.info["split"] = dataset.roles[number]
            out.info["REF_energy"] = float(labels.energies[number])
            if labels.stresses is not None:
                out.info["REF_stress"] = labels.stresses[number]
            out.arrays["REF_forces"] = labels.forces[number]
            write_extxyz(handle, [out])


@contextmanager
def _writing(path: Path) -> Iterator[IO[str]]:
    if path.suffix != ".gz":
        with path.open("w", encoding="utf-8") as handle:
            yield handle
        return
    # neither name nor time inside, so that equal contents are equal files
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8") as handle,
    ):
        yield handle


def read_labels(path: Path, *, stress: bool = True) -> tuple[list[Atoms], LabelSet]:
    """Read one label set.

    Parameters
    ----------
    path
        extxyz (or .gz, .xz) with `REF_energy` (eV), `REF_forces` (eV/Å) and, in all frames or in
        none, `REF_stress` (eV/Å^3, ase's sign; Voigt order xx yy zz yz xz xy, or 3 x 3).
    stress
        Whether to read the stresses.

    Returns
    -------
    frames
        Canonical frames.
    labels
        Named after the file; their setting is not known.

    Raises
    ------
    FrameError
        If the file cannot be read, a label is missing, not finite or far beyond all labels, or as
        `check_frames`: naming file and frame.
    """
    frames: list[Atoms] = []
    energies: list[float] = []
    forces: list[NDArray[np.float64]] = []
    stresses: list[NDArray[np.float64] | None] = []
    for number, atoms in enumerate(iter_file(path, "extxyz")):
        energies.append(_energy(atoms, number, path))
        forces.append(_forces(atoms, number, path))
        has_stress = stress and "REF_stress" in atoms.info
        stresses.append(_stress(atoms, number, path) if has_stress else None)
        frames.append(canonical(atoms))
    check_frames(frames, path, TRAINING)
    known = [one for one in stresses if one is not None]
    if 0 < len(known) < len(frames):
        lacking = next(n for n, one in enumerate(stresses) if one is None)
        having = next(n for n, one in enumerate(stresses) if one is not None)
        raise FrameError(
            f"frame {lacking} of {path} has no REF_stress, frame {having} has one: leave the "
            "stresses out with --no-stress"
        )
    return frames, LabelSet(
        np.array(energies), forces, np.array(known) if known else None, name=set_name(path)
    )


def _energy(frame: Atoms, number: int, path: Path) -> float:
    try:
        energy: float | None = float(frame.info["REF_energy"])
    except KeyError as error:
        raise FrameError(_missing("REF_energy (eV)", frame, number, path)) from error
    except (TypeError, ValueError):
        energy = None
    if energy is None or isinstance(frame.info["REF_energy"], (bool, np.bool_)):
        raise FrameError(
            f"frame {number} of {path}: REF_energy is {frame.info['REF_energy']!r}, expected a "
            "number in eV"
        )
    _check_size(energy / len(frame), MOST_ENERGY, "REF_energy per atom", "eV", number, path)
    return energy


def _forces(frame: Atoms, number: int, path: Path) -> NDArray[np.float64]:
    if "REF_forces" not in frame.arrays:
        raise FrameError(_missing("REF_forces (eV/Å)", frame, number, path))
    forces = np.asarray(frame.arrays["REF_forces"])
    if forces.dtype.kind not in "fi":
        raise FrameError(
            f"frame {number} of {path}: REF_forces holds {forces.flat[0]!r}, expected numbers in "
            "eV/Å: write REF_forces:R:3 in Properties"
        )
    if forces.shape != (len(frame), 3):
        raise FrameError(
            f"frame {number} of {path}: REF_forces has shape {forces.shape}, expected "
            f"({len(frame)}, 3)"
        )
    _check_size(forces, MOST_FORCE, "REF_forces", "eV/Å", number, path)
    return forces.astype(float)


def _stress(frame: Atoms, number: int, path: Path) -> NDArray[np.float64]:
    stress = np.asarray(frame.info["REF_stress"])
    if stress.shape == (3, 3):
        stress = np.array([stress[a, b] for a, b in _VOIGT])
    if stress.shape != (6,) or stress.dtype.kind not in "fi":
        raise FrameError(
            f"frame {number} of {path}: REF_stress is {frame.info['REF_stress']!r}, expected 6 "
            "numbers (xx yy zz yz xz xy) or 3 x 3, in eV/Å^3"
        )
    _check_size(stress, MOST_STRESS, "REF_stress", "eV/Å^3", number, path)
    return stress.astype(float)


def _check_size(values: Any, most: float, name: str, unit: str, number: int, path: Path) -> None:
    values = np.atleast_1d(values)
    if not np.all(np.isfinite(values)):
        raise FrameError(f"frame {number} of {path}: {name} is not finite; remove the frame")
    if (worst := float(np.abs(values).max())) > most:
        place = int(np.abs(values).argmax()) // 3
        atom = f", atom {place}" if values.ndim == 2 else ""
        raise FrameError(
            f"frame {number} of {path}{atom}: {name} is {worst:.3g} {unit}, more than {most:.0e} "
            "is no label; remove the frame"
        )


def _missing(name: str, frame: Atoms, number: int, path: Path) -> str:
    there = {*frame.info, *frame.arrays, *(frame.calc.results if frame.calc else ())}
    there -= {"numbers", "positions"}
    found = ", ".join(sorted(there)) or "no labels"
    return (
        f"frame {number} of {path} has no {name}; it has {found}: "
        "rename the labels to REF_energy, REF_forces, REF_stress (free energies, not energies "
        "extrapolated to zero smearing)"
    )
