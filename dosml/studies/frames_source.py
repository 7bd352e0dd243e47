"""Where a scan's frames come from: sampled by molecular dynamics, or the user's own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
import numpy as np

from dosml.errors import InputError
from dosml.files import whole_file
from dosml.relabel.elements import element
from dosml.relabel.engines.dataset import DatasetEngine, dataset_frames
from dosml.relabel.engines.registry import engine_options, make_engine
from dosml.relabel.frames import canonical, frame_id, read_frames
from dosml.relabel.sampling import sample_frames
from dosml.relabel.store import content_hash
from dosml.relabel.structures import CELLS, CellRecipe, build_structure
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.settings import ScanSettings

#: Part of the name of kept frames: raised when the sampling would give other frames.
RECIPE = 1
#: Settings that decide frames and labels, which a dataset brings along.
_FIXED_BY_DATASET = {
    *("engine", "preset", "kpoints", "sampler", "train", "test", "prototype", "cell", "min_length"),
}
#: Fewest frames on either side of a split that still give an error with an interval.
FEWEST = 2


def subject_of(settings: ScanSettings) -> str:
    """Name what the campaign is of: an element, or the content of the user's file.

    Raises
    ------
    UnknownElementError
        If the target is neither a file nor one of the metals.
    FrameError
        If the file is missing.
    """
    if not settings.target_is_file:
        return element(settings.target).symbol
    path = Path(settings.target)
    if not path.is_file():
        read_frames(path)  # raises with the reason
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]})"


def planned_atoms(settings: ScanSettings) -> tuple[int, int]:
    """Frames in the scan and atoms in the first one, without sampling.

    Raises
    ------
    FrameError, InputError
        If the user's file, or the structure asked for, cannot be used.
    """
    if settings.target_is_file or settings.dataset is not None:
        frames = (
            own_frames(settings) if settings.target_is_file else dataset_frames(settings.target)
        )
        return len(frames), len(frames[0])
    recipe = cell_recipe(settings)
    start = build_structure(
        settings.target,
        prototype=settings.prototype,
        min_length=recipe.min_length,
        primitive=recipe.primitive,
        vacancy=recipe.vacancy,
    )
    return settings.train + settings.test, len(start)


def engine_of(settings: ScanSettings) -> Engine:
    """Engine that makes the labels of a scan.

    Raises
    ------
    InputError, EngineError
        See `make_engine`.
    """
    if settings.dataset is not None:
        return DatasetEngine(settings.target)
    return make_engine(settings.engine, engine_options(settings.engine, settings.model_dump(), {}))


def with_dataset(settings: ScanSettings) -> ScanSettings:
    """Leave settings as they are, or give them the dataset's own numbers of frames.

    Raises
    ------
    InputError
        If the dataset does not hold the metal, or if an option would change its labels.
    """
    if settings.dataset is None:
        return settings
    given = settings.model_fields_set & _FIXED_BY_DATASET
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given))
        raise InputError(f"{names} cannot be chosen with --dataset: its frames and labels are made")
    train, test = split(dataset_frames(settings.target))
    return settings.model_copy(
        update={"train": len(train), "test": len(test), "engine": settings.dataset}
    )


def scheme_of(settings: ScanSettings) -> str:
    """Smearing scheme of a scan: as asked for, else the engine's own."""
    return settings.scheme or engine_of(settings).default_scheme


def cell_recipe(settings: ScanSettings) -> CellRecipe:
    """Cells to sample: as asked for, else as the engine wants."""
    recipe = CELLS[settings.cell or engine_of(settings).default_cell]
    return replace(recipe, min_length=settings.min_length or recipe.min_length)


def settings_in_force(settings: ScanSettings) -> dict[str, object]:
    """Spell out the defaults that the engine decides, for the record of the campaign.

    So campaigns compare by what was done, not by what was typed.
    """
    engine = engine_of(settings)
    record: dict[str, object] = settings.model_dump(mode="json")
    record["scheme"] = scheme_of(settings)
    if settings.dataset is None:
        record["kpoints"] = engine.fingerprint().get("kpoints", "Gamma")
    if settings.dataset is None and not settings.target_is_file:
        record["cell"] = settings.cell or engine.default_cell
        record["min_length"] = cell_recipe(settings).min_length
    return record


def tier_counts(total: int, tiers: Sequence[str]) -> dict[str, int]:
    """Spread a number of frames evenly over the tiers, the colder ones first."""
    return {
        name: total // len(tiers) + (index < total % len(tiers)) for index, name in enumerate(tiers)
    }


