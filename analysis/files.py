"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dosml.errors import DiskSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
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
        partial.replace(path)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskSpaceError(
                f"no space left to write {path}: free some and run the same command again"
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
