"""TOML files of settings, options checked, and what to say of a name that is not known.

Like `dosml.errors`, this module may be used by every room.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

AnyOptions = TypeVar("AnyOptions", bound=BaseModel)
#: Bytes of a file of settings, and letters of a line in it: every command's settings with a comment
#: each take a tenth, and longer ones (of a key with a hundred thousand dots) would take for ever.
_LARGEST, _LONGEST = 1 << 18, 4096


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML that somebody else wrote.

    Raises
    ------
    ValueError
        If it is none, or nothing that settings can be: lines without end, numbers of thousands of
        digits, lists in lists in lists.
    """
    if len(text) > _LARGEST or max(map(len, text.splitlines()), default=0) > _LONGEST:
        raise ValueError(
            f"it is longer than {_LARGEST} letters, or a line than {_LONGEST}: no settings are"
        )
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("lists or tables are nested too deeply") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read the file of --config.

    Raises
    ------
    InputError
        If the file cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(4 * _LARGEST)
        # editors on Windows begin with a byte order mark
        return parse_toml(raw.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read --config {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"--config {path} is not valid TOML: {error}") from error


def first_problem(error: ValueError) -> str:
    """Say in a few words what is wrong with a file, and where: pydantic's errors fill a page."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg'].lower()}" if where else first["msg"].lower()


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Ask "did you mean ...? " for the known word that is nearest; empty where none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def unknown_key(key: str, name: str, known: Collection[str]) -> str:
    """Say that a key is unknown, and which known name is near it, else all of them.

    Parameters
    ----------
    key
        As it stands in the file, with its table.
    name
        What to compare with the known names.
    known
        The names that the table takes.
    """
    hint = did_you_mean(name, known).strip() or f"known keys: {', '.join(known)}"
    return f"unknown key {key}; {hint}"


def checked_options(model: type[AnyOptions], owner: str, options: Mapping[str, Any]) -> AnyOptions:
    """Turn options into a model of them: one wording for all engines and learners.

    Parameters
    ----------
    owner
        Whose options they are, such as "the learner sgp".

    Raises
    ------
    InputError
        If an option is unknown or out of range: the message names it.
    """
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            known = list(model.model_fields)
            listed = f"the options are {', '.join(known)}" if known else "it has none"
            raise InputError(
                f"there is no option {where} of {owner}: {did_you_mean(where, known)}{listed}"
            ) from error
        own = first["type"] == "value_error"
        reason = str(first["ctx"]["error"]) if own else first["msg"].lower()
        raise InputError(
            f"option {where} of {owner} cannot be {first.get('input')!r}: {reason}"
        ) from error
