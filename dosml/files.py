"""Files that are whole or not there, and locks; a leaf like `dosml.errors`, for every room."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING, Self

from dosml.errors import DiskSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FileLock:
    """A lock that the kernel lets go of when its process ends, however it ends (flock).

    The file holds the owner's words for whoever finds it taken, and stays when it is released. A
    symbolic link is refused: in a folder that others may write to, it could point anywhere.

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
            If the file cannot be opened, is a symbolic link, or its file system knows no locks.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                words = f"{self.path.name} is a symbolic link, and a lock has to be a plain file"
                raise OSError(errno.ELOOP, words, str(self.path)) from error
            raise
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
            return self.path.read_text().strip() or "an unknown process"
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
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
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
