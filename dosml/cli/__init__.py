"""The command line: one file per command; errors become one line and exit code 2."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from dosml.cli import (
    about,
    angular_need,
    dos,
    electron_series,
    env,
    evaluate,
    grid,
    learning_curve,
    nelect_scan,
    parts,
    phonons,
    predict_learnability,
    recommend_smearing,
    relabel,
    report,
    smear_scan,
    survey,
    theory,
    train,
    transfer,
)
from dosml.cli import map as electron_map
from dosml.cli.help_style import in_one_style
from dosml.cli.net import net, output, past_typer, readable, stop_on_signals
from dosml.surroundings import settle_caches
from dosml.terminal import print_line
from dosml.version import __version__


class _Commands(TyperGroup):
    """All commands; what typer would end in a way of its own comes to our net."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        in_one_style(self.commands.values())

    def invoke(self, ctx: Any) -> Any:
        with past_typer():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    name="dosml",
    help="Why are some metals hard for machine-learned force fields, and what does the electronic "
    "density of states have to do with it?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("smear-scan")(smear_scan.smear_scan)
app.command("nelect-scan")(nelect_scan.nelect_scan)
app.command("map")(electron_map.electron_map)
app.command("electron-series")(electron_series.electron_series)
app.command("survey")(survey.survey)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("recommend-smearing")(recommend_smearing.recommend_smearing)
app.command("phonons")(phonons.phonons)
app.add_typer(theory.app, name="theory")
app.command("dos")(dos.dos)
app.command("predict-learnability")(predict_learnability.predict_learnability)
app.command("train")(train.train)
app.command("grid")(grid.grid)
app.command("learning-curve")(learning_curve.learning_curve)
app.command("transfer")(transfer.transfer)
app.command("angular-need")(angular_need.angular_need)
app.add_typer(parts.engines, name="engines")
app.add_typer(parts.learners, name="learners")
app.add_typer(about.datasets, name="datasets")
app.command("cite")(about.cite)
app.command("info")(about.info)
app.add_typer(env.app, name="env")
app.add_typer(relabel.app, name="relabel")


def _print_version(asked: bool) -> None:
    if asked:
        print_line(f"dosml {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2, never a traceback."""
    stop_on_signals()
    settle_caches()
    with output(), net():
        app(args=readable(sys.argv[1:]))
