"""The whole tool from Python: what the commands do, with a result that a notebook can use.

Quiet unless `progress=True`; what is left out on the way is said with `warnings.warn`. Everything
lies in a campaign folder, as with the commands: the same call continues or reads what is there.
Errors are `dosml.errors.DosmlError`s with one line of text.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io

from dosml.campaign import RECORD
from dosml.errors import InputError
from dosml.files import whole_file
from dosml.learners.lammps import LammpsForceField, start_lammps
from dosml.learners.registry import load_model
from dosml.paths import expand_home
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.relabel.dataset import load as load_labels
from dosml.relabel.frames import SCAN, canonical, check_frames, frame_id
from dosml.relabel.store import content_hash
from dosml.results import Models, Scan, Survey, Trained
from dosml.studies.open_study import CurveSettings, GridSettings, TrainSettings
from dosml.studies.open_study import load_study_settings as read_study
from dosml.studies.scan import run_scan
from dosml.studies.scan_settings import (
    ElectronScanSettings,
    MapSettings,
    SmearScanSettings,
    load_scan_settings,
)
from dosml.studies.survey import run_survey, survey_plans
from dosml.studies.survey_report import report_campaigns
from dosml.terminal import make_console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from ase import Atoms

    from dosml.relabel.dataset import Dataset
    from dosml.studies.scan_settings import ScanSettings

__all__ = [
    "LammpsForceField",
    "Models",
    "Scan",
    "Survey",
    "Trained",
    "electron_map",
    "grid",
    "learning_curve",
    "load",
    "load_model",
    "nelect_scan",
    "smear_scan",
    "start_lammps",
    "survey",
    "train",
]


def smear_scan(
    target: str | Path | Sequence[Atoms] | None = None, *, progress: bool = False, **options: Any
) -> Scan:
    """Label the same frames at several smearings and retrain a force field on each.

    Parameters
    ----------
    target
        An element ("Ti"), a file of frames, or frames; with `labels`, the metal to take.
    progress
        Whether to print lines and progress bars.
    options
        Options of `dosml smear-scan` by name, with underscores: `sigma=(0.2, 1.0)` (eV),
        `engine="xtb"`, `learner=("sgp",)`, `train=27`, `test=12`, `out="folder"`,
        `labels="reference"` (or a folder), `learner_options={"sgp": {"zeta": 1}}`.

    Returns
    -------
    Scan
        With `table`, `dos`, `dataset`, `models`, `figures`, `report`.

    Raises
    ------
    DosmlError
        With one line that says what to do; everything finished stays in the folder.
    """
    return _scan(SmearScanSettings, target, options, progress=progress)


def nelect_scan(
    target: str | Path | Sequence[Atoms] | None = None, *, progress: bool = False, **options: Any
) -> Scan:
    """Label the same frames with electrons added or removed; options of `dosml nelect-scan`.

    See `smear_scan`; `electrons=(-2, -1, 0)` are added per atom, `as_element="Os"` is `--as Os`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    return _scan(ElectronScanSettings, target, options, progress=progress)


def electron_map(
    target: str | Path | Sequence[Atoms] | None = None, *, progress: bool = False, **options: Any
) -> Scan:
    """Vary smearing and electron number on a grid; options of `dosml map`. See `smear_scan`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    return _scan(MapSettings, target, options, progress=progress)


def survey(
    metals: Sequence[str] = (),
    *,
    out: str | Path = "dosml-survey",
    small: bool = False,
    progress: bool = False,
    **options: Any,
) -> Survey:
    """Scan several metals and report whether the d-DOS tells the force error.

    Parameters
    ----------
    metals
        Elements or files of frames; none takes every metal of `labels`.
    out
        Folder; each metal's campaign lies in it.
    small
        Fewer settings and frames where none are given.
    progress
        Whether to print lines and progress bars.
    options
        As for `smear_scan`.

    Raises
    ------
    DosmlError
        If nothing could be scanned. A metal that failed is in `failures`.
    """
    reporter = _reporter("survey", progress=progress)
    folder = Path(expand_home(str(out)))
    plans = survey_plans(metals, options, None, small=small, folder=folder)
    outcomes = run_survey(plans, folder, reporter)
    failures = {one.target: one.failure for one in outcomes if one.failure is not None}
    done = {one.target: one.folder for one in outcomes if one.failure is None}
    if not done:
        raise InputError("; ".join(f"{metal}: {reason}" for metal, reason in failures.items()))
    report_campaigns(list(done.values()), folder, reporter, outcomes=outcomes)
    return Survey(folder, {metal: Scan(place) for metal, place in done.items()}, failures)


def train(
    targets: str | Path | Sequence[str | Path] = (), *, progress: bool = False, **options: Any
) -> Trained:
    """Train force fields on labels that are made; options of `dosml train`.

    Parameters
    ----------
    targets
        A campaign folder, an element whose scan is here, or label sets (extxyz).
    progress
        Whether to print lines and progress bars.
    options
        Such as `learner=("sgp",)`, `labels="reference"`, `hold_out=0.2`, `out="folder"`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.studies.train import train as run

    settings = read_study(TrainSettings, _study_options(targets, options))
    return _trained(run(settings, _reporter("train", progress=progress)))


