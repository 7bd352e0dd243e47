"""The command line: one file per command; errors become one line and exit code 2."""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from dosml.cli import (
    about,
    dos,
    env,
    evaluate,
    grid,
    learning_curve,
    nelect_scan,
    parts,
    phonons,
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
from dosml.errors import DosmlError
from dosml.version import __version__

#: Exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130

app = typer.Typer(
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
app.command("survey")(survey.survey)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("recommend-smearing")(recommend_smearing.recommend_smearing)
app.command("phonons")(phonons.phonons)
app.add_typer(theory.app, name="theory")
app.command("dos")(dos.dos)
app.command("train")(train.train)
app.command("grid")(grid.grid)
app.command("learning-curve")(learning_curve.learning_curve)
app.command("transfer")(transfer.transfer)
app.add_typer(parts.engines, name="engines")
app.add_typer(parts.learners, name="learners")
app.add_typer(about.datasets, name="datasets")
app.command("cite")(about.cite)
app.command("info")(about.info)
app.add_typer(env.app, name="env")
app.add_typer(relabel.app, name="relabel")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"dosml {__version__}")
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
    try:
        app()
    except DosmlError as error:
        _fail(str(error), 2)
    except (KeyboardInterrupt, SystemExit) as end:
        # typer turns Ctrl-C in a command into a silent exit with this code
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        _fail("stopped: run the same command again to continue", INTERRUPTED)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            _fail(
                "no space left on the disk: free some and run the same command again; finished "
                "work is kept",
                2,
            )
        _fail(f"{error}; details in {_write_traceback()}", 2)
    except Exception as error:  # noqa: BLE001 - the last net: the user gets one line
        _fail(f"{type(error).__name__}: {error}; details in {_write_traceback()}", 2)


def _fail(message: str, code: int) -> None:
    print(f"dosml: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _write_traceback() -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="dosml-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as handle:
        traceback.print_exc(file=handle)
    return Path(handle.name)
