"""One training of any learner on some frames of some label sets, predicted on others; kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.results import HeldOut
from dosml.files import whole_file
from dosml.learners.base import KeepsTrainings
from dosml.relabel.store import content_hash
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.studies.label_files import LabelledFrames


@dataclass(frozen=True)
class PointStore:
    """Results in a campaign folder, named by content: what is there is not trained again."""

    folder: Path
    data: LabelledFrames

    def get(
        self, learner: Learner, train: Sequence[int], test: Sequence[int], reporter: Reporter
    ) -> list[HeldOut]:
        """Train on some frames of every label set and predict others, or read that.

        Parameters
        ----------
        train, test
            Indices of frames.

        Returns
        -------
        list of HeldOut
            One per label set.

        Raises
        ------
        LearnerError
            If a training fails.
        """
        sets = range(len(self.data.names))
        mine, held = self.data.take(train, sets), self.data.take(test, sets)
        content = {
            "dosml": __version__,
            "learner": learner.fingerprint(),
            "train": mine.content(),
            "test": held.content(),
        }
        path = self.folder / "points" / f"{learner.name}-{content_hash(content)}.npz"
        if not path.exists():
            if isinstance(learner, KeepsTrainings):
                learner = learner.at(self.folder / "trainings")
            with reporter.stages("training") as tell:
                fitted = learner.fit(mine.frames, mine.label_sets, progress=tell)
            arrays: dict[str, Any] = {
                "facts": np.array(json.dumps([dict(one) for one in fitted.facts()]))
            }
            for number, prediction in enumerate(fitted.predict(held.frames)):
                arrays[f"energies_{number}"] = prediction.energies
                arrays[f"forces_{number}"] = np.concatenate(prediction.forces)
            with whole_file(path) as partial:
                np.savez_compressed(partial, allow_pickle=False, **arrays)
        ends = np.cumsum([len(frame) for frame in held.frames])[:-1]
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            return [
                HeldOut(
                    forces=labels.forces,
                    forces_predicted=np.split(arrays[f"forces_{number}"], ends),
                    energies=labels.energies,
                    energies_predicted=arrays[f"energies_{number}"],
                    facts=facts[number],
                )
                for number, labels in enumerate(held.label_sets)
            ]
