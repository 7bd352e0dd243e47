"""The Python API of what is done with force fields: validation, hard frames, structure searches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.api_common import reporter_for, study_options
from dosml.paths import expand_home
from dosml.settings import join_settings
from dosml.studies.open_study import load_study_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.searches.report import SearchResult
    from dosml.studies.label_more_report import MoreResult
    from dosml.studies.validate_report import Validated

__all__ = ["label_more", "structures", "validate"]


def label_more(
    targets: str | Path | Sequence[str | Path] = (), *, progress: bool = False, **options: Any
) -> MoreResult:
    """Label the frames that the sgp knows least; options of `dosml label-more`.

    Parameters
    ----------
    targets
        A campaign folder, or label sets whose engine is known.
    progress
        Whether to print lines and progress bars.
    options
        Such as `add=12`, `batch=4`, `random=3`, `out="folder"`.

    Returns
    -------
    MoreResult
        With `table`, `differences`, `overlap`, `models` and `report`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.studies.label_more import label_more as run
    from dosml.studies.more_settings import MoreSettings

    settings = load_study_settings(MoreSettings, study_options(targets, options))
    return run(settings, reporter_for("label-more", progress=progress))


def structures(target: str, *, progress: bool = False, **options: Any) -> SearchResult:
    """Search for structures of low energy; options of `dosml structures`.

    Parameters
    ----------
    target
        A cluster ("Ti13"), or a metal ("Ti") with `atoms=4`.
    progress
        Whether to print lines and progress bars.
    options
        Such as `engine="tb"`, `prior="classical,none"`, `calls=40`, `seeds=5`, `out="folder"`.

    Returns
    -------
    SearchResult
        With `structures`, `table`, `priors`, `differences` and `report`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.searches.settings import SearchSettings
    from dosml.searches.study import search_structures

    given = {**options, "target": target}
    settings = join_settings(SearchSettings, given, None, required="target", nothing="")
    return search_structures(settings, reporter_for("structures", progress=progress))


def validate(
    model: str | Path,
    *,
    engine: str | None = None,
    sigma: float | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Validated:
    """Judge a force field by molecular dynamics; options of `dosml validate`.

    Parameters
    ----------
    model
        File of a saved model, or `ase:MODULE:FUNCTION`.
    engine, sigma
        What it is held against, and the smearing (eV) of that.
    device
        Where a model runs.
    out
        Folder; None: dosml-validate-CRYSTAL-NAME.
    progress
        Whether to print lines and progress bars.
    options
        Such as `structure="fcc-Cu"`, `temperature=(300, 900)`, `steps=2000`, `melting=True`.

    Returns
    -------
    Validated
        With `stable`, `sentence`, `runs`, `crystals`, `checks` and `report`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.studies.validate import validate_model

    return validate_model(
        expand_home(str(model)),
        reporter_for("validate", progress=progress),
        engine=engine,
        sigma=sigma,
        device=device,
        out=None if out is None else Path(expand_home(str(out))),
        options=options,
    )
