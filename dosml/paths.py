"""What a user's path means, and whether results can be written there; for every room."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from dosml.errors import InputError

#: errno of a path whose end does not exist, or lies below something that is no folder.
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}


def expand_home(text: str) -> str:
    """Write out a leading `~` or `~name`, as a shell does; text that begins otherwise stays.

    A shell leaves it in quotes and in `--out=~/study`, and TOML files and Python know no shell.
    """
    return os.path.expanduser(text) if text.startswith("~") else text  # noqa: PTH111 - never raises


def _expanded(value: object) -> object:
    # a Path was text before: `./~` has become `~` and means a folder of that name
    return expand_home(value) if isinstance(value, str) else value


#: A path, and the name of a file, an element or label sets, in the settings of a command.
UserPath = Annotated[Path, BeforeValidator(_expanded)]
UserText = Annotated[str, BeforeValidator(_expanded)]


def check_output(folder: Path) -> None:
    """See that a folder can be made and written, before any work; nothing is made.

    Parameters
    ----------
    folder
        May exist; what is missing of its parents will be made too.

    Raises
    ------
    InputError
        If something in the way is no folder or a loop of symbolic links, or may not be written.
    """
    for place in (folder, *folder.parents):
        try:
            place.stat()
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise _refused(folder, place, error.strerror or "cannot be read") from error
            if place.is_symlink():
                raise _refused(folder, place, "a symbolic link to nothing") from error
            continue
        if not place.is_dir():
            raise _refused(folder, place, "a file, expected a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise _refused(folder, place, "no permission to write")
        return


def _refused(folder: Path, place: Path, reason: str) -> InputError:
    at = "" if place == folder else f"{place}: "
    return InputError(f"cannot write results to {folder} ({at}{reason}): give another --out")
