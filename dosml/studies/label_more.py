"""`dosml label-more`: label the frames that a force field knows least, until it learns no more.

From a pool of cheap candidates the sgp's joint posterior chooses a few, the folder's own engine
labels them, the force field is trained again: rounds until the frames are spent or the held-out
error falls no more. Frames drawn from the same pool by chance, as many, stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ase.io
import numpy as np

from dosml.analysis.statistics.hard_frames import RANDOM, chosen_overlap
from dosml.errors import DosmlError, InputError
from dosml.files import whole_file
from dosml.learners.registry import load_model
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.selection import FramePosterior
from dosml.relabel.dataset import from_store, save
from dosml.relabel.frames import TRAINING, frame_id, read_frames
from dosml.relabel.store import LabelStore, content_hash
from dosml.studies.candidates import make_pool
from dosml.studies.folder_engine import engine_of
from dosml.studies.label_more_report import POOL_TIER, MoreResult, Round, write_more
from dosml.studies.labelling import make_labels, provenance_of
from dosml.studies.open_study import open_study, settings_beside
from dosml.studies.scan import LABEL_SETS
from dosml.studies.train import keep_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from ase import Atoms

    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine
    from dosml.studies.more_settings import MoreSettings
    from dosml.studies.open_study import OpenStudy
    from dosml.trainings import Training

#: Rounds in which the held-out error may fail to fall before the command ends.
PATIENCE = 2


def label_more(settings: MoreSettings, reporter: Reporter) -> MoreResult:
    """Choose, label and train in rounds.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder, and the same command
        goes on.
    """
    if settings.learner != ("sgp",):
        raise InputError(
            f"--learner {','.join(settings.learner)}: frames are chosen by the variance of the "
            "sgp; take it here, and train others on the labels that come of it (dosml train)"
        )
    (learner,) = settings.make_learners()
    with open_study(settings, reporter) as study:
        engine = engine_of(study.data, study.source, settings.engine, settings.engine_options)
        work = _Work(settings, study, engine, learner, reporter)
        work.begin()
        hard, data, training = work.curve("hard")
        draws = [
            work.curve(f"{RANDOM} {n + 1}", rounds=len(hard))[0] for n in range(settings.random)
        ]
        save(data, study.folder / LABEL_SETS)
        beside = settings_beside(replace(study, data=data), settings)
        models = {
            name: keep_model(replace(study, data=data), training, name, name, beside)
            for name in data.names
        }
        overlap = work.overlap()
        return write_more(study, settings, reporter, [hard, *draws], overlap, models, data)


@dataclass
class _Work:
    """What every curve begins from: the first training, the pool, its posterior."""

    settings: MoreSettings
    study: OpenStudy
    engine: Engine
    learner: Learner
    reporter: Reporter

    def begin(self) -> None:
        """Train on what is there, make the pool, and hold out some of it."""
        data = self.study.data
        self.store = LabelStore(self.study.folder / "labels", self.engine.fingerprint())
        self.pool = self._pool(self._trained(data))
        rng = np.random.default_rng([self.settings.seed, 0])
        apart = rng.permutation(len(self.pool))[: min(self.settings.pool_test, len(self.pool) - 1)]
        held = [self.pool.pop(int(n)) for n in sorted(apart, reverse=True)]
        self.data = self._labelled(data, held, "held-out", role="test") if held else data
        self.first = self._trained(self.data)
        train = [data.frames[n] for n in data.train]
        self.n_train = len(train)
        models = self._models(self.first)
        self.posterior = FramePosterior(models[0].shared, [*train, *self.pool])
        self.reporter.say(
            f"pool: {len(self.pool)} candidates; engine {self.engine.name}, {self.settings.add} "
            f"frames in rounds of {self.settings.per_round}"
        )

    def curve(
        self, name: str, *, rounds: int | None = None
    ) -> tuple[list[Round], Dataset, Training]:
        """Label rounds of frames; `rounds` is how many the curve has that it stands beside."""
        data, training = self.data, self.first
        found = [self._round(name, 0, data, training, ())]
        asked: list[int] = []
        order = self._random_order(name) if name != "hard" else []
        while len(asked) < self.settings.add and (rounds is None or len(found) < rounds):
            count = min(self.settings.per_round, self.settings.add - len(asked))
            left = [n for n in self._pool_numbers() if n not in asked]
            if not left:
                self.reporter.warn("the pool is used up: give a larger --pool")
                break
            if name == "hard":
                models = [one.models[0] for one in self._models(training)]
                chosen = self.posterior.choose(models, self._known(data, asked), left, count)
            else:
                chosen, order = order[:count], order[count:]
            asked += chosen
            data = self._labelled(data, [self.pool[n - self.n_train] for n in chosen], name)
            training = self._trained(data)
            found.append(self._round(name, len(found), data, training, tuple(chosen)))
            self._tell(found)
            if rounds is None and _falls_no_more(found):
                self.reporter.say(f"the held-out error fell no more for {PATIENCE} rounds: done")
                break
        return found, data, training

    def _known(self, data: Dataset, asked: Sequence[int]) -> list[int]:
        """Training frames, and those asked for that have labels."""
        there = set(data.frame_ids)
        found = [n for n in asked if frame_id(self.pool[n - self.n_train]) in there]
        return [*range(self.n_train), *found]

    def overlap(self) -> pd.DataFrame:
        """Frames chosen for each label set alone, held against each other."""
        models = self._models(self.first)
        count = min(self.settings.add, len(self.pool))
        known = list(range(self.n_train))
        chosen = {
            name: self.posterior.choose([one.models[0]], known, self._pool_numbers(), count)
            for name, one in zip(self.study.data.names, models, strict=True)
        }
        spreads = {
            name: self.posterior.spread(one.models[0], known)[self.n_train :]
            for name, one in zip(self.study.data.names, models, strict=True)
        }
        return chosen_overlap(chosen, spreads, len(self.pool))

    def _pool_numbers(self) -> list[int]:
        return list(range(self.n_train, self.n_train + len(self.pool)))

    def _random_order(self, name: str) -> list[int]:
        seed = [self.settings.seed, int(name.rpartition(" ")[2])]
        order = np.random.default_rng(seed).permutation(self._pool_numbers())
        return [int(n) for n in order]

    def _models(self, training: Training) -> list[SgpModels]:
        return [SgpModels.load(training.models[name]) for name in self.study.data.names]

    def _trained(self, data: Dataset) -> Training:
        return self.study.store.get(
            self.learner, data, data.train, data.test, models=True, reporter=self.reporter
        )

    def _pool(self, training: Training) -> list[Atoms]:
        """Read the pool, or make it: it is one of the things that take time."""
        settings, data = self.settings, self.study.data
        given = [] if settings.pool_file is None else read_frames(settings.pool_file, TRAINING)
        content = {
            "training": training.folder.name,
            "count": settings.candidates,
            "seed": settings.seed,
            "given": [frame_id(frame) for frame in given],
        }
        path = self.study.folder / "frames" / f"pool-{content_hash(content)}.extxyz"
        try:
            return read_frames(path, TRAINING)
        except DosmlError:
            pass
        calculator = load_model(training.models[data.names[0]])
        with self.reporter.bar("candidates", settings.candidates + len(given)) as update:
            pool = make_pool(
                calculator,
                [data.frames[n] for n in data.train],
                settings.candidates,
                seed=settings.seed,
                given=given,
                progress=update,
            )
        with whole_file(path) as partial:
            ase.io.write(partial, pool, format="extxyz")
        return read_frames(path, TRAINING)

    def _labelled(
        self, data: Dataset, frames: Sequence[Atoms], name: str, *, role: str = "train"
    ) -> Dataset:
        """Give the data with these frames; one that has no label at a setting is in none."""
        electronic = list(data.electronic)
        make_labels(
            self.engine,
            self.store,
            frames,
            electronic,
            self.study.runner,
            self.reporter,
            what=f"labels of {name} frames",
        )
        whole = [
            frame
            for frame in frames
            if all(
                self.store.has_label(frame_id(frame), setting, len(frame)) for setting in electronic
            )
        ]
        if len(whole) < len(frames):
            self.reporter.warn(
                f"{len(frames) - len(whole)} of {len(frames)} chosen frames have no label at every "
                "setting and are in no label set: dosml.log has the reasons"
            )
        if not whole:
            return data
        made = from_store(
            self.store, whole, electronic, provenance_of(self.engine, "chosen from a pool")
        )
        n = len(made.frames)
        made = replace(
            made, roles=(role,) * n, tiers=(POOL_TIER,) * n if role == "test" else made.tiers
        )
        return data.join(made if data.stress else made.take(stress=False))

    def _round(
        self, name: str, number: int, data: Dataset, training: Training, chosen: tuple[int, ...]
    ) -> Round:
        held = dict(zip(data.names, training.held_out(data, data.test), strict=True))
        frames = [self.pool[n - self.n_train] for n in chosen]
        return Round(
            name, number, len(data.train), held, [data.tiers[n] for n in data.test], frames
        )

    def _tell(self, found: Sequence[Round]) -> None:
        last = found[-1]
        errors = ", ".join(
            f"{name} {value:.2f} % ({where})"
            for where in last.parts
            for name, value in last.errors(where).items()
        )
        self.reporter.say(f"{last.curve}, {last.n_train} training frames: {errors}")


def _falls_no_more(found: Sequence[Round]) -> bool:
    """Whether the mean error of the last rounds is not below the least before them."""
    means = [float(np.mean(list(one.errors(one.parts[-1]).values()))) for one in found]
    return len(means) > PATIENCE and min(means[-PATIENCE:]) >= min(means[:-PATIENCE])
