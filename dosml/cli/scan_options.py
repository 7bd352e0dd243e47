"""Options that every kind of scan takes, written once, and how a scan command runs."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dosml.settings import ScanSettings
    from dosml.studies.scan import ScanResult

Text = str | None
Number = int | None

Target = Annotated[Text, typer.Argument(help="An element (Ti) or your own frames (frames.extxyz).")]


class ScanOptions(TypedDict, total=False):
    """Options of all scans in the order of --help; see `dosml.cli.shared_options`.

    `{train}`, `{test}` and `{command}` are filled in by `scan_words`.
    """

    scheme: Annotated[
        Text,
        typer.Option(
            help="Smearing scheme. Default: fermi-dirac with xtb, methfessel-paxton-1 with gpaw."
        ),
    ]
    engine: Annotated[
        Text, typer.Option(help="What computes the labels: xtb or gpaw. Default: xtb.")
    ]
    dataset: Annotated[
        Text,
        typer.Option(
            help="Take frames and labels from a set that ships with dosml instead of computing "
            "them: reference (PBE from GPAW)."
        ),
    ]
    preset: Annotated[
        Text,
        typer.Option(
            help="Settings of the engine gpaw: laptop (300 eV, small cells) or paper (520 eV, "
            "dense k-points, published cells). Default: laptop."
        ),
    ]
    kpoints: Annotated[
        Text,
        typer.Option(
            help="k-point grid, such as 2,2,2. Default: xtb the Gamma point, gpaw by its preset."
        ),
    ]
    learner: Annotated[
        Text,
        typer.Option(
            help="Force fields to train, a comma list of sgp, nequip, mace, soap-bpnn, pet, flare; "
            "all but sgp need dosml env create. Default: sgp."
        ),
    ]
    sampler: Annotated[
        Text,
        typer.Option(
            help="Potential that drives the sampling: classical (seconds) or engine (the labelling "
            "engine itself, slow). Default: classical."
        ),
    ]
    train: Annotated[
        Number, typer.Option(help="Training frames, spread over the tiers. Default: {train}.")
    ]
    test: Annotated[
        Number, typer.Option(help="Held-out frames, spread over the tiers. Default: {test}.")
    ]
    seed: Annotated[Number, typer.Option(help="Seed of vacancy, velocities and split. Default: 0.")]
    workers: Annotated[
        Number, typer.Option(help="Labelling processes, one thread each. Default: all cores.")
    ]
    out: Annotated[
        Path | None, typer.Option(help="Campaign folder. Default: dosml-{command}-TARGET.")
    ]
    prototype: Annotated[
        Text, typer.Option(help="Crystal other than the ground state, such as omega for Ti.")
    ]
    cell: Annotated[
        Text,
        typer.Option(
            help="Sampled cells: published (one vacancy, vectors from 7 Å) or small (primitive "
            "cells repeated, no vacancy, vectors from 4.3 Å, no melt). Default: as the engine "
            "wants."
        ),
    ]
    min_length: Annotated[
        float | None,
        typer.Option(help="Shortest supercell vector in Å. Default: 7.0 or 4.3, see --cell."),
    ]
    cutoff: Annotated[float | None, typer.Option(help="Cutoff of the force field in Å.")]
    n_max: Annotated[Number, typer.Option(help="Radial functions of the descriptor.")]
    l_max: Annotated[Number, typer.Option(help="Largest l of the descriptor.")]
    inducing: Annotated[Number, typer.Option(help="Inducing environments.")]
    learner_preset: Annotated[
        Text, typer.Option(help="Settings of the peers: default, quick, or paper (nequip, flare).")
    ]
    epochs: Annotated[Number, typer.Option(help="Passes over the data of the peers, at most.")]
    device: Annotated[
        Text,
        typer.Option(
            help="Where to train: cpu or cuda. Default: sgp on the cpu, peers on a GPU if any."
        ),
    ]
    retry_failed: Annotated[
        bool | None, typer.Option("--retry-failed", help="Try failed labels again.")
    ]
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these options; the command line wins."),
    ]
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with counts and an estimate.")
    ]


def scan_words(model: type[ScanSettings]) -> dict[str, object]:
    """Words in the help of a kind of scan: its name, and the defaults of its settings."""
    defaults = {name: field.default for name, field in model.model_fields.items()}
    return {**defaults, "command": model.command}


def settings_given(shared: ScanOptions) -> dict[str, object]:
    """Options of all scans that are settings, which --config and --dry-run are not."""
    return {name: value for name, value in shared.items() if name not in {"config", "dry_run"}}


def run_command(
    model: type[ScanSettings], own: Mapping[str, object], shared: ScanOptions
) -> ScanResult | None:
    """Read the options, then print the plan or run the scan and show what came out.

    Parameters
    ----------
    model
        Kind of scan.
    own, shared
        What the command line gave for the options of this scan and of all scans; None: not given.

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

    settings = load_scan_settings(model, {**own, **settings_given(shared)}, shared["config"])
    # heavy imports only now: errors in options and --help come at once
    from dosml.progress import Reporter
    from dosml.studies.scan import make_plan, run_scan

    reporter = Reporter()
    if shared["dry_run"]:
        for line in make_plan(settings):
            reporter.console.print(line, highlight=False, soft_wrap=True)
        return None
    result = run_scan(settings, reporter)
    from dosml.analysis.report.terminal import terminal_table

    reporter.console.print(terminal_table(result.table))
    if result.by_learner is not None:
        from dosml.studies.learner_findings import show_learners

        reporter.console.print(show_learners(result.by_learner))
    reporter.console.print(f"report: {result.report}", highlight=False, soft_wrap=True)
    return result
