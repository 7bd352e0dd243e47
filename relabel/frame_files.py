"""Files of frames, read one frame after the other, and never believed before they are counted.

extxyz says at its top how many atoms and columns follow: both are held against what is left of the
file before anything is made of them. Other formats are ase's own matter.
"""

from __future__ import annotations

import io
import re
from typing import IO, TYPE_CHECKING, NoReturn

import ase.io
from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz
from ase.io.formats import UnknownFileTypeError, filetype

from dosml.errors import DosmlError, FrameError, TooLargeError
from dosml.limits import UNPACKING_ERRORS, is_packed, open_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ase import Atoms

#: Bytes of one line: the second of a frame may hold whole arrays.
LONGEST_LINE = 1 << 24
#: Empty lines between two frames, or after the last.
MOST_EMPTY = 1000
#: Atoms of one frame.
MOST_ATOMS = 1_000_000
#: What ase calls plain and extended xyz.
_XYZ = ("extxyz", "xyz")
_PROPERTIES = re.compile(r'Properties\s*=\s*["\']?([^\s"\']+)')
_PLAIN = "species:S:1:pos:R:3"


def iter_file(path: Path, kind: str | None = None) -> Iterator[Atoms]:
    """Read the frames of a file as they stand there.

    Parameters
    ----------
    path
        Never interpreted: an `@` in it is an `@`. Compressed where it ends in .gz, .xz or .bz2.
    kind
        "extxyz", or None for what ase makes of name and content.

    Raises
    ------
    FrameError
        Naming file, frame and line, if it is missing, damaged or cut off.
    TooLargeError
        If it says that it holds more than it can, or unpacks to far more than its size.
    """
    if not path.is_file():
        raise FrameError(f"no frame file at {path}: give an extxyz file")
    try:
        with open_bounded(path) as handle:
            if (kind or _kind(path)) in _XYZ:
                yield from _Extxyz(handle, path).frames()
                return
            while is_packed(path) and handle.read(1 << 20):
                pass  # one that holds too much is refused before ase unpacks it
        yield from ase.io.iread(str(path), index=":", do_not_split_by_at_sign=True)
    except DosmlError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"{path} needs more memory than there is") from error
    except Exception as error:  # each format of ase fails in its own way
        raise FrameError(
            f"cannot read frames from {path} ({type(error).__name__}: {error}): "
            "is it complete, and of the format that its name says? extxyz is read best"
        ) from error


def _kind(path: Path) -> str:
    """Say what the file is by its name, else what ase takes it for."""
    name = path.with_suffix("") if is_packed(path) else path
    if name.suffix.removeprefix(".") in _XYZ:
        return _XYZ[0]
    try:
        return str(filetype(str(path)))
    except UnknownFileTypeError:
        return _XYZ[0]


