"""`dosml engines` and `dosml learners`: what there is, and the options of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dosml.errors import InputError
from dosml.learners.registry import LEARNERS
from dosml.relabel.engines.registry import ENGINES
from dosml.terminal import print_line
from dosml.version import docs_page

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from dosml.registry import Registry

engines = typer.Typer(help="What computes labels: the engines, and the options of each.")
learners = typer.Typer(help="What is trained: the force fields, and the options of each.")


@engines.callback(invoke_without_command=True)
def list_engines(context: typer.Context) -> None:
    """List the engines; `dosml engines show NAME` has the options of one."""
    if context.invoked_subcommand is None:
        _list(ENGINES, "--engine ase:MODULE:FUNCTION takes any ase calculator")


@engines.command("show")
def show_engine(
    name: Annotated[str, typer.Argument(help="Name of an engine.")],
    metal: Annotated[
        str | None, typer.Option(help="Say how good its labels of this metal are, where it knows.")
    ] = None,
) -> None:
    """Say what an engine is and what options it has."""
    if metal is None:
        _show(ENGINES, name, "--engine-option")
        return
    card = ENGINES.entry(name).card
    if card is None:
        raise InputError(
            f"the engine {name} has no card of {metal}: {docs_page('engines')} compares the engines"
        )
    for line in card(metal):
        print_line(line)


@learners.callback(invoke_without_command=True)
def list_learners(context: typer.Context) -> None:
    """List the force fields; `dosml learners show NAME` has the options of one."""
    if context.invoked_subcommand is None:
        _list(LEARNERS, "--learner ase:MODULE:FUNCTION takes any ase calculator, untrained")


@learners.command("show")
def show_learner(name: Annotated[str, typer.Argument(help="Name of a force field.")]) -> None:
    """Say what a force field is and what options it has."""
    _show(LEARNERS, name, "--learner-option")


def _list(registry: Registry[Any], last: str) -> None:
    for entry in registry.usable():
        print_line(f"{entry.name:<12}{entry.help}")
    print_line(last)


def _show(registry: Registry[Any], name: str, option: str) -> None:
    entry = registry.entry(name)
    print_line(f"{entry.name}: {entry.help}")
    fields: dict[str, FieldInfo] = entry.options.model_fields
    if not fields:
        print_line("no options")
    for field, known in fields.items():
        default = "none" if known.default is None else known.default
        words = f"; {known.description}" if known.description else ""
        print_line(f"  {option} {field}=...  default {default}{words}")
