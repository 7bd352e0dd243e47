"""The site: pages of this folder and an API reference from docstrings (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.cli import app as dosml_app
from dosml.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "dosml"
author = "The dosml developers"
release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath", "linkify"]
myst_heading_anchors = 4
# notebooks show what their test found again: nothing runs while the site is built
nb_execution_mode = "off"
# pages link files of the repository (data cards, tests); on the site these are downloads
exclude_patterns = ["images/*"]
html_theme = "furo"
html_title = "dosml"
numpydoc_show_class_members = False
autosummary_generate = True


def write_cli_page(_app: Sphinx) -> None:
    """Write `cli.md`, every command with its options, from the commands themselves."""
    from typer.main import get_command

    from dosml.cli.help_style import split_default

    lines = ["# Command line", "", "`dosml COMMAND --help` prints the same.", ""]
    commands = list(get_command(dosml_app).commands.items())
    for name, command in commands:
        parts = getattr(command, "commands", None)
        if parts:
            commands += [(f"{name} {part}", one) for part, one in parts.items()]
    for name, command in sorted(commands):
        lines += [f"## dosml {name}", "", (command.help or "").replace("<", "\\<"), ""]
        options = [one for one in command.params if getattr(one, "help", None)]
        if options:
            lines += ["| option | | default |", "| --- | --- | --- |"]
            for one in options:
                words, default = " ".join(one.help.split()), ""
                if one.param_type_name == "option" and not one.is_flag:
                    words, default = split_default(one)
                    default = "required" if one.required else default
                cells = [part.replace("|", "\\|").replace("<", "\\<") for part in (words, default)]
                lines.append(f"| `{', '.join(one.opts)}` | {cells[0]} | {cells[1]} |")
            lines.append("")
    (Path(__file__).parent / "cli.md").write_text("\n".join(lines), encoding="utf-8")


def write_gallery(app: Sphinx, exception: Exception | None) -> None:
    """Put the reports of the gallery beside the pages."""
    sys.path.insert(0, str(Path(__file__).parent))
    from make_gallery import unpack

    if exception is None:
        unpack(Path(app.outdir) / "gallery")


def setup(app: Sphinx) -> None:
    """Write pages that are made before the others are read, and those that sphinx does not know."""
    app.connect("builder-inited", write_cli_page)
    app.connect("build-finished", write_gallery)