def get_frames(settings: ScanSettings, folder: Path, reporter: Reporter) -> list[Atoms]:
    """Canonical frames, each with `info["split"]` "train" or "test".

    Sampled frames are kept in `folder/frames`, named by what they depend on.

    Raises
    ------
    DosmlError
        See `read_frames` and `sample_frames`.
    """
    if settings.target_is_file:
        return own_frames(settings)
    if settings.dataset is not None:
        return dataset_frames(settings.target)
    recipe = cell_recipe(settings)
    content: dict[str, object] = {
        "recipe": RECIPE,
        "symbol": settings.target,
        "prototype": settings.prototype,
        "min_length": recipe.min_length,
        "train": settings.train,
        "test": settings.test,
        "seed": settings.seed,
        "sampler": settings.sampler,
    }
    if recipe.primitive:
        content |= {"cell": "small"}
    if settings.sampler == "engine":
        content |= {
            "engine": engine_of(settings).fingerprint(),
            "setting": _sampling_setting(settings).as_dict(),
        }
    path = folder / "frames" / f"{content_hash(content)}.extxyz"
    if path.exists():
        frames = [canonical(atoms) for atoms in ase.io.read(path, index=":")]
        reporter.say(f"frames: {len(frames)} sampled before, read from {path}")
        return frames
    frames = _sample(settings, reporter)
    with whole_file(path) as temporary:
        ase.io.write(temporary, frames, format="extxyz")
    return frames


def own_frames(settings: ScanSettings) -> list[Atoms]:
    """Read and split the user's frames: a seeded shuffle, test frames first.

    Raises
    ------
    FrameError
        If the file cannot be used.
    InputError
        If it holds fewer frames than --train and --test ask for.
    """
    frames = read_frames(Path(settings.target))
    wanted = settings.train + settings.test
    train, test = settings.train, settings.test
    if len(frames) < wanted:
        asked = {"train", "test"} & settings.model_fields_set
        if asked or len(frames) < 2 * FEWEST:
            raise InputError(
                f"{settings.target} holds {len(frames)} frames, but --train {train} and --test "
                f"{test} need {wanted}: give smaller numbers (each at least {FEWEST})"
            )
        test = max(FEWEST, len(frames) // 4)
        train = len(frames) - test
    order = np.random.default_rng(settings.seed).permutation(len(frames))
    chosen: list[Atoms] = []
    for number, index in enumerate(order[: train + test]):
        frame = frames[index]
        frame.info["split"] = "test" if number < test else "train"
        frame.info.setdefault("tier", "all")
        chosen.append(frame)
    return chosen


def _sample(settings: ScanSettings, reporter: Reporter) -> list[Atoms]:
    recipe = cell_recipe(settings)
    train = tier_counts(settings.train, recipe.tiers)
    test = tier_counts(settings.test, recipe.tiers)
    counts = {tier: train[tier] + test[tier] for tier in recipe.tiers}
    factory = None
    if settings.sampler == "engine":
        engine = engine_of(settings)
        factory = partial(engine.calculator, _sampling_setting(settings))
    with reporter.bar("sampling", sum(counts.values())) as update:
        sampled = sample_frames(
            settings.target,
            n_frames_per_tier=counts,
            seed=settings.seed,
            prototype=settings.prototype,
            min_length=recipe.min_length,
            primitive=recipe.primitive,
            vacancy=recipe.vacancy,
            calculator_factory=factory,
            progress=lambda done, _total: update(done),
        )
    frames = [canonical(atoms) for atoms in sampled]
    for tier in recipe.tiers:
        of_tier = [frame for frame in frames if frame.info["tier"] == tier]
        # as in TM23: the last frames of a trajectory are held out, away in time from training
        for number, frame in enumerate(of_tier):
            frame.info["split"] = "train" if number < train[tier] else "test"
    return frames


def _sampling_setting(settings: ScanSettings) -> ElectronicSetting:
    """Give the setting of dynamics with the engine: the physical one, the narrowest smearing."""
    return ElectronicSetting(Smearing(scheme_of(settings), min(settings.sigma)))


def split(frames: Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """Training and held-out frames."""
    return (
        [frame for frame in frames if frame.info["split"] == "train"],
        [frame for frame in frames if frame.info["split"] == "test"],
    )


def describe(frame: Atoms) -> str:
    """Name of a frame in messages: id and tier."""
    return f"{frame_id(frame)} ({frame.info.get('tier', 'all')})"
