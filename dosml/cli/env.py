"""`dosml env`: environments of the peer force fields."""

from __future__ import annotations

from typing import Annotated

import typer

from dosml.terminal import make_console, new_table, print_line
from dosml.terminal import show as show_content

app = typer.Typer(
    help="Environments of the peer force fields: each has one of its own, in locked versions.",
    no_args_is_help=True,
)


@app.command("create")
def create(
    name: Annotated[
        str,
        typer.Argument(
            help="flare, mace, metatrain (soap-bpnn, pet), nequip, tace or universal (chgnet, "
            "chgnet-rf, sevennet)."
        ),
    ],
    torch_index: Annotated[
        str | None,
        typer.Option(
            help="Index of the torch wheels, for GPUs, such as "
            "https://download.pytorch.org/whl/cu130. Default: the small CPU build."
        ),
    ] = None,
) -> None:
    """Make an environment: a virtual environment and pip, versions locked in dosml.

    It lies in DOSML_ENVIRONMENTS, or else in dosml/environments in the user's cache folder.
    """
    from dosml.learners.peers import environments

    chosen = environments.environment_name(name)
    made = environments.create(
        chosen, torch_index=torch_index or environments.TORCH_CPU_INDEX, say=print_line
    )
    print_line(f"{made.name}: {_versions(made)}; {made.size_mb} MB in {made.folder}")


@app.command("list")
def show() -> None:
    """Say which environments are there, with versions and sizes."""
    from dosml.learners.peers import environments

    table = new_table()
    for heading in ("environment", "learners", "versions", "size"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for name, recipe in environments.RECIPES.items():
        found = environments.find(name)
        versions = _versions(found) if found else f"missing: dosml env create {name}"
        size = f"{found.size_mb} MB" if found else "-"
        table.add_row(name, ", ".join(recipe.learners), versions, size)
    console = make_console()
    show_content(console, table)
    show_content(console, f"folder: {environments.environments_folder()}")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The environment, or a learner that uses it.")],
) -> None:
    """Remove an environment from the disk."""
    from dosml.errors import InputError
    from dosml.learners.peers import environments

    folder = environments.remove(environments.environment_name(name))
    if folder is None:
        raise InputError(f"there is no environment {name} in {environments.environments_folder()}")
    print_line(f"removed {folder}")


def _versions(environment: object) -> str:
    from dosml.learners.peers.environments import RECIPES, Environment

    assert isinstance(environment, Environment)
    names = RECIPES[environment.name].packages
    held = {key.lower().replace("_", "-"): value for key, value in environment.versions.items()}
    return ", ".join(f"{name} {held[name]}" for name in names if name in held)
