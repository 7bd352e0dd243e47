"""`dosml structures`: structures of low energy."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from dosml.cli.quantities import Config, Numbers, numbers
from dosml.cli.shared_options import Number, Text, make_reporter, named_options


def structures(
    target: Annotated[
        str,
        typer.Argument(help="A cluster, such as Ti13, or a metal (Ti) with --atoms for a crystal."),
    ],
    *,
    atoms: Annotated[
        Number, typer.Option(help="Atoms in the cell of a crystal. Default: a cluster.")
    ] = None,
    pressure: Annotated[float | None, typer.Option(help="On a crystal, GPa. Default: 0.")] = None,
    prior: Annotated[
        Text,
        typer.Option(
            help="Prior mean, or a comma list to compare: none, classical (the sampling "
            "potential), a saved force field, a learner that needs no training, or any ase "
            "calculator as ase:MODULE:FUNCTION. Default: none."
        ),
    ] = None,
    engine: Annotated[
        Text, typer.Option(help="Engine of the energies. Default: the first that can.")
    ] = None,
    engine_option: Annotated[
        list[str] | None, typer.Option(help="Option of the engine, NAME=VALUE.")
    ] = None,
    sigma: Annotated[Numbers, numbers("Smearing of the engine in eV. Default: 0.2.")] = None,
    scheme: Annotated[
        Text, typer.Option(help="Smearing scheme. Default: the engine's own.")
    ] = None,
    calls: Annotated[
        Number, typer.Option(help="Calls of the engine in each search. Default: 30.")
    ] = None,
    starts: Annotated[
        Number, typer.Option(help="Random structures that a search begins with. Default: 4.")
    ] = None,
    seeds: Annotated[Number, typer.Option(help="Searches with each prior. Default: 5.")] = None,
    relaxations: Annotated[
        Number, typer.Option(help="Relaxations on the surrogate before each call. Default: 10.")
    ] = None,
    steps: Annotated[
        Number, typer.Option(help="Steps of each of these relaxations. Default: 30.")
    ] = None,
    kappa: Annotated[
        float | None, typer.Option(help="Weight of the uncertainty. Default: 2.")
    ] = None,
    keep: Annotated[
        Number, typer.Option(help="Structures that the engine relaxes in the end. Default: 5.")
    ] = None,
    seed: Annotated[Number, typer.Option(help="Seed of every draw. Default: 0.")] = None,
    device: Annotated[
        Text, typer.Option(help="Where a model runs. Default: where it was trained.")
    ] = None,
    workers: Annotated[Number, typer.Option(help="Searches at a time. Default: all cores.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-structures-TARGET.")
    ] = None,
    config: Annotated[Config, typer.Option(help="TOML file with any of these options.")] = None,
) -> None:
    """Search for structures of low energy with few calls of an engine.

    A Gaussian process on a force field as its prior mean relaxes candidates, and the engine is
    asked where energy minus uncertainty is least, every second time where energy is. Run the same
    command again to continue.

    Example: dosml structures Ti13 --engine tb --prior classical,none
    """
    from dosml.paths import check_output
    from dosml.searches.settings import SearchSettings
    from dosml.settings import join_settings

    given = {
        "target": target,
        "atoms": atoms,
        "pressure": pressure,
        "prior": prior,
        "engine": engine,
        "engine_options": named_options("--engine-option", engine_option) or None,
        "sigma": sigma,
        "scheme": scheme,
        "calls": calls,
        "starts": starts,
        "seeds": seeds,
        "relaxations": relaxations,
        "steps": steps,
        "kappa": kappa,
        "keep": keep,
        "seed": seed,
        "device": device,
        "workers": workers,
        "out": out,
    }
    settings = join_settings(SearchSettings, given, config, required="target", nothing="")
    check_output(settings.folder)
    from dosml.cli.tables import cells_table
    from dosml.searches.report import told_priors
    from dosml.searches.study import search_structures

    reporter = make_reporter()
    result = search_structures(settings, reporter)
    columns = {
        "rank": "rank",
        "value_ev_per_atom": "eV/atom",
        "above_mev": "above\nmeV/atom",
        "symmetry": "symmetry",
        "search": "found by",
        "call": "call",
    }
    reporter.show(cells_table(f"Structures of {settings.name}", result.table.head(8), columns))
    counts = {
        "prior": "prior",
        "searches": "searches",
        "reached": "reached",
        "calls": "median",
        "interval": "interval",
        "gap_mev": "last gap\nmeV/atom",
    }
    title = "Calls until within 10 meV/atom of the best"
    reporter.show(cells_table(title, told_priors(result.priors, settings.calls), counts))
    reporter.say(result.sentence)
    reporter.say(f"report: {result.report}")
