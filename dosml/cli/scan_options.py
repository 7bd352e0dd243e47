"""Options that every kind of scan takes, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dosml.scan import ScanResult
    from dosml.settings import ScanSettings

Text = str | None
Number = int | None

Target = Annotated[Text, typer.Argument(help="An element (Ti) or your own frames (frames.extxyz).")]
Scheme = Annotated[
    Text,
    typer.Option(
        help="Smearing scheme. Default: fermi-dirac with xtb, methfessel-paxton-1 with gpaw."
    ),
]
Engine = Annotated[Text, typer.Option(help="What computes the labels: xtb or gpaw. Default: xtb.")]
Preset = Annotated[
    Text,
    typer.Option(
        help="Settings of the engine gpaw: laptop (300 eV, small cells) or paper (520 eV, dense "
        "k-points, published cells). Default: laptop."
    ),
]
Kpoints = Annotated[
    Text,
    typer.Option(
        help="k-point grid, such as 2,2,2. Default: xtb the Gamma point, gpaw by its preset."
    ),
]
Cell = Annotated[
    Text,
    typer.Option(
        help="Sampled cells: published (one vacancy, vectors from 7 Å) or small (primitive cells "
        "repeated, no vacancy, vectors from 4.3 Å, no melt). Default: as the engine wants."
    ),
]
Learner = Annotated[
    Text,
    typer.Option(
        help="Force fields to train, a comma list of sgp, nequip, mace, soap-bpnn, pet, flare; all "
        "but sgp need dosml env create. Default: sgp."
    ),
]
Dataset = Annotated[
    Text,
    typer.Option(
        help="Take frames and labels from a set that ships with dosml instead of computing them: "
        "reference (PBE from GPAW)."
    ),
]
LearnerPreset = Annotated[
    Text, typer.Option(help="Settings of the peers: default, quick, or paper (nequip, flare).")
]
Epochs = Annotated[Number, typer.Option(help="Passes over the data of the peers, at most.")]
Sampler = Annotated[
    Text,
    typer.Option(
        help="Potential that drives the sampling: classical (seconds) or engine (the labelling "
        "engine itself, slow). Default: classical."
    ),
]
Seed = Annotated[Number, typer.Option(help="Seed of vacancy, velocities and split. Default: 0.")]
Workers = Annotated[
    Number, typer.Option(help="Labelling processes, one thread each. Default: all cores.")
]
Prototype = Annotated[
    Text, typer.Option(help="Crystal other than the ground state, such as omega for Ti.")
]
MinLength = Annotated[
    float | None,
    typer.Option(help="Shortest supercell vector in Å. Default: 7.0 or 4.3, see --cell."),
]
Cutoff = Annotated[float | None, typer.Option(help="Cutoff of the force field in Å.")]
RadialFunctions = Annotated[Number, typer.Option(help="Radial functions of the descriptor.")]
LargestL = Annotated[Number, typer.Option(help="Largest l of the descriptor.")]
Inducing = Annotated[Number, typer.Option(help="Inducing environments.")]
Device = Annotated[
    Text,
    typer.Option(
        help="Where to train: cpu or cuda. Default: sgp on the cpu, peers on a GPU if any."
    ),
]
RetryFailed = Annotated[
    bool | None, typer.Option("--retry-failed", help="Try failed labels again.")
]
Config = Annotated[
    Path | None, typer.Option(help="TOML file with any of these options; the command line wins.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan with counts and an estimate.")
]


def train_frames(default: int) -> Any:
    """Option --train; its help names the command's own default."""
    return typer.Option(help=f"Training frames, spread over the tiers. Default: {default}.")


def test_frames(default: int) -> Any:
    """Option --test; its help names the command's own default."""
    return typer.Option(help=f"Held-out frames, spread over the tiers. Default: {default}.")


def out_folder(command: str) -> Any:
    """Option --out; its help names the command's own default."""
    return typer.Option(help=f"Campaign folder. Default: dosml-{command}-TARGET.")


def run_command(model: type[ScanSettings], options: dict[str, Any]) -> ScanResult | None:
    """Read the options, then print the plan or run the scan and show what came out.

    Parameters
    ----------
    model
        Kind of scan.
    options
        Everything that the command line gave, `config` and `dry_run` among it; None: not given.

    Returns
    -------
    result
        None after a plan.

    Raises
    ------
    DosmlError
        With one line for the user.
    """
    from dosml.settings import load_scan_settings

    options = dict(options)
    config, dry_run = options.pop("config"), options.pop("dry_run")
    settings = load_scan_settings(model, options, config)
    # heavy imports only now: errors in options and --help come at once
    from dosml.progress import Reporter
    from dosml.scan import make_plan, run_scan

    reporter = Reporter()
    if dry_run:
        for line in make_plan(settings):
            reporter.console.print(line, highlight=False, soft_wrap=True)
        return None
    result = run_scan(settings, reporter)
    from dosml.analysis.terminal import terminal_table

    reporter.console.print(terminal_table(result.table))
    if result.by_learner is not None:
        from dosml.learner_findings import show_learners

        reporter.console.print(show_learners(result.by_learner))
    reporter.console.print(f"report: {result.report}", highlight=False, soft_wrap=True)
    return result
