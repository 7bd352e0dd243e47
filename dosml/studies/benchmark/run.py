"""`dosml benchmark`: train and test every learner on every metal, and report."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign, logger
from dosml.errors import DosmlError, InputError, LearnerError
from dosml.paths import check_output
from dosml.plan import long_trainings
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.own_d import no_d_words
from dosml.studies.benchmark.others import LABELS, files_of_others, imported
from dosml.studies.benchmark.points import best_points, points
from dosml.studies.benchmark.report import write_benchmark_report
from dosml.studies.benchmark.results import point_rows
from dosml.studies.benchmark.settings import NO_DOS
from dosml.studies.benchmark.source import open_source
from dosml.studies.benchmark.stream import do_all
from dosml.studies.benchmark.why import metal_dos
from dosml.studies.scan import MODELS
from dosml.trainings import TrainingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.execution.runner import Runner
    from dosml.studies.benchmark.points import Point
    from dosml.studies.benchmark.settings import BenchmarkSettings
    from dosml.studies.benchmark.source import Source
    from dosml.trainings import TrainingTask


@dataclass(frozen=True)
class BenchmarkResult:
    """What a benchmark leaves behind.

    Attributes
    ----------
    folder
        Of the benchmark.
    table
        One row per metal, protocol, variant, learner, label set and tier.
    ranking
        One row per learner.
    dos
        Measures of every metal's DOS; empty where there are none.
    why
        Learner -> correlation of its errors with every measure.
    failures
        What could not be trained or read, and why.
    files
        Tables, figures and the report.
    """

    folder: Path
    table: pd.DataFrame
    ranking: pd.DataFrame
    dos: pd.DataFrame
    why: dict[str, pd.DataFrame]
    failures: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"


@dataclass
class _Run:
    """One run: where everything is, and what went wrong."""

    settings: BenchmarkSettings
    source: Source
    larger: Source | None
    learners: list[Learner]
    store: TrainingStore
    runner: Runner
    reporter: Reporter
    #: Metal -> why it is left out.
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    #: What a grid has chosen: (metal, learner) -> options.
    chosen: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def metals(self) -> Iterator[tuple[str, Dataset, Dataset | None]]:
        """Read one metal after the other; what cannot be read is left out, with a warning."""
        for metal in self.source.names:
            if metal in self.left_out:
                continue
            try:
                data, how = self.source.split(metal, self.settings)
                larger = None
                if self.larger is not None:
                    larger, _ = self.larger.split(metal, self.settings)
            except DosmlError as error:
                self.leave_out(metal, error)
                continue
            self.splits[metal] = how
            yield metal, data, larger

    def leave_out(self, metal: str, error: DosmlError) -> None:
        """Go on without a metal."""
        self.left_out[metal] = str(error)
        self.reporter.warn(f"{metal} is left out: {error}")

    def points(self) -> Iterator[Point]:
        """Give everything that is trained, but for what a grid chooses."""
        for metal, data, larger in self.metals():
            try:
                yield from points(self.settings, metal, data, self.learners, larger)
            except InputError as error:
                self.leave_out(metal, error)


def run_benchmark(settings: BenchmarkSettings, reporter: Reporter) -> BenchmarkResult:
    """Train what is not trained, take the DOS, write tables, figures and the report.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    check_output(settings.folder)
    files = files_of_others(settings.source)
    source = None if files else open_source(settings.source, settings.metals)
    larger = None if settings.supercell is None else open_source(settings.supercell, ("all",))
    learners = settings.make_learners(l_max=settings.l_max)
    with Campaign(settings.folder, f"benchmark on {settings.source}", _OWN_NAMES) as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {campaign.folder}")
        if source is None:
            where = imported(files, campaign.folder, reporter)
            source = open_source(str(where), settings.metals)
        reporter.say(
            f"benchmark: {len(source.names)} metals ({', '.join(source.names)}), learners "
            f"{', '.join(one.name for one in learners)}, protocols {', '.join(settings.protocol)}"
        )
        for line in long_trainings(learners, len(source.names)):
            reporter.say(line)
        with open_runner(
            settings.run, campaign.folder, workers=settings.workers, say=reporter.say
        ) as runner:
            store = TrainingStore(campaign.folder / MODELS)
            run = _Run(settings, source, larger, learners, store, runner, reporter)
            _train(run, lambda: (one.task(store) for one in run.points()))
            if "grid" in settings.protocol:
                run.chosen.update(_grid_choices(run))
                _train(run, lambda: (one.task(store) for one in _chosen(run)))
            return _finish(run, campaign.folder)


