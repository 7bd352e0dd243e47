"""Options that every kind of scan takes, written once, and how a scan command runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from dosml.cli.quantities import LMax  # noqa: TC001 - typer reads the annotations at run time
from dosml.cli.shared_options import (
    DescriptorOptions,
    Number,
    PlaceOptions,
    Text,
    TrainingOptions,
    learner_words,
    make_reporter,
    named_options,
    training_given,
)
from dosml.errors import InputError
from dosml.relabel.engines.registry import OWN, engine_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dosml.studies.scan import ScanResult
    from dosml.studies.scan_settings import ScanSettings

Target = Annotated[Text, typer.Argument(help="An element (Ti) or your own frames (frames.extxyz).")]


class LabelOptions(TypedDict, total=False):
    """Where frames and labels come from; `{...}` is filled in by `scan_words`."""

    scheme: Annotated[Text, typer.Option(help="Smearing scheme. Default: the engine's own.")]
    engine: Annotated[
        Text,
        typer.Option(
            help="What computes the labels: {engines}, or any ase calculator as "
            "ase:MODULE:FUNCTION. Default: {default_engines}."
        ),
    ]
    engine_option: Annotated[
        list[str] | None,
        typer.Option(
            help="Option of the engine, NAME=VALUE; give it again for more. `dosml engines "
            "show NAME` lists them."
        ),
    ]
    labels: Annotated[
        Text,
        typer.Option(
            help="Take frames and labels that are made instead of computing them: a folder (a VASP "
            "study that was collected, a campaign, label sets of somebody else), or reference, "
            "the PBE labels that ship with dosml."
        ),
    ]
    dos_engine: Annotated[
        Text,
        typer.Option(help="Engine that gives labels without a DOS one, with --labels."),
    ]
    preset: Annotated[
        Text,
        typer.Option(
            help="Settings of the engine gpaw: laptop (300 eV, small cells) or paper (520 eV, "
            "dense k-points, published cells). Default: laptop."
        ),
    ]
    kpoints: Annotated[
        Text, typer.Option(help="k-point grid, such as 2,2,2. Default: the engine's own.")
    ]
    sampler: Annotated[
        Text,
        typer.Option(
            help="Potential that drives the sampling: classical (seconds) or engine (the labelling "
            "engine itself, slow); hard: half of the training frames are those that the sgp, "
            "trained on the others, knows least. Default: classical."
        ),
    ]
    train: Annotated[
        Number, typer.Option(help="Training frames, spread over the tiers. Default: {train}.")
    ]
    test: Annotated[
        Number, typer.Option(help="Held-out frames, spread over the tiers. Default: {test}.")
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
    retry_failed: Annotated[
        bool | None, typer.Option("--retry-failed", help="Try failed labels again.")
    ]


class AngularOptions(TypedDict, total=False):
    """One angular resolution, where a study of several has a list."""

    l_max: LMax


class PlanOptions(TypedDict, total=False):
    """What stands last."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with counts and an estimate.")
    ]


class ScanOptions(
    LabelOptions,
    TrainingOptions,
    DescriptorOptions,
    AngularOptions,
    PlaceOptions,
    PlanOptions,
    total=False,
):
    """Options of all scans in the order of --help; see `dosml.cli.shared_options`."""


def scan_words(model: type[ScanSettings]) -> dict[str, object]:
    """Words in the help of a kind of scan: its name, defaults, engines and learners."""
    defaults = {name: field.default for name, field in model.model_fields.items()}
    return {
        **defaults,
        **learner_words(),
        "command": model.command,
        "engines": ", ".join(engine_names()),
        "default_engines": _default_engines(),
    }


def settings_given(shared: ScanOptions) -> dict[str, Any]:
    """Options of all scans as settings; `--config` and `--dry-run` are none.

    Raises
    ------
    InputError
        If an option of an engine is given and no engine.
    """
    given = training_given(shared)
    given.pop("dry_run")
    options = named_options("--engine-option", given.pop("engine_option"))
    if options and given["engine"] is None:
        raise InputError(
            f"--engine-option {next(iter(options))}=...: say of which engine, with --engine; the "
            "default depends on the metal"
        )
    if options:
        given["engine_options"] = {given["engine"]: options}
    return given


def _default_engines() -> str:
    """Name the engines that are taken where none is named."""
    first, second = (entry.name for entry in OWN[:2])
    return f"{first} where it has the metal, else {second}"


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
    from dosml.studies.scan_settings import load_scan_settings

    settings = load_scan_settings(model, {**own, **settings_given(shared)}, shared["config"])
    # heavy imports only now: errors in options and --help come at once
    from dosml.plan import resolve

    plan = resolve(settings)
    reporter = make_reporter()
    if shared["dry_run"]:
        for line in plan.lines():
            reporter.show(line)
        return None
    from dosml.analysis.report.terminal import terminal_table
    from dosml.cli.tables import learners_table
    from dosml.studies.scan import run_scan

    result = run_scan(plan, reporter)
    reporter.show(terminal_table(result.table))
    if result.by_learner is not None:
        reporter.show(learners_table(result.by_learner))
    reporter.show(f"report: {result.report}")
    return result
