"""A study: the smearing scan of several metals, one campaign folder each, and one joined report.

A metal whose scan fails is named and left out; the others go on. The same command continues a
study that was stopped: a metal that is done with the same settings is not touched again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.campaign import Campaign, logger
from dosml.errors import DiskSpaceError, DosmlError, InputError
from dosml.files import whole_file
from dosml.settings import SmearScanSettings, load_settings
from dosml.studies.frames_source import subject_of
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.progress import Reporter

#: What --small stands for; whatever the user gives wins.
SMALL: dict[str, Any] = {"sigma": (0.2, 1.0), "train": 9, "test": 6}
#: Written into a campaign folder when its scan has come to its end.
FINISHED = "finished.json"
#: Settings that do not change the results.
_NEUTRAL = {"workers", "out", "retry_failed"}


@dataclass(frozen=True)
class MetalOutcome:
    """What became of one metal.

    Attributes
    ----------
    target
        As given on the command line.
    folder
        Its campaign folder.
    seconds
        Wall time of the scan in this run; of the run that finished it where `reused`.
    reused
        Whether it was done before.
    failure
        Why there is no result, or None.
    """

    target: str
    folder: Path
    seconds: float
    reused: bool = False
    failure: str | None = None


def study_settings(
    targets: Sequence[str],
    options: Mapping[str, Any],
    config: Path | None,
    *,
    small: bool,
    folder: Path,
) -> list[SmearScanSettings]:
    """Make the settings of every scan; all are checked before the first one starts.

    Parameters
    ----------
    targets
        Elements or frame files.
    options
        Options of the command line, as `dosml.settings.load_settings` takes them.
    config
        TOML file of a smearing scan, or None.
    small
        Take `SMALL` for what is not given.
    folder
        The study folder; each campaign lies in it under the target's name.

    Raises
    ------
    InputError
        If a target is given twice or an option cannot be used.
    UnknownElementError, FrameError
        If a target is neither a metal nor a frame file.
    """
    chosen = []
    for target in targets:
        settings = load_settings({**options, "target": target}, config)
        if small:
            given = settings.model_dump(exclude_unset=True)
            settings = SmearScanSettings.model_validate({**SMALL, **given})
        name = settings.folder.name.removeprefix(f"dosml-{settings.command}-")
        settings = settings.model_copy(update={"out": folder / name})
        subject_of(settings)
        chosen.append(settings)
    folders = [settings.folder.name for settings in chosen]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)} given twice: name each metal of a study once")
    return chosen


def study_plan(settings: Sequence[SmearScanSettings]) -> list[str]:
    """Lines that say what a run would do for each metal; nothing is written."""
    from dosml.studies.scan import make_plan

    lines = []
    for one in settings:
        state = "done before, not touched" if finished_before(one) is not None else "to do"
        lines += [f"{one.target}: {state}", *(f"  {line}" for line in make_plan(one))]
    return lines


def run_study(
    settings: Sequence[SmearScanSettings], folder: Path, reporter: Reporter
) -> list[MetalOutcome]:
    """Run the scan of every metal that is not done.

    Parameters
    ----------
    settings
        From `study_settings`.
    folder
        The study folder.
    reporter
        Where lines go.

    Returns
    -------
    list of MetalOutcome
        In the order of `settings`; a metal that failed carries the reason.

    Raises
    ------
    CampaignLockedError
        If another run uses the study folder.
    DiskSpaceError
        If the disk is full: no other metal could go on.
    """
    outcomes = []
    with Campaign(folder, "several metals") as study:
        study.record({"targets": [one.target for one in settings]})
        for number, one in enumerate(settings, 1):
            reporter.say(f"metal {number} of {len(settings)}: {one.target}")
            outcomes.append(_run_metal(one, reporter))
    return outcomes


def finished_before(settings: SmearScanSettings) -> float | None:
    """Seconds of the run that finished this very scan, or None where it is still to be done."""
    try:
        read = json.loads((settings.folder / FINISHED).read_text(encoding="utf-8"))
        seconds = float(read["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = read.get("key") == _key(settings) and (settings.folder / "results.csv").exists()
    return seconds if same else None


def _key(settings: SmearScanSettings) -> dict[str, Any]:
    """Everything that the results depend on, as plain values."""
    return {
        "dosml": __version__,
        "subject": subject_of(settings),
        **settings.model_dump(mode="json", exclude=_NEUTRAL),
    }


def _run_metal(settings: SmearScanSettings, reporter: Reporter) -> MetalOutcome:
    # torch and matplotlib come with the scan
    from dosml.studies.scan import run_scan

    before = finished_before(settings)
    if before is not None and not settings.retry_failed:
        reporter.say(f"{settings.target}: done before, results in {settings.folder}")
        return MetalOutcome(settings.target, settings.folder, before, reused=True)
    start = time.perf_counter()
    try:
        run_scan(settings, reporter)
    except DiskSpaceError:
        raise
    except DosmlError as error:
        return _failed(settings, start, " ".join(str(error).split()), reporter)
    except Exception as error:  # noqa: BLE001 - the next metal goes on
        # one metal must not take the others down, whatever its engine or learner does
        logger.exception("the scan of %s ended early", settings.target)
        return _failed(settings, start, f"{type(error).__name__}: {error}", reporter)
    seconds = time.perf_counter() - start
    content = json.dumps({"key": _key(settings), "seconds": seconds}, indent=2)
    with whole_file(settings.folder / FINISHED) as path:
        path.write_text(content + "\n", encoding="utf-8")
    reporter.say(f"{settings.target}: done in {seconds:.0f} s")
    return MetalOutcome(settings.target, settings.folder, seconds)


def _failed(
    settings: SmearScanSettings, start: float, reason: str, reporter: Reporter
) -> MetalOutcome:
    reporter.warn(f"{settings.target} has no result, the others go on: {reason}")
    seconds = time.perf_counter() - start
    return MetalOutcome(settings.target, settings.folder, seconds, failure=reason)
