"""`dosml structures`: searches from several seeds, and what they found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase import units

from dosml.analysis.statistics.searches import Trace
from dosml.campaign import Campaign, logger
from dosml.errors import EngineError, InputError
from dosml.files import whole_file
from dosml.learners.registry import learner_names
from dosml.relabel.engines.registry import default_engine, engine_entry, make_engine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.frame_files import iter_file
from dosml.relabel.store import LabelStore, content_hash
from dosml.searches.prior import SCALES, prior_calculator, prior_key
from dosml.searches.ranking import Found, distinct, relax_found
from dosml.searches.report import SearchResult, write_search
from dosml.searches.search import Call, SearchTask, read_calls, run_search
from dosml.searches.settings import NONE
from dosml.searches.surrogate import check_installed
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.searches.settings import SearchSettings

#: What a search writes at the top of its folder.
_NAMES = ("searches", "structures", "calls", "priors", "relaxed")


@dataclass(frozen=True)
class _Plan:
    """Engine and setting of a study, and its searches."""

    engine: Engine
    setting: ElectronicSetting
    store: LabelStore
    tasks: tuple[SearchTask, ...]


def search_structures(settings: SearchSettings, reporter: Reporter) -> SearchResult:
    """Search for the structures of lowest energy, and write what was found.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder, and the same command
        goes on.
    """
    check_installed()
    for name in settings.prior:  # what cannot be a prior is refused before there is a folder
        if name not in learner_names():
            prior_calculator(name, settings.symbol, settings.device)
    engine = _engine(settings)
    setting = _setting(settings, engine)
    folder = settings.folder
    with Campaign(folder, f"structures of {settings.name}", _NAMES) as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {folder}")
        plan = _plan(settings, engine, setting, folder)
        reporter.say(
            f"{settings.name}: {len(plan.tasks)} searches of {settings.calls} calls of the engine "
            f"{engine.name}, prior {', '.join(settings.prior)}, seeds of each: {settings.seeds}"
        )
        _run(plan, settings, folder, reporter)
        found, traces = _found(plan, settings)
        notes = _left_out(plan)
        for note in notes:
            reporter.warn(note)
        relaxed, calls = _relaxed(found, plan, settings, folder, reporter)
        return write_search(
            settings,
            engine,
            reporter,
            structures=distinct([*relaxed, *found], periodic=settings.periodic, most=50),
            traces=traces,
            relaxing=calls,
            notes=notes,
        )


def _engine(settings: SearchSettings) -> Engine:
    name = settings.engine or default_engine((settings.symbol,)).name
    options = dict(settings.engine_options)
    if not settings.periodic and "kpoints" in engine_entry(name).options.model_fields:
        options.setdefault("kpoints", (1, 1, 1))  # a cluster in a box has no dispersion
    return make_engine(name, options, (settings.symbol,))


def _setting(settings: SearchSettings, engine: Engine) -> ElectronicSetting:
    try:
        smearing = Smearing(settings.scheme or engine.default_scheme, settings.sigma)
    except ValueError as error:
        raise InputError(f"--scheme {settings.scheme}: {error}") from error
    setting = ElectronicSetting(smearing)
    engine.check(setting)
    return setting


def _plan(
    settings: SearchSettings, engine: Engine, setting: ElectronicSetting, folder: Path
) -> _Plan:
    # workers may run in other folders
    store = LabelStore(folder.resolve() / "labels", engine.fingerprint())
    tasks = []
    for seed in range(settings.seeds):  # a study that is cut off has all priors of some seeds
        for prior in settings.prior:
            content = {
                **settings.model_dump(
                    mode="json",
                    exclude={"prior", "seeds", "calls", "keep", "workers", "run", "out", "device"},
                ),
                "engine": engine.fingerprint(),
                "setting": setting.as_dict(),
                "prior": prior_key(prior),
                "search_seed": seed,
            }
            path = folder.resolve() / "searches" / f"{content_hash(content)}.extxyz"
            tasks.append(SearchTask(settings, prior, seed, engine, setting, store, path))
    return _Plan(engine, setting, store, tuple(tasks))


def _run(plan: _Plan, settings: SearchSettings, folder: Path, reporter: Reporter) -> None:
    """Make the calls that are missing; a search is one task."""
    todo = [one for one in plan.tasks if len(read_calls(one)) < settings.calls]
    with (
        open_runner(
            settings.run, folder, workers=min(settings.workers, max(1, len(todo))), say=reporter.say
        ) as runner,
        reporter.bar("calls", len(plan.tasks) * settings.calls) as update,
    ):

        def look() -> None:
            update(sum(_calls_in(one.path) for one in plan.tasks))

        look()
        if runner.local and len(todo) == 1:  # sooner done than a worker has started
            run_search(todo[0])
            return
        for task, made in runner.run(run_search, todo, on_poll=look):
            logger.info("%s: %d calls made", task, made)
        look()


def _calls_in(path: Path) -> int:
    """Count the structures of a file quickly, for a bar."""
    try:
        return path.read_text(encoding="utf-8").count("Lattice=")
    except (OSError, UnicodeDecodeError):
        return 0


def _found(plan: _Plan, settings: SearchSettings) -> tuple[list[Found], list[Trace]]:
    """Structures of all calls, and the trace of each search."""
    found, traces = [], []
    for task in plan.tasks:
        values = []
        for number, call in enumerate(read_calls(task)[: settings.calls], 1):
            value = _value(call, settings)
            values.append(value)
            if np.isfinite(value):
                found.append(Found(call.atoms, value, f"{task.prior}, seed {task.seed}", number))
        traces.append(Trace(task.prior, task.seed, np.array(values)))
    if not found:
        raise EngineError(
            f"the engine {plan.engine.name} has no label of any of "
            f"{sum(len(one.values) for one in traces)} structures of {settings.name}: the reasons "
            f"are in {plan.store.folder}; take another --engine"
        )
    return found, traces


def _left_out(plan: _Plan) -> list[str]:
    """Tell of priors whose factor could not be fitted, see `fit_scale`."""
    scales: dict[str, list[float]] = {}
    for task in plan.tasks:
        told = [one.atoms.info.get("prior_scale") for one in read_calls(task)]
        if task.prior != NONE and told[-1] is not None:
            scales.setdefault(task.prior, []).append(float(told[-1]))
    return [
        f"the prior {prior} knows nothing of the first structures (no factor between {SCALES[0]:g} "
        f"and {SCALES[1]:g} fits their labels) and was left out in {known.count(0.0)} of "
        f"{len(known)} searches"
        for prior, known in scales.items()
        if 0.0 in known
    ]


def _value(call: Call, settings: SearchSettings) -> float:
    """Energy or enthalpy, eV/atom; NaN without a label."""
    if call.label is None:
        return float("nan")
    pressure = settings.pressure * units.GPa if settings.periodic else 0.0
    return (call.label.free_energy + pressure * float(call.atoms.cell.volume)) / len(call.atoms)


def _relaxed(
    found: Sequence[Found],
    plan: _Plan,
    settings: SearchSettings,
    folder: Path,
    reporter: Reporter,
) -> tuple[list[Found], int]:
    """Relax the lowest structures with the engine, or read those that were."""
    chosen = distinct(found, periodic=settings.periodic, most=settings.keep)
    calculator = plan.engine.calculator(plan.setting)
    relaxed, calls = [], 0
    with reporter.bar("relaxing", len(chosen)) as update:
        for number, one in enumerate(chosen, 1):
            content: dict[str, Any] = {
                "positions": one.atoms.positions.tolist(),
                "cell": np.asarray(one.atoms.cell).tolist(),
                "engine": plan.engine.fingerprint(),
                "setting": plan.setting.as_dict(),
                "pressure": settings.pressure,
            }
            path = folder / "relaxed" / f"{content_hash(content)}.extxyz"
            kept = _kept(path, one)
            if kept is None:
                kept = relax_found(
                    one, calculator, periodic=settings.periodic, pressure=settings.pressure
                )
                _keep(path, *kept)
            relaxed.append(kept[0])
            calls += kept[1]
            update(number)
    return relaxed, calls


def _keep(path: Path, found: Found, calls: int) -> None:
    atoms = found.atoms.copy()
    atoms.info = {"value": found.value, "relaxed": found.relaxed, "calls": calls}
    with whole_file(path) as partial:
        ase.io.write(partial, atoms, format="extxyz")


def _kept(path: Path, start: Found) -> tuple[Found, int] | None:
    """Read a relaxed structure; None where it is not there or damaged."""
    try:
        (atoms,) = iter_file(path)
        value, calls = float(atoms.info["value"]), int(atoms.info["calls"])
        relaxed = bool(atoms.info["relaxed"])
    except (InputError, KeyError, TypeError, ValueError):
        return None
    atoms.info = {}
    atoms.calc = None
    return replace(start, atoms=atoms, value=value, relaxed=relaxed), calls