def learning_curve(
    targets: str | Path | Sequence[str | Path] = (), *, progress: bool = False, **options: Any
) -> Trained:
    """Train on growing numbers of frames; options of `dosml learning-curve`. See `train`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.studies.learning_curve import learning_curve as run

    settings = read_study(CurveSettings, _study_options(targets, options))
    result = run(settings, _reporter("learning-curve", progress=progress))
    return _trained(result, result.fits)


def grid(
    targets: str | Path | Sequence[str | Path] = (), *, progress: bool = False, **options: Any
) -> Trained:
    """Compare options of a learner: `vary={"l_max": (2, 3, 4)}`; options of `dosml grid`.

    See `train`.

    Raises
    ------
    DosmlError
        With one line that says what to do.
    """
    from dosml.studies.grid import grid as run

    settings = read_study(GridSettings, _study_options(targets, options))
    return _trained(run(settings, _reporter("grid", progress=progress)))


def load(folder: str | Path, *, metal: str | None = None) -> Scan | Survey | Dataset:
    """Read what lies in a folder: a finished scan, a survey of scans, or labels.

    Parameters
    ----------
    folder
        Of a command, of label sets, a file of labels, or "reference", the PBE labels that ship.
    metal
        Take the labels of this element only; "reference" needs it.

    Raises
    ------
    DosmlError
        If it is none of them, or damaged.
    """
    path = Path(expand_home(str(folder)))
    if (path / "results.csv").is_file() and (path / RECORD).is_file():
        return Scan(path)
    inside = sorted(one.parent for one in path.glob(f"*/{RECORD}"))
    if (path / RECORD).is_file() and inside:
        done = {one.name: Scan(one) for one in inside if (one / "results.csv").is_file()}
        return Survey(path, done)
    return load_labels(folder if metal is not None else path, metal=metal)


def _scan(
    model: type[ScanSettings], target: Any, options: Mapping[str, Any], *, progress: bool
) -> Scan:
    options = {name.removesuffix("_"): value for name, value in options.items()}
    if target is not None and not isinstance(target, (str, Path)):
        target, options = _own_frames(target, options, model.command)
    if target is None and options.get("labels") is not None:
        from dosml.studies.labels import subjects_of

        target, *others = subjects_of(str(options["labels"]), options.get("scheme"))
        if others:
            raise InputError(
                f"labels={options['labels']!r} holds {', '.join([target, *others])}: name one of "
                "them, or call dosml.survey for all"
            )
    if options.get("labels") is not None:
        options["labels"] = str(options["labels"])
    settings = load_scan_settings(
        model, {**options, "target": None if target is None else str(target)}
    )
    result = run_scan(resolve(settings), _reporter(model.command, progress=progress))
    return Scan(result.folder)


def _own_frames(
    frames: Sequence[Atoms], options: Mapping[str, Any], command: str
) -> tuple[Path, dict[str, Any]]:
    """Write frames beside what the campaign makes, named by content."""
    kept = [canonical(frame) for frame in frames]
    check_frames(kept, "the frames given", SCAN)
    name = content_hash({"frames": [frame_id(frame) for frame in kept]})
    out = Path(options.get("out") or f"dosml-{command}-{name}")
    path = out / "given" / f"{name}.extxyz"
    with whole_file(path) as partial:
        ase.io.write(partial, kept, format="extxyz")
    return path, {**options, "out": out}


def _study_options(targets: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    given = [targets] if isinstance(targets, (str, Path)) else list(targets)
    return {**options, "targets": tuple(map(str, given)) or None}


def _trained(result: Any, fits: pd.DataFrame | None = None) -> Trained:
    figures = {path.stem: path for path in result.files if path.suffix == ".png"}
    return Trained(result.folder, result.table, Models(result.models), figures, fits)


class _QuietReporter(Reporter):
    """Says nothing but warnings, in Python's own way."""

    def say(self, text: str) -> None:
        """Log a line."""
        self.log(text)

    def warn(self, text: str) -> None:
        """Warn the caller."""
        self.log(text)
        warnings.warn(text, stacklevel=2)


def _reporter(command: str, *, progress: bool) -> Reporter:
    words = f"dosml.{command.replace('-', '_')}(...) from Python"
    if progress:
        return Reporter(command=words)
    return _QuietReporter(make_console(quiet=True), words)
