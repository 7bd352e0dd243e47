"""`dosml benchmark`: any learner on any collection of metals."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated, Unpack

import typer

from dosml.cli.grid import read_values
from dosml.cli.quantities import LMax, Numbers, numbers
from dosml.cli.shared_options import (
    DescriptorOptions,
    Number,
    PlaceOptions,
    Text,
    TrainingOptions,
    learner_words,
    make_reporter,
    spelled_out,
    training_given,
)


class BenchmarkOptions(TrainingOptions, DescriptorOptions, PlaceOptions, total=False):
    """Options that other commands have too."""


@spelled_out({**learner_words(), "command": "benchmark"})
def benchmark(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Labels of several metals: a collection (dosml data list), reference, a folder, "
            "or a file.",
            show_default=False,
        ),
    ] = None,
    *,
    metals: Annotated[Text, typer.Option(help="Metals, a comma list. Default: all.")] = None,
    protocol: Annotated[
        Text,
        typer.Option(
            help="What is trained, a comma list of full (the split of the labels), transfer "
            "(coldest tier to all), curve (frames of the hottest tier), grid (options of a "
            "learner), size (larger cells). Default: full."
        ),
    ] = None,
    label_sets: Annotated[Text, typer.Option(help="Label sets to use. Default: all.")] = None,
    hold_out: Annotated[
        float | None, typer.Option(help="Share of the frames to hold out. Default: as marked.")
    ] = None,
    train: Annotated[
        Number, typer.Option(help="Training frames of each metal, drawn. Default: all.")
    ] = None,
    test: Annotated[
        Number, typer.Option(help="Held-out frames of each metal, drawn. Default: all.")
    ] = None,
    sizes: Annotated[Numbers, numbers("Training frames of a learning curve, a comma list.")] = None,
    tier: Annotated[Text, typer.Option(help="Tier of the curve. Default: the hottest.")] = None,
    supercell: Annotated[
        Text, typer.Option(help="Labels of larger cells of the same metals, for size.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Option of a learner with its values, NAME=VALUE,VALUE, for grid."),
    ] = None,
    l_max: LMax = None,
    dos_engine: Annotated[
        Text,
        typer.Option(help="Engine of the DOS, or none. Default: the one for each metal."),
    ] = None,
    dos_frames: Annotated[
        Number, typer.Option(help="Molten test frames whose DOS is taken. Default: 3.")
    ] = None,
    no_stress: Annotated[bool, typer.Option("--no-stress", help="Leave the stresses out.")] = False,
    **given: Unpack[BenchmarkOptions],
) -> None:
    """Train and test force fields on many metals, rank them, and say why each metal is hard.

    Universal potentials (chgnet, sevennet, any ase calculator) are tested as they are, and once
    more with one fitted factor. Run the same command again to continue one that was stopped.

    Example: dosml benchmark reference --learner sgp,chgnet
    """
    from dosml.settings import join_settings
    from dosml.studies.benchmark.settings import BenchmarkSettings

    config: list[Path] | None = given["config"]
    own: dict[str, object] = {
        "source": source,
        "metals": metals,
        "protocol": protocol,
        "label_sets": label_sets,
        "hold_out": hold_out,
        "train": train,
        "test": test,
        "sizes": sizes,
        "tier": tier,
        "supercell": supercell,
        "vary": read_values(vary) if vary else None,
        "l_max": l_max,
        "dos_engine": dos_engine,
        "dos_frames": dos_frames,
        "stress": False if no_stress else None,
        **training_given(given),
    }
    settings = join_settings(
        BenchmarkSettings,
        own,
        config,
        required="source",
        nothing="no labels named: give a collection (dosml data list), reference, a folder or a "
        "file",
    )
    from dosml.cli.tables import ranking_table
    from dosml.studies.benchmark.run import run_benchmark

    reporter = make_reporter()
    result = run_benchmark(settings, reporter)
    reporter.show(ranking_table(result.ranking))
    for path in result.files:
        reporter.show(f"wrote {path}")