#: What a benchmark writes at the top of its folder.
_OWN_NAMES = ("benchmark", "ranking", "dos", "why", "costs", "benchmark.tex", LABELS)


def _train(run: _Run, tasks: Callable[[], Iterable[TrainingTask]]) -> None:
    """Do the trainings, counted first: that reads the labels of every metal once."""
    total = sum(1 for _ in tasks())
    with run.reporter.bar("trainings", total) as update:
        run.failed |= do_all(run.store, tasks(), total, run.runner, update)
    for reason in dict.fromkeys(run.failed.values()):
        count = sum(one == reason for one in run.failed.values())
        run.reporter.warn(f"{count} trainings are impossible: {reason}")


def _grid_choices(run: _Run) -> dict[tuple[str, str], dict[str, Any]]:
    """Options with the smallest force error on the validation frames: (metal, learner) -> them."""
    best: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
    for point in run.points():
        if not point.options:
            continue
        training = run.store.find(point.task(run.store))
        if training is None:
            continue
        held = training.held_out(point.data, point.test)
        error = sum(one.force_sums().percent_error for one in held)
        key = (point.metal, point.learner.name)
        if key not in best or error < best[key][0]:
            best[key] = (error, dict(point.options))
    return {key: options for key, (_, options) in best.items()}


def _chosen(run: _Run) -> Iterator[Point]:
    for metal, data, _ in run.metals():
        for (of, learner), options in run.chosen.items():
            if of == metal:
                yield from best_points(run.settings, metal, data, learner, options)


def _every(run: _Run, metal: str, data: Dataset, larger: Dataset | None) -> Iterator[Point]:
    """Points of a metal that are results: what a grid tries is none, what it chooses is."""
    with contextlib.suppress(InputError):
        for one in points(run.settings, metal, data, run.learners, larger):
            if not one.options:
                yield one
    for (of, learner), options in run.chosen.items():
        if of == metal:
            yield from best_points(run.settings, metal, data, learner, options)


def _collect(run: _Run, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Read back what was trained and take the DOS: rows, measures, warnings of engines."""
    rows: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    warnings: dict[str, str] = {}
    for metal, data, larger in run.metals():
        for one in _every(run, metal, data, larger):
            task = one.task(run.store)
            training = run.store.find(task)
            if training is not None:
                rows.extend(point_rows(one, training))
            elif task.place not in run.failed:
                raise LearnerError(f"{task.place} cannot be read: run the same command again")
        if run.settings.dos_engine == NO_DOS:
            continue
        if words := no_d_words(data.elements):
            run.reporter.say(f"{metal}: {words}")
            warnings[metal] = words
            continue
        found = metal_dos(run.settings, metal, data, folder, run.runner, run.reporter)
        if found is not None:
            measures.extend(found.rows)
            warnings[found.engine] = found.warning
    if not rows:
        reasons = [*run.left_out.values(), *run.failed.values()] or ["no metal was left"]
        raise LearnerError(f"nothing could be trained: {reasons[0]}")
    return pd.DataFrame(rows), pd.DataFrame(measures), warnings


def _finish(run: _Run, folder: Path) -> BenchmarkResult:
    """Write tables, figures and the report of what was trained."""
    table, dos, warnings = _collect(run, folder)
    failures = [
        *(f"{metal}: {reason}" for metal, reason in run.left_out.items()),
        *dict.fromkeys(run.failed.values()),
    ]
    written = write_tables(table, folder, "benchmark")
    if len(dos):
        written += write_tables(dos, folder, "dos")
    report = write_benchmark_report(
        run.settings,
        folder,
        table,
        dos,
        splits=run.splits,
        failures=failures,
        warnings=warnings,
        reporter=run.reporter,
    )
    return BenchmarkResult(
        folder,
        table,
        report.ranking,
        dos,
        report.why,
        tuple(failures),
        (*written, *report.files),
    )
