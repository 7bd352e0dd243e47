"""`--sampler hard`: half of the training frames are those that the others say least of.

The first half and the held-out frames are sampled by classical dynamics as ever. The sgp is trained
on the first half's labels, candidates are made with it, and those that it knows least are labelled
and join, in rounds. Their labels at the other settings are made afterwards, as of all frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ase.io

from dosml.errors import DosmlError, InputError, LabelError
from dosml.files import whole_file
from dosml.learners.registry import options_by_learner
from dosml.learners.sgp.settings import SgpSettings, sgp_settings
from dosml.records import CAMPAIGN, CampaignRecord, as_recorded, find_record, note_files
from dosml.relabel.dataset import from_store
from dosml.relabel.frames import frame_id, read_frames
from dosml.relabel.labelling import LadderTask, run_ladder
from dosml.relabel.store import LabelStore, content_hash
from dosml.studies.candidates import make_pool

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.studies.frames import FrameCounts, SampledFrames
    from dosml.studies.scan_settings import ScanSettings
    from dosml.theory.setting import ElectronicSetting

#: Fewest training frames: half of them begin.
FEWEST_TRAIN = 4
#: Rounds in which frames are chosen, and candidates for each of them.
ROUNDS, POOL = 3, 10


@dataclass(frozen=True)
class HardFrames:
    """Frames of a scan, see the module.

    Attributes
    ----------
    base
        The frames of classical dynamics: the first training frames, and all held-out ones.
    train
        Training frames in all.
    engine, setting
        What the frames are labelled with while they are chosen.
    learner
        Settings of the sgp that chooses them.
    """

    base: SampledFrames
    train: int
    engine: Engine
    setting: ElectronicSetting
    learner: SgpSettings

    @property
    def subject(self) -> str:
        """The element."""
        return self.base.subject

    @property
    def words(self) -> str:
        """Where the frames come from."""
        return (
            f"{self.base.words}, and {self.train - self.base.train} that a force field trained on "
            "them knows least"
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The element."""
        return self.base.symbols

    def counts(self) -> FrameCounts:
        """Count the frames.

        Raises
        ------
        InputError
            If the structure cannot be built.
        """
        known = self.base.counts()
        return type(known)(self.train, known.test, known.tiers, known.first)

    def get(self, folder: Path, reporter: Reporter) -> list[Atoms]:
        """Read the frames that were chosen before, or choose them.

        Raises
        ------
        DosmlError
            See `SampledFrames.get`; `LabelError` where too few frames can be labelled.
        """
        content = {
            "first": self.base.name,
            "train": self.train,
            "engine": self.engine.fingerprint(),
            "setting": self.setting.as_dict(),
            "learner": self.learner.model_dump(exclude={"device"}),
        }
        path = folder / "frames" / f"hard-{content_hash(content)}.extxyz"
        record = find_record(folder / CAMPAIGN, CampaignRecord)
        if as_recorded(path, folder, record):
            try:
                return read_frames(path)
            except DosmlError:
                reporter.warn(f"{path} was changed or damaged: its frames are chosen anew")
        frames = self._chosen(folder, reporter)
        with whole_file(path) as partial:
            ase.io.write(partial, frames, format="extxyz")
        if record is not None:
            note_files(folder, [path])
        return read_frames(path)

    def _chosen(self, folder: Path, reporter: Reporter) -> list[Atoms]:
        frames = self.base.get(folder, reporter)
        held = [frame for frame in frames if frame.info["split"] == "test"]
        known = [frame for frame in frames if frame.info["split"] == "train"]
        store = LabelStore(folder / "labels", self.engine.fingerprint())
        known = [frame for frame in known if self._labelled(store, frame)]
        wanted = self.train - self.base.train
        with reporter.bar("hard frames", wanted) as update:
            for number in range(ROUNDS):
                count = -(-(wanted - (len(known) - self.base.train)) // (ROUNDS - number))
                if count > 0:
                    known += self._round(store, known, count, number)
                update(max(0, len(known) - self.base.train))
        if len(known) <= self.base.train:
            raise LabelError(
                f"none of the frames that were chosen could be labelled by {self.engine.name}: "
                f"the reasons are in {store.folder}; leave --sampler hard out"
            )
        return [*known, *held]

    def _round(self, store: LabelStore, known: list[Atoms], count: int, number: int) -> list[Atoms]:
        """Choose frames with a force field of those that are known."""
        # torch is imported only where it is used: a scan is planned without it
        from dosml.learners.sgp.calculator import SgpCalculator
        from dosml.learners.sgp.learner import SgpLearner
        from dosml.learners.sgp.selection import FramePosterior

        (labels,) = from_store(store, known, [self.setting]).label_sets
        models = SgpLearner(self.learner).fit(known, [labels])
        pool = make_pool(SgpCalculator(models), known, POOL * count, seed=self.base.seed + number)
        posterior = FramePosterior(models.shared, [*known, *pool])
        numbers = list(range(len(known), len(known) + len(pool)))
        chosen: list[Atoms] = []
        # a frame that the engine refuses is followed by the next in line
        for n in posterior.choose(models.models, range(len(known)), numbers, 2 * count):
            if len(chosen) == count:
                break
            frame = pool[n - len(known)]
            if self._labelled(store, frame):
                chosen.append(frame)
        return chosen

    def _labelled(self, store: LabelStore, frame: Atoms) -> bool:
        """Label a frame in this process; whether it has a label."""
        run_ladder(LadderTask(self.engine, store, frame, (self.setting,)))
        return store.has_label(frame_id(frame), self.setting, len(frame))


def hard_frames(
    sampled: SampledFrames, settings: ScanSettings, engine: Engine, setting: ElectronicSetting
) -> HardFrames:
    """Make the source of frames that a scan asks for.

    Parameters
    ----------
    sampled
        The frames that it begins with.
    settings
        Of the scan.
    engine, setting
        What frames are labelled with while they are chosen.

    Raises
    ------
    InputError
        If there are too few training frames, or the options of the sgp cannot be used.
    """
    if settings.train < FEWEST_TRAIN:
        raise InputError(
            f"--sampler hard --train {settings.train}: half of the frames begin, give "
            f"{FEWEST_TRAIN} at least"
        )
    given = settings.model_dump(exclude={"run"})
    options = options_by_learner(["sgp"], given, settings.learner_options)["sgp"]
    return HardFrames(sampled, settings.train, engine, setting, sgp_settings(options))
