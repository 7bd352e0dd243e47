"""Files that are whole or not there, and locks; a leaf like `dosml.errors`, for every room."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import math
import os
import re
import socket
import stat
import threading
import zipfile
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dosml.errors import DamagedFileError, DiskSpaceError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Letters of a lock's file that are read.
_WORDS = 200
#: Names that `whole_file` writes under.
_PARTIAL = re.compile(r"\..+\.(\d{1,9})\.partial(\..+)?")


def open_plain(path: Path, flags: int) -> int:
    """Open a plain file of our own, and give its descriptor.

    A symbolic link is refused: in a folder that others may write to, it could point anywhere. So
    are devices and pipes, which might never answer.

    Parameters
    ----------
    path
        Made where `flags` hold `os.O_CREAT`, in a folder that exists.
    flags
        Of `os.open`.

    Raises
    ------
    OSError
        If it cannot be opened or is no plain file; `strerror` says what it is.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        words = f"{path.name} is a symbolic link, and has to be a plain file"
        raise OSError(errno.ELOOP, words, str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name} is a device or pipe, not a file", str(path))
    return descriptor


def file_hash(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _is_other_process(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM  # somebody else's
    return True


def read_npz(path: Path, *, most_bytes: int = 1 << 31) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file, checksums and sizes included; nothing in it is run.

    Parameters
    ----------
    path
        The file.
    most_bytes
        So much memory the arrays may take together.

    Raises
    ------
    DamagedFileError
        If the file is no npz file, was cut off or damaged, or holds something besides plain arrays.
    OSError
        If it cannot be opened: it is missing, for instance.
    """
    with path.open("rb") as handle:
        try:
            with zipfile.ZipFile(handle) as archive:
                members = archive.infolist()
                if sum(one.file_size for one in members) > most_bytes:
                    raise ValueError(f"it unpacks to more than {most_bytes} bytes")
                return {one.filename.removesuffix(".npy"): _array(archive, one) for one in members}
        except OSError as error:
            if error.errno not in {None, errno.EINVAL}:
                raise
            raise _damaged(path, error) from error
        except _DAMAGE as error:
            raise _damaged(path, error) from error


#: What zipfile and numpy raise on damaged files.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, EOFError),
    *(NotImplementedError, OverflowError, RuntimeError, SyntaxError, MemoryError),
)


def _damaged(path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        f"{path} cannot be read ({type(error).__name__}: {error}): it is cut off, damaged or "
        "something else"
    )


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array, which must have the size that its header tells."""
    content = archive.read(member)
    # magic string, version, length of the header in two bytes, in four from version 2 on
    width = 2 if content[6:7] == b"\x01" else 4
    begin = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    shape, fortran, kind = _header(content[:begin])
    if math.prod(shape) * kind.itemsize != len(content) - begin:
        raise ValueError(f"{member.filename} has another size than its header tells")
    values = np.frombuffer(bytearray(content[begin:]), dtype=kind)
    return values.reshape(shape, order="F" if fortran else "C")


# members of one kind of file have the same few headers, and numpy is slow to read them
@lru_cache(maxsize=1024)
def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and kind of an array without Python objects."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, kind = read(stream)
    if kind.hasobject:
        raise ValueError("it holds Python objects")
    return shape, fortran, kind


def inside(folder: Path, name: str) -> Path:
    """Give the path of a file that a record in a folder names, which must lie in that folder.

    Parameters
    ----------
    folder
        Where the record lies.
    name
        As the record has it, relative to the folder.

    Raises
    ------
    InputError
        If it leads out of the folder, by its name or by a symbolic link.
    """
    path = folder / name
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, ValueError, RuntimeError):  # no text that a path can be, or a circle of links
        pass
    raise InputError(
        f"a record in {folder} names the file {name!r}, which does not lie in that folder: run the "
        "command that made it again"
    )


def sweep_partials(folder: Path) -> list[Path]:
    """Remove what writers that were killed have left half written, at any depth.

    Only for who holds the folder's lock, once no worker of an earlier run is alive. What a process
    of this machine is writing right now is left alone.

    Returns
    -------
    list of Path
        What was removed.
    """
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            match = _PARTIAL.fullmatch(name)
            if match is None or _is_other_process(int(match[1])):
                continue
            path = folder.joinpath(place, name)
            with contextlib.suppress(OSError):
                path.unlink()
                found.append(path)
    return found


class FileLock:
    """A lock that the kernel lets go of when its process ends, however it ends (flock).

    The file holds the owner's words for whoever finds it taken, and stays when it is released. It
    is a plain file (`open_plain`).

    Parameters
    ----------
    path
        Of the lock; made where it does not exist, in a folder that does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock without waiting; False where another process holds it.

        Raises
        ------
        OSError
            If the file cannot be opened, is no plain file, or its file system knows no locks.
        """
        descriptor = open_plain(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._descriptor = descriptor
        # on a full disk it holds without words
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return True

    def owner(self) -> str:
        """Who holds it, such as "process 12 on host"."""
        try:
            with open(open_plain(self.path, os.O_RDONLY), encoding="utf-8") as handle:
                return handle.read(_WORDS).strip() or "an unknown process"
        except (OSError, ValueError):
            return "an unknown process"

    def inherit(self) -> None:
        """Let the programs that this process starts from now on hold it too, until they end."""
        assert self._descriptor is not None
        os.set_inheritable(self._descriptor, True)

    def release(self) -> None:
        """Let go; nothing happens where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Nothing is taken yet: `take` says whether it can be."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.release()


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it becomes `path`, else it is removed.

    Parameters
    ----------
    path
        The file to write; its folder is made where it does not exist.

    Yields
    ------
    Path
        Where to write. It has the same suffix, because writers choose their format by it.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # two threads may write the same file
    writer = f"{threading.get_native_id()}.{os.getpid()}"
    partial = path.with_name(f".{path.stem}.{writer}.partial{path.suffix}")
    # the writer opens it by name: a link that somebody put there must not be followed
    partial.unlink(missing_ok=True)
    try:
        yield partial
        # the content must be on the disk before the name points to it
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(path)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskSpaceError(
                f"no space left on the disk while writing {path}: free some and run the same "
                "command again; finished work is kept"
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
