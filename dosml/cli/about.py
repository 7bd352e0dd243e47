"""`dosml cite`, `dosml info`: what to quote, what runs here."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from dosml.cli.shared_options import make_reporter
from dosml.terminal import print_document, show
from dosml.version import __version__, part_versions, run_versions

if TYPE_CHECKING:
    from rich.console import Console

PAPER = """\
@article{owen2024complexity,
  author  = {Owen, Cameron J. and others},
  title   = {Complexity of many-body interactions in transition metals via machine-learned force
             fields from the TM23 data set},
  journal = {npj Computational Materials},
  volume  = {10},
  pages   = {92},
  year    = {2024},
  doi     = {10.1038/s41524-024-01264-z},
}"""
SOFTWARE = """\
@software{{dosml,
  author  = {{{{The dosml developers}}}},
  title   = {{dosml}},
  version = {{{version}}},
}}"""


def cite() -> None:
    """Print what to cite, as BibTeX: the paper that asks the question, and dosml.

    Example: dosml cite >> references.bib
    """
    print_document(f"{PAPER}\n\n{SOFTWARE.format(version=__version__)}")


def info() -> None:
    """Print what runs here, for a report of a bug: versions, machine, engines and learners.

    Example: dosml info
    """
    from dosml.learners.registry import LEARNERS
    from dosml.relabel.engines.registry import ENGINES

    console = make_reporter().console
    for name, version in {**run_versions(), **part_versions()}.items():
        _line(console, name, version)
    _line(console, "system", platform.platform())
    _line(console, "processor cores", str(os.cpu_count()))
    _line(console, "interpreter", sys.executable)
    _line(console, "engines", ", ".join(entry.name for entry in ENGINES.usable()))
    _line(console, "learners", ", ".join(entry.name for entry in LEARNERS.usable()))


def _line(console: Console, name: str, text: str) -> None:
    show(console, f"{name:<24}{text}")
