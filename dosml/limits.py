"""Bounds that hold before memory is taken: unpacked files, lists of numbers, neighbour lists.

A leaf like `dosml.errors`, for every room.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from dosml.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer

#: A packed file may hold so many times its size: text of numbers packs to a third, what a program
#: writes again and again to a thirtieth, and what is made to fill a memory to a thousandth.
MOST_TIMES_PACKED = 200
#: Bytes that every packed file may hold.
ALWAYS_UNPACKED = 1 << 26
#: More electronic settings, sizes or values of an option than this are a typing error.
MOST_VALUES = 41
#: eV: k_B T of half a million kelvin, where labels of valence electrons mean nothing any more.
WIDEST_SMEARING = 50.0
#: Electrons per atom: more than any metal has valence electrons.
MOST_ELECTRONS = 30.0
#: Of frames, passes over data and the like: a million is more than anybody has labelled.
MOST_COUNTED = 1_000_000
#: Processes that one machine is asked for.
MOST_WORKERS = 1024
#: The largest seed that every generator of random numbers takes.
LARGEST_SEED = 2**32 - 1
#: Radial functions, angular momenta, powers of a kernel.
MOST_ORDER = 100
#: Å: longer cutoffs of a force field reach beyond all cells that anybody labels.
LONGEST_CUTOFF = 30.0
#: Points of a k-point grid along one direction.
MOST_KPOINTS = 200
#: Neighbour pairs of one frame, each of which takes some hundred bytes and more in a descriptor.
MOST_PAIRS = 30_000_000

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
#: What damaged packed files raise.
UNPACKING_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)


class _Bounded(io.RawIOBase):
    """What a packed file holds, up to a bound."""

    def __init__(self, packed: IO[bytes], path: Path) -> None:
        self._packed, self._path = packed, path
        size = path.stat().st_size
        self._room = max(ALWAYS_UNPACKED, MOST_TIMES_PACKED * size)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        found = self._packed.read(len(view))
        self._room -= len(found)
        if self._room < 0:
            raise TooLargeError(
                f"{self._path} of {self._size} bytes unpacks to more than {MOST_TIMES_PACKED} "
                "times its size: no text of numbers packs so well; unpack it yourself if it is "
                "sound"
            )
        view[: len(found)] = found
        return len(found)


def is_packed(path: Path) -> bool:
    """Whether `open_bounded` unpacks the file: its name says so."""
    return path.suffix in _OPENERS


@contextmanager
def open_bounded(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, unpacking .gz, .xz and .bz2 no further than is sensible.

    Yields
    ------
    IO
        Damaged files raise one of `UNPACKING_ERRORS` when they are read.

    Raises
    ------
    OSError
        If there is no such file.
    TooLargeError
        On reading, where the file holds more than `MOST_TIMES_PACKED` times its size.
    """
    opener = _OPENERS.get(path.suffix)
    if opener is None:
        with path.open("rb") as handle:
            yield handle
        return
    with opener(path, "rb") as packed:
        yield io.BufferedReader(_Bounded(packed, path), 1 << 16)


def comma_list(value: object) -> object:
    """Turn `0.2,0.5` into a list of words, one number into a list of it; leave all else alone.

    Raises
    ------
    ValueError
        If there is nothing between two commas, or the value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no list of values")  # noqa: TRY004 - pydantic
    if isinstance(value, str):
        words = [part.strip() for part in value.split(",")]
        if not all(words):
            raise ValueError(
                f"{value!r} has nothing between two commas, or at an end: write the values with "
                "one comma between each two"
            )
        return words
    return [value] if isinstance(value, (int, float)) else value


def at_most(values: Sequence[Any], option: str) -> None:
    """Refuse a list that is longer than `MOST_VALUES`.

    Raises
    ------
    ValueError
        Naming the option.
    """
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"{option} holds {len(values)} values, at most {MOST_VALUES} are meant: leave some out"
        )


def check_pairs(n_atoms: int, volume: float, cutoff: float, where: str) -> None:
    """Refuse a neighbour list that would fill the memory, from the density alone.

    Parameters
    ----------
    n_atoms, volume
        Of the periodic cell, Å^3.
    cutoff
        Å.
    where
        Which frame it is, for the message.

    Raises
    ------
    TooLargeError
        If there would be more than `MOST_PAIRS` pairs.
    """
    neighbours = n_atoms / volume * 4 / 3 * math.pi * cutoff**3 if volume > 0 else math.inf
    if n_atoms * neighbours > MOST_PAIRS:
        raise TooLargeError(
            f"{where}: {n_atoms} atoms in {volume:.4g} Å^3 have about {neighbours:.3g} neighbours "
            f"each within {cutoff:g} Å, {n_atoms * neighbours:.2g} pairs in all, more than "
            f"{MOST_PAIRS:.0e}: is the cell in Å? else take a shorter cutoff or smaller frames"
        )
