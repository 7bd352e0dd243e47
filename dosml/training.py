"""Train a force field on every label set and predict the held-out frames; done once per content."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.files import whole_file
from dosml.learners.base import KeepsTrainings, Prediction
from dosml.relabel import dataset
from dosml.relabel.frames import frame_id
from dosml.relabel.store import content_hash
from dosml.studies.frames_source import split
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.relabel.label import LabelSet
    from dosml.relabel.store import LabelStore

logger = logging.getLogger("dosml")


@dataclass(frozen=True)
class Training:
    """Predictions for the held-out frames and facts about each model, one per label set."""

    predictions: tuple[Prediction, ...]
    facts: tuple[dict[str, Any], ...]
    folder: Path


def train_and_predict(
    folder: Path,
    learner: Learner,
    frames: Sequence[Atoms],
    label_sets: Sequence[LabelSet],
    store: LabelStore,
    reporter: Reporter,
) -> Training:
    """Train on the frames marked "train" of every label set, predict those marked "test".

    The result is kept in `folder`, named by learner, frames and label settings, and read from
    there the next time.
    """
    train, test = split(frames)
    content = {
        # training is cheap beside labelling: another version of our own code trains anew
        "dosml": __version__,
        "learner": learner.fingerprint(),
        "engine": store.fingerprint,
        "settings": [label_set.setting.as_dict() for label_set in label_sets],
        "train": [frame_id(frame) for frame in train],
        "test": [frame_id(frame) for frame in test],
    }
    place = folder / f"{learner.name}-{content_hash(content)}"
    done = place / "predictions.npz"
    if done.exists():
        reporter.say(f"force fields: {len(label_sets)} trained before, read from {place}")
        return _read(done, len(label_sets), test)
    reporter.say(
        f"force fields: training {len(label_sets)} ({learner.name}) on {len(train)} frames, "
        f"{len(test)} held out"
    )
    is_train = [frame.info["split"] == "train" for frame in frames]
    sets = [_training_labels(label_set, is_train) for label_set in label_sets]
    if isinstance(learner, KeepsTrainings):
        learner = learner.at(folder / "trainings")
    with reporter.stages("training") as tell:
        fitted = learner.fit(train, sets, progress=tell)
    predictions = fitted.predict(test)
    for number, label_set in enumerate(label_sets):
        with whole_file(place / f"{label_set.setting.name}{fitted.suffix}") as path:
            fitted.save(path, number)
        logger.info("trained the force field of %s", label_set.setting.name)
    facts = tuple(dict(one) for one in fitted.facts())
    arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts))}
    for number, prediction in enumerate(predictions):
        arrays[f"energies_{number}"] = prediction.energies
        arrays[f"forces_{number}"] = np.concatenate(prediction.forces)
        arrays[f"stresses_{number}"] = prediction.stresses
    with whole_file(done) as path:
        np.savez_compressed(path, allow_pickle=False, **arrays)
    return Training(tuple(predictions), facts, place)


def _training_labels(label_set: LabelSet, is_train: Sequence[bool]) -> dataset.LabelSet:
    labels = [label for label, use in zip(label_set.labels, is_train, strict=True) if use]
    return dataset.LabelSet(
        energies=np.array([label.free_energy for label in labels]),
        forces=[label.forces for label in labels],
        stresses=np.array([label.stress for label in labels]),
    )


def _read(path: Path, n_sets: int, test: Sequence[Atoms]) -> Training:
    ends = np.cumsum([len(frame) for frame in test])[:-1]
    with np.load(path, allow_pickle=False) as arrays:
        predictions = tuple(
            Prediction(
                energies=arrays[f"energies_{number}"],
                forces=np.split(arrays[f"forces_{number}"], ends),
                stresses=arrays[f"stresses_{number}"],
            )
            for number in range(n_sets)
        )
        facts = tuple(json.loads(str(arrays["facts"])))
    return Training(predictions, facts, path.parent)
