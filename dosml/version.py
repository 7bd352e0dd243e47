"""The version of dosml, in one place, and those of other packages; a leaf for every room."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__version__ = "0.1.0"


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of installed packages by name; one that is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
