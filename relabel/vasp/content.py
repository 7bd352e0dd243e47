"""What a file holds: unpacked, within bounds, and recognised by its content, not by its name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from typing import TYPE_CHECKING, Any, Literal

from dosml.relabel.vasp.output import VaspOutputError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["vasprun.xml", "vaspout.h5", "DOSCAR", "CompleteDos"]
#: Largest content that is read, bytes: a vasprun.xml of a long trajectory has a gigabyte or two.
MAX_BYTES = 8 * 1024**3
#: First bytes of compressed files, and what unpacks them.
_PACKED: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
#: First bytes of packed files that the standard library cannot read.
_FOREIGN = {
    b"\x1f\x9d": "compress (.Z)",
    b"(\xb5/\xfd": "zstandard",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7z",
}
_CHUNK = 16 * 1024**2
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Endings of whole numbers, or of 4I4 fields that touch or overflow.
_DOSCAR_HEAD = re.compile(rb"[ \d*]{7,}")
#: Parts of the names of files that are looked at first in a folder, the best one first.
_USUAL = ("vasprun", "vaspout", "doscar")


def read_bytes(path: Path) -> bytes:
    """Whole content of a file, plain or packed by gzip, xz or bzip2, whatever its name.

    Raises
    ------
    VaspOutputError
        If it is not there, is a folder, or its compressed stream is cut off or damaged; if it is
        packed by something else, or unpacks to more than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(8)
            for magic, name in _FOREIGN.items():
                if head.startswith(magic):
                    raise VaspOutputError(
                        f"{path} is packed by {name}: unpack it first, or pack it with gzip"
                    )
            raw.seek(0)
            opener = next((one for magic, one in _PACKED.items() if head.startswith(magic)), None)
            if opener is None:
                return _bounded(raw, path)
            with opener(raw, "rb") as unpacked:
                return _bounded(unpacked, path)
    except FileNotFoundError as error:
        raise VaspOutputError(f"no file {path}") from error
    except IsADirectoryError as error:
        raise VaspOutputError(f"{path} is a folder: name a file in it") from error
    except PermissionError as error:
        raise VaspOutputError(f"{path} cannot be read ({error.strerror})") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        # EOFError, BadGzipFile (an OSError), LZMAError: the stream is cut off or damaged
        raise VaspOutputError(
            f"{path} cannot be read ({error}): the file is cut off or damaged; run the job again"
        ) from error


def _bounded(handle: Any, path: Path) -> bytes:
    """Read to the end; what is not recognised by its first chunk ends there."""
    content = io.BytesIO()
    while chunk := handle.read(_CHUNK):
        if not content.tell() and len(chunk) == _CHUNK and kind_of(chunk) is None:
            raise VaspOutputError(_unknown(path))
        if content.tell() + len(chunk) > MAX_BYTES:
            raise VaspOutputError(
                f"{path} holds more than {MAX_BYTES // 1024**3} GiB: no output of one VASP job is "
                "so large"
            )
        content.write(chunk)
    return content.getvalue()


def kind_of(content: bytes) -> Kind | None:
    """Recognise a file by its content; None where it is none of those that are read."""
    if content.startswith(_HDF5):
        return "vaspout.h5"
    start = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<") and (b"<modeling" in start or b"<!DOCTYPE" in start):
        return "vasprun.xml"
    if start.startswith(b"{"):
        return "CompleteDos"
    lines = content[:4096].lstrip(b"\r\n").splitlines()
    if len(lines) > 5 and _DOSCAR_HEAD.fullmatch(lines[0].rstrip()) and b"." in lines[5]:
        return "DOSCAR"
    return None


def recognise(path: Path) -> tuple[Path, bytes, Kind]:
    """Read a file, or the one in a folder that is the best source of a DOS.

    Returns
    -------
    path, content, kind
        The file that was read, what it holds, and what it is.

    Raises
    ------
    VaspOutputError
        As `read_bytes`, and if the file, or every file of the folder, is nothing that is read.
    """
    if not path.is_dir():
        content = read_bytes(path)
        kind = kind_of(content)
        if kind is None:
            raise VaspOutputError(_unknown(path))
        return path, content, kind
    for one in _likely(path):
        try:
            return recognise(one)
        except VaspOutputError as error:
            # a file with the right name that is damaged must not be passed over in silence
            if _rank(one) < len(_USUAL):
                raise VaspOutputError(f"in the folder {path}: {error}") from error
    raise VaspOutputError(
        f"the folder {path} holds no vasprun.xml, vaspout.h5 or DOSCAR (of any name): name the file"
    )


def _likely(folder: Path) -> list[Path]:
    files = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    return sorted(files, key=lambda one: (_rank(one), one.name))


def _rank(path: Path) -> int:
    name = path.name.lower()
    return next((place for place, part in enumerate(_USUAL) if part in name), len(_USUAL))


def _unknown(path: Path) -> str:
    return (
        f"{path} is not a vasprun.xml, vaspout.h5, DOSCAR or pymatgen CompleteDos: its content is "
        "of none of them, whatever its name says"
    )
