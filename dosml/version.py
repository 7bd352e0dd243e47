"""What is installed: versions, how a part is added, where its pages are; a leaf for every room."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__version__ = "0.1.0"
#: Packages whose versions a reader needs to repeat numbers; engines and learners name their own.
PACKAGES = (
    *("ase", "matplotlib", "numpy", "pandas", "plotly", "pymatgen", "scipy"),
    *("sphericart", "torch", "vesin"),
)
#: In a requirement: what ends the name of the package, and what only developers install.
_END, _DEVELOPMENT = re.compile(r"[^\w.-]"), re.compile(r"extra == .(dev|docs)\b")


def install_hint(extra: str) -> str:
    """Say how a part that is asked for by name is installed: dosml comes from a clone."""
    return f"in a clone of dosml, pip install '.[{extra}]'"


def docs_page(name: str) -> str:
    """Say where a page of the documentation is, for messages and reports.

    Parameters
    ----------
    name
        Of the page, "engines".

    Returns
    -------
    str
        Its address, of which reports make a link, once pyproject.toml names a public site
        ("Documentation" under `project.urls`); until then the file in a clone.
    """
    for line in metadata("dosml").get_all("Project-URL") or ():
        label, _, site = line.partition(", ")
        if label == "Documentation":
            return f"{site.rstrip('/')}/{name}.html"
    return f"docs/{name}.md in a clone of dosml"


def run_versions() -> dict[str, str]:
    """Versions of dosml, Python and `PACKAGES`, for the record of a run."""
    return {
        "dosml": __version__,
        "python": platform.python_version(),
        **package_versions(PACKAGES),
    }


def part_versions() -> dict[str, str]:
    """Versions of all packages that dosml may use, those of parts asked for by name included."""
    own = [line for line in requires("dosml") or () if not _DEVELOPMENT.search(line)]
    return package_versions(sorted(_END.split(line, maxsplit=1)[0] for line in own))


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of installed packages by name; one that is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
