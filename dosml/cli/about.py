"""`dosml cite`, `dosml info`, `dosml datasets`: what to quote, what runs here, what ships."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dosml.cli.shared_options import make_reporter
from dosml.errors import InputError
from dosml.terminal import print_document, show
from dosml.version import __version__, run_versions

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

datasets = typer.Typer(help="Labels that ship with dosml.")


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
    for name, version in run_versions().items():
        _line(console, name, version)
    _line(console, "system", platform.platform())
    _line(console, "processor cores", str(os.cpu_count()))
    _line(console, "interpreter", sys.executable)
    _line(console, "engines", ", ".join(entry.name for entry in ENGINES.usable()))
    _line(console, "learners", ", ".join(entry.name for entry in LEARNERS.usable()))


@datasets.callback(invoke_without_command=True)
def list_datasets(context: typer.Context) -> None:
    """List the labels that ship; `dosml datasets show NAME` says what they are.

    Example: dosml smear-scan Ti --labels reference
    """
    if context.invoked_subcommand is not None:
        return
    from dosml.relabel.dataset import REFERENCE, reference_metals

    console = make_reporter().console
    _line(console, REFERENCE, f"PBE labels of {', '.join(reference_metals())}")
    _line(console, "use", f"--labels {REFERENCE}, or dosml.load({REFERENCE!r}, metal=...)")


@datasets.command("show")
def show_dataset(name: Annotated[str, typer.Argument(help="Name of a set.")]) -> None:
    """Say what a set of labels holds, how it was made and what it cannot show.

    Example: dosml datasets show reference
    """
    from dosml.relabel.dataset import REFERENCE, load, reference_metals

    if name != REFERENCE:
        raise InputError(f"no labels named {name} ship with dosml: there is {REFERENCE}")
    console = make_reporter().console
    for metal in reference_metals():
        data = load(name, metal=metal)
        widths = ", ".join(f"{one.smearing.width:g}" for one in data.electronic)
        noise = [one.noise for one in data.label_sets if one.noise is not None]
        known = f"; mesh noise {max(one.percent for one in noise):.2g} % at most" if noise else ""
        text = (
            f"{len(data.frames)} frames of {len(data.frames[0])} atoms ({len(data.test)} held "
            f"out), {data.electronic[0].smearing.scheme} at {widths} eV{known}"
        )
        _line(console, metal, text)
    for key, value in data.provenance.protocol.items():
        _line(console, key.replace("_", " "), str(value))
    for line in (data.provenance.warning, *data.provenance.limits):
        _line(console, "note", line)


def _line(console: Console, name: str, text: str) -> None:
    show(console, f"{name:<24}{text}")