class _Extxyz:
    """One pass through a file of extended xyz."""

    def __init__(self, handle: IO[bytes], path: Path) -> None:
        self._handle, self._path = handle, path
        self._line = self._frame = 0
        # a packed file does not say how much it holds
        self._size = None if is_packed(path) else path.stat().st_size

    def frames(self) -> Iterator[Atoms]:
        """Frame by frame; empty lines between them are nothing."""
        empty = 0
        while (first := self._read()) is not None:
            if first.strip():
                yield self._one(first)
                self._frame += 1
                empty = 0
            elif (empty := empty + 1) > MOST_EMPTY:
                self._refuse(f"is one of more than {MOST_EMPTY} empty lines: the file is damaged")

    def _read(self) -> str | None:
        """Next line; None at the end of the file."""
        try:
            raw = self._handle.readline(LONGEST_LINE + 1)
        except UNPACKING_ERRORS as error:
            raise FrameError(
                f"cannot read {self._path} ({type(error).__name__}: {error}): the file is cut off "
                "or damaged"
            ) from error
        self._line += 1
        if not raw:
            return None
        if len(raw) > LONGEST_LINE:
            self._refuse(f"is longer than {LONGEST_LINE} bytes")
        if self._line == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                self._refuse("begins as UTF-16 does: save the file as UTF-8")
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse("is no text in UTF-8: is it a complete extxyz file?")
        if "\0" in text:
            self._refuse("holds bytes that are zero: the file is damaged, or no text")
        return text

    def _refuse(self, reason: str) -> NoReturn:
        raise FrameError(
            f"cannot read {self._path}, line {self._line} (frame {self._frame}): it {reason}"
        )

    def _one(self, first: str) -> Atoms:
        n_atoms = self._count(first)
        comment = self._read()
        if comment is None:
            self._refuse("should describe the frame, but the file ends")
        properties = _PROPERTIES.search(comment)
        n_columns, species = self._columns(properties[1] if properties else _PLAIN)
        self._bound(n_atoms, n_columns)
        lines = []
        for atom in range(n_atoms):
            line = self._read()
            if line is None:
                raise FrameError(
                    f"frame {self._frame} of {self._path} is cut off: {atom} of its {n_atoms} "
                    f"atoms are there (the file ends at line {self._line - 1})"
                )
            words = line.split()
            # plain xyz may go on with columns that it does not name
            if len(words) < n_columns or (properties and len(words) > n_columns):
                raise FrameError(
                    f"frame {self._frame} of {self._path}, atom {atom} (line {self._line}): "
                    f"{len(words)} columns, expected {n_columns} as the line with Properties says"
                )
            if species is not None and words[species].capitalize() not in atomic_numbers:
                raise FrameError(
                    f"frame {self._frame} of {self._path}, atom {atom} (line {self._line}): there "
                    f"is no element {words[species]!r}"
                )
            lines.append(line if line.endswith("\n") else line + "\n")
        atoms: Atoms
        try:
            (atoms,) = read_xyz(io.StringIO(f"{n_atoms}\n{comment}{''.join(lines)}"), slice(0, 1))
        except Exception as error:
            raise FrameError(
                f"frame {self._frame} of {self._path} (it ends at line {self._line}) cannot be "
                f"read: {error}; is it a complete extxyz file?"
            ) from error
        return atoms

    def _count(self, line: str) -> int:
        text = line.strip()
        if not (text.isascii() and text.isdigit()):
            self._refuse(f"should be the number of atoms of the frame, got {text[:40]!r}")
        # digits without end would not become a number
        n_atoms = int(text) if len(text) < 20 else MOST_ATOMS + 1
        if n_atoms == 0:
            raise FrameError(f"frame {self._frame} of {self._path} has no atoms")
        if n_atoms > MOST_ATOMS:
            self._refuse(f"says {text[:40]} atoms, more than {MOST_ATOMS} are no frame of a study")
        return n_atoms

    def _columns(self, text: str) -> tuple[int, int | None]:
        """Count the columns, and say which of them holds the element."""
        words = text.split(":")
        total, species = 0, None
        for name, number in zip(words[::3], words[2::3], strict=False):
            if not (number.isascii() and number.isdigit() and int(number[:12]) > 0):
                self._refuse(f"says {name}:...:{number[:20]}, expected a number of columns")
            if name == "species":
                species = total
            total += int(number[:12])
        if len(words) % 3 or not total:
            self._refuse(f"has Properties={text[:60]}, expected NAME:TYPE:COLUMNS again and again")
        return total, species

    def _bound(self, n_atoms: int, n_columns: int) -> None:
        """Hold atoms and columns against what is left of the file, or against a line."""
        if 2 * n_columns > LONGEST_LINE:
            self._refuse(f"says that every atom has {n_columns} columns, and no line is so long")
        if self._size is None:
            return
        left = self._size - self._handle.tell()
        # a column is a sign and a blank, or the end of the line
        if 2 * n_atoms * n_columns > left + 1:
            raise FrameError(
                f"frame {self._frame} of {self._path}, line {self._line}: {n_atoms} atoms of "
                f"{n_columns} columns are announced, but {left} bytes are left in the file: it is "
                "cut off, or the numbers are wrong"
            )
