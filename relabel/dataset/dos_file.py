"""DOS of all frames of a label set in one npz file, written and read in parts.

`SETTING.dos.npz` holds

- `energies`, shape (n_grid,), eV relative to the Fermi level, and `broadening` (eV);
- `frames` and `frames_per_part`, the counts;
- `total_00000`, `total_00001`, ...: total DOS, shape (frames of this part, n_grid);
- `d_00000`, ...: its d part, shape (frames, 5, n_grid) in the order of
  `dosml.theory.dos.D_ORBITALS`, or (frames, n_grid) where the engine does not resolve m;
- where the engine tells elements apart, `elements`, their symbols, and `of_element_00000`, ...: d
  part of the atoms of each, per atom of it, shape (frames, n_elements, n_grid), nan where a frame
  holds none.

All in states/eV/atom, spin summed. A label set that knows its mean DOS only has one part of one
"frame", and `frames` is 0.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import DosmlError, LabelError
from dosml.files import whole_file
from dosml.relabel.dataset.spectra import resample
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dosml.relabel.dataset.spectra import DosParts

    #: Total, d part, d part of each element; each with the frames of one part as first axis.
    _Part = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

#: Frames of one part: some ten megabytes, whatever the length of the file.
FRAMES_PER_PART = 256


def write_dos(path: Path, parts: DosParts | None, mean: ElectronicDos, *, compact: bool) -> None:
    """Write the DOS of every frame, reading them one by one.

    Parameters
    ----------
    path
        The npz file.
    parts
        DOS of each frame; None where only the mean is known.
    mean
        Mean DOS: its grid is that of the file, which is by orbital where the mean is.
    compact
        Half precision (three digits) and slow compression, for a file that ships.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    kind = np.float16 if compact else np.float32
    shown: DosParts = [mean] if parts is None else parts
    symbols = sorted(mean.d_by_element)
    with (
        whole_file(path) as partial,
        zipfile.ZipFile(
            partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9 if compact else 1
        ) as archive,
    ):
        _add(archive, "energies", mean.energies)
        _add(archive, "broadening", np.array(mean.broadening))
        _add(archive, "frames", np.array(0 if parts is None else len(parts)))
        _add(archive, "frames_per_part", np.array(FRAMES_PER_PART))
        if symbols:
            _add(archive, "elements", np.array(symbols))
        for number, begin in enumerate(range(0, len(shown), FRAMES_PER_PART)):
            rows = [
                resample(shown[n], mean.energies)
                for n in range(begin, min(begin + FRAMES_PER_PART, len(shown)))
            ]
            d = [row.d if mean.d_m is None else row.d_m for row in rows]
            if symbols:
                lacking = np.full(len(mean.energies), np.nan)
                own = [[row.d_by_element.get(one, lacking) for one in symbols] for row in rows]
                _add(archive, f"of_element_{number:05d}", np.array(own, dtype=kind))
            _add(archive, f"total_{number:05d}", np.array([row.total for row in rows], dtype=kind))
            _add(archive, f"d_{number:05d}", np.array(d, dtype=kind))


