"""Finished potentials of other projects as learners: evaluated in their environment, not trained.

Total energies of different programs differ by constants, so one energy per element is fitted to
labels of some training frames; forces and stresses are the potential's own. One evaluation of a
frame serves all label sets.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.clock import Clock
from dosml.files import whole_file
from dosml.learners.base import check_training_data
from dosml.learners.offsets import fit_offsets, shifted_predictions
from dosml.learners.peers.calculator import pack_model
from dosml.learners.peers.devices import usable_gpus
from dosml.learners.peers.environments import require
from dosml.learners.peers.process import ModelProcess
from dosml.memory import peak_memory_mib
from dosml.relabel.frames import frame_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ase import Atoms

    from dosml.learners.base import Prediction, Progress
    from dosml.learners.offsets import Answer
    from dosml.learners.peers.base import Adapter
    from dosml.learners.peers.environments import Environment
    from dosml.learners.peers.universal import ZeroShotSettings
    from dosml.relabel.dataset import LabelSet

#: Goes up whenever the same potential and data would give other predictions.
DEFINITION = 1


class FinishedLearner:
    """A finished potential.

    Parameters
    ----------
    adapter
        Which one.
    settings
        Its weights, and how many frames the energies are fitted to.

    Raises
    ------
    EnvironmentMissingError
        If its environment has not been made.
    InputError
        If a GPU is asked for and there is none that its torch can use.
    """

    def __init__(self, adapter: Adapter, settings: ZeroShotSettings) -> None:
        self._adapter, self.settings = adapter, settings
        self._environment: Environment = require(adapter.name)
        usable_gpus(settings.device, self._environment)

    @property
    def name(self) -> str:
        """Name of the learner."""
        return self._adapter.name

    def fingerprint(self) -> dict[str, Any]:
        """Give settings, definition and the versions of the potential's packages."""
        return {
            "learner": self.name,
            "definition": [DEFINITION, self._adapter.definition],
            "settings": self.settings.model_dump(exclude={"device", "preset", "seed"}),
            "versions": self._versions(),
        }

    def _versions(self) -> dict[str, str]:
        held = self._environment.versions
        return {name: held[name] for name in self._adapter.packages if name in held}

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> FinishedModels:
        """Fit one energy per element to each label set.

        Parameters
        ----------
        progress
            Called as progress("energies", done, total).

        Raises
        ------
        LearnerError
            If frames and labels do not fit together, or the potential fails.
        """
        check_training_data(frames, label_sets)
        clock = Clock()
        chosen = _spread(frames, self.settings.energy_frames)
        models = FinishedModels(self._adapter, self._environment, self.settings)
        with models.process(sorted({int(z) for one in frames for z in one.numbers})) as process:
            for done, index in enumerate(chosen, 1):
                models.evaluate(frames[index], process)
                if progress is not None:
                    progress("energies", done, len(chosen))
            energies = [models.evaluate(frames[index], process)[0] for index in chosen]
        known = {
            "learner": self.name,
            "n_frames": len(frames),
            "energy_frames": len(chosen),
            "weights": self.settings.model_dump()["weights"],
            "device": self.settings.device,
            "seconds_training": clock.wall,
            "cpu_seconds": clock.processor,
            "peak_memory_mib": peak_memory_mib(),
            "epochs": 0,
            "versions": self._versions(),
        }
        some = [frames[index] for index in chosen]
        for labels in label_sets:
            offsets, misfit = fit_offsets(some, labels.energies[chosen], np.array(energies))
            models.add(
                offsets,
                {**known, "n_parameters": len(offsets), "energy_misfit_ev_per_atom": misfit},
            )
        return models


class FinishedModels:
    """One potential with the energy offsets of each label set."""

    #: Suffix of a saved model.
    suffix = ".zip"

    def __init__(
        self, adapter: Adapter, environment: Environment, settings: ZeroShotSettings
    ) -> None:
        self._adapter, self._environment, self._settings = adapter, environment, settings
        self._offsets: list[dict[str, float]] = []
        self._facts: list[dict[str, Any]] = []
        self._answers: dict[str, Answer] = {}

    def evaluate(self, frame: Atoms, process: ModelProcess) -> Answer:
        """Evaluate a frame, once, without offsets."""
        key = frame_id(frame)
        if key not in self._answers:
            self._answers[key] = process.evaluate(frame)
        return self._answers[key]

    def add(self, offsets: dict[str, float], facts: dict[str, Any]) -> None:
        """Take the energies (eV) of the elements in one label set, and what the fit cost."""
        self._offsets.append(offsets)
        self._facts.append(facts)

    @contextmanager
    def process(self, numbers: Sequence[int]) -> Iterator[ModelProcess]:
        """Process that holds the potential for these atomic numbers, without offsets."""
        with tempfile.TemporaryDirectory(prefix=f"dosml-{self._adapter.name}-") as folder:
            model = Path(folder) / self._adapter.model_file
            self._write(model, dict.fromkeys(numbers, 0.0))
            # one thread: studies evaluate as many metals at a time as there are cores
            with ModelProcess(
                self._adapter, self._environment, model, device=self._settings.device
            ) as process:
                yield process

    def predict(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Predict every frame, once for all label sets.

        Raises
        ------
        LearnerError
            If the potential fails, or a frame holds an element that no training frame held.
        """
        with self.process(sorted({int(z) for one in frames for z in one.numbers})) as process:
            answers = [self.evaluate(frame, process) for frame in frames]
        return shifted_predictions(frames, answers, self._offsets)

    def facts(self) -> list[dict[str, Any]]:
        """Give what the potential is and what fitting the energies cost."""
        return [dict(one) for one in self._facts]

    def save(self, path: Path, index: int) -> None:
        """Write weights' name and offsets of one label set to one file, for `PeerCalculator`."""
        from ase.data import atomic_numbers

        offsets = self._offsets[index]
        card = {
            "learner": self._adapter.name,
            "species": sorted(offsets, key=lambda symbol: atomic_numbers[symbol]),
            "facts": self._facts[index],
        }
        with tempfile.TemporaryDirectory(prefix=f"dosml-{self._adapter.name}-") as folder:
            model = Path(folder) / self._adapter.model_file
            self._write(model, {atomic_numbers[one]: value for one, value in offsets.items()})
            pack_model(path, model, card)

    def _write(self, model: Path, offsets: Mapping[int, float]) -> None:
        """Write what the worker loads."""
        head = {
            "learner": self._adapter.name,
            "weights": self._settings.model_dump()["weights"],
        }
        with whole_file(model) as partial, partial.open("wb") as handle:
            np.savez(
                handle,
                head=np.array(json.dumps(head)),
                numbers=np.array(list(offsets), dtype=int),
                offsets=np.array(list(offsets.values()), dtype=float),
            )


def _spread(frames: Sequence[Atoms], count: int) -> list[int]:
    """Frames that the energies are fitted to, spread over all; all where elements are many."""
    elements = {int(z) for frame in frames for z in frame.numbers}
    if count < 2 * len(elements):
        return list(range(len(frames)))
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return list(dict.fromkeys(places.tolist()))