def _add(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as handle:
        np.lib.format.write_array(handle, values, allow_pickle=False)


@dataclass
class NpzDos:
    """DOS of each frame in such a file; the part that was read last stays in memory.

    Attributes
    ----------
    path
        The file.
    frames, frames_per_part
        Counts.
    energies
        Grid, eV.
    broadening
        eV.
    elements
        Whose d part the file holds apart.
    """

    path: Path
    frames: int
    frames_per_part: int
    energies: NDArray[np.float64]
    broadening: float
    elements: tuple[str, ...] = ()
    _held: tuple[int, _Part] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Count the frames."""
        return self.frames

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read the DOS of one frame.

        Raises
        ------
        LabelError
            If the file has been changed or damaged.
        """
        if not 0 <= number < self.frames:
            raise IndexError(number)
        part, row = divmod(number, self.frames_per_part)
        if self._held is None or self._held[0] != part:
            self._held = (part, self.part(part))
        total, d, own = self._held[1]
        return self.dos(total[row], d[row], own[row])

    def part(self, number: int) -> _Part:
        """Total DOS, d part and that of each element, of the frames of one part, as in the file.

        Raises
        ------
        LabelError
            If the part is missing, or has another shape than expected.
        """
        shown = max(1, self.frames)
        count = min(self.frames_per_part, shown - number * self.frames_per_part)
        with opened(self.path) as file:
            try:
                total, d = file[f"total_{number:05d}"], file[f"d_{number:05d}"]
                own = np.empty((count, 0, len(self.energies)))
                if self.elements:
                    own = file[f"of_element_{number:05d}"]
            except _DAMAGED as error:
                raise _damaged(self.path, error) from error
        grid = len(self.energies)
        if (
            total.shape != (count, grid)
            or d.shape not in {(count, grid), (count, 5, grid)}
            or own.shape != (count, len(self.elements), grid)
        ):
            raise LabelError(
                f"{self.path}, part {number}: the DOS have shapes {total.shape}, {d.shape} and "
                f"{own.shape}, expected {count} frames of {len(self.elements)} elements on a grid "
                f"of {grid} energies: write the file again"
            )
        return total, d, own

    def dos(self, total: NDArray[Any], d: NDArray[Any], own: NDArray[Any]) -> ElectronicDos:
        """DOS of one row of a part, or of a mean over rows; nan: the frame lacks the element."""
        d = d.astype(np.float64)
        return ElectronicDos(
            energies=self.energies,
            total=total.astype(np.float64),
            d=d if d.ndim == 1 else d.sum(axis=0),
            d_m=None if d.ndim == 1 else d,
            broadening=self.broadening,
            d_by_element={
                symbol: values.astype(np.float64)
                for symbol, values in zip(self.elements, own, strict=True)
                if not np.isnan(values[0])
            },
        )


#: What numpy and zipfile raise on a file that is cut off or damaged.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def opened(path: Path) -> Any:
    """Open an npz file.

    Raises
    ------
    LabelError
        If it is missing or damaged.
    """
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> LabelError:
    return LabelError(
        f"the DOS in {path} cannot be read ({type(error).__name__}: {error}): the file is missing, "
        "cut off or damaged; write it again, or move it away to go on without DOS"
    )


def read_dos_file(path: Path, count: int) -> tuple[NpzDos | None, ElectronicDos]:
    """Read a file once: check all of it, and take the mean.

    Parameters
    ----------
    path
        As `write_dos` writes it.
    count
        Frames that it must hold.

    Returns
    -------
    parts, mean
        DOS of each frame, to be read when asked for (None where the file holds the mean only), and
        their mean.

    Raises
    ------
    LabelError
        Naming file and frame.
    """
    with opened(path) as file:
        try:
            energies = np.asarray(file["energies"], dtype=np.float64)
            broadening = float(file["broadening"])
            frames, per_part = int(file["frames"]), int(file["frames_per_part"])
            elements = tuple(map(str, file["elements"])) if "elements" in file else ()
        except (*_DAMAGED, TypeError) as error:
            raise _damaged(path, error) from error
    if frames not in {0, count} or per_part < 1:
        raise LabelError(f"{path} holds the DOS of {frames} frames, expected {count}")
    parts = NpzDos(path, frames, per_part, energies, broadening, elements)
    shown = max(1, frames)
    sums: list[NDArray[np.float64]] = []
    for number in range(-(-shown // per_part)):
        total, d, own = parts.part(number)
        # whole rows of nan stand for elements that a frame does not hold
        held = np.where(np.isnan(own).all(axis=-1, keepdims=True), 0.0, own)
        for values in (total, d, held):
            _check_finite(values, path, number * per_part)
        if not sums:
            sums = [np.zeros(one.shape[1:]) for one in (total, d, own)]
            holding = np.zeros((len(elements), 1))
        if sums[1].shape != d.shape[1:]:
            raise LabelError(f"{path}: d is by orbital in some parts only; write the file again")
        sums[0] += total.sum(axis=0, dtype=np.float64)
        sums[1] += d.sum(axis=0, dtype=np.float64)
        sums[2] += held.sum(axis=0, dtype=np.float64)
        holding += (~np.isnan(own).all(axis=-1, keepdims=True)).sum(axis=0)
    try:
        mean = parts.dos(sums[0] / shown, sums[1] / shown, sums[2] / np.maximum(holding, 1))
    except ValueError as error:
        raise LabelError(f"{path}: {error}; write the file again") from error
    return (parts if frames else None), mean


def _check_finite(values: NDArray[Any], path: Path, first: int) -> None:
    # a sum over everything is finite only where all is, and needs no mask of the same size
    if np.isfinite(values.sum(dtype=np.float64)):
        return
    frame = first + int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
    raise LabelError(f"{path}, frame {frame}: the DOS is not finite; drop the frame")


@dataclass(frozen=True)
class NamedDos:
    """DOS of each frame in a file of its own: vasprun.xml, vaspout.h5, DOSCAR or CompleteDos JSON.

    Attributes
    ----------
    paths
        One per frame.
    sizes
        Atoms of each frame.
    """

    paths: Sequence[Path]
    sizes: Sequence[int]

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.paths)

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read the DOS of one frame.

        Raises
        ------
        LabelError
            Naming file and frame, if it cannot be read, has no d part, or is of another cell.
        """
        from dosml.relabel.vasp.projected_dos import read_dos

        path = self.paths[number]
        try:
            found = read_dos(path)
            dos = found.electronic_dos()
        except (DosmlError, ValueError) as error:
            raise LabelError(f"the DOS of frame {number} (dos_file {path}): {error}") from error
        if found.n_atoms != self.sizes[number]:
            raise LabelError(
                f"the DOS of frame {number} (dos_file {path}) is of {found.n_atoms} atoms, the "
                f"frame has {self.sizes[number]}"
            )
        if not (np.isfinite(dos.total).all() and np.isfinite(dos.d).all()):
            raise LabelError(f"the DOS of frame {number} (dos_file {path}) is not finite")
        return dos
