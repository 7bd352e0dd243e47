"""One search: random starts, then calls where E - kappa sigma and where E is least, in turns.

A call is one label of the engine. What is decided at a call follows from the seed, its number and
the labels before it, so that a search that was cut off goes on to the same structures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ase.io
import numpy as np
from ase import units

from dosml.errors import DosmlError, LabelError
from dosml.files import whole_file
from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import learner_names, load_model, make_learner
from dosml.relabel.dataset import LabelSet
from dosml.relabel.frame_files import iter_file
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.label import Label
from dosml.relabel.labelling import LadderTask, run_ladder
from dosml.searches.prior import prior_calculator
from dosml.searches.starts import Bounds
from dosml.searches.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.relabel.engines.base import Engine
    from dosml.relabel.store import LabelStore
    from dosml.searches.settings import SearchSettings
    from dosml.theory.setting import ElectronicSetting

#: Best structures that are rattled, and by how much in units of the neighbour distance.
BEST, RATTLE = 3, 0.15


@dataclass(frozen=True)
class SearchTask:
    """One search as plain data, for this process or another one.

    Attributes
    ----------
    settings
        Of the study.
    prior, seed
        Which search of it.
    engine, setting, store
        What labels, and where labels lie.
    path
        File of the structures, in the order of the calls.
    """

    settings: SearchSettings
    prior: str
    seed: int
    engine: Engine
    setting: ElectronicSetting
    store: LabelStore
    path: Path

    def __str__(self) -> str:
        """Name of the task in messages."""
        return f"the search with the prior {self.prior}, seed {self.seed}"


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes
    ----------
    atoms
        The structure; `info` tells "origin" ("random" or "search"), "predicted_energy" and
        "predicted_spread" (eV).
    label
        What the engine says; None where it has none.
    """

    atoms: Atoms
    label: Label | None


def run_search(task: SearchTask) -> int:
    """Make the calls that are missing; give their number."""
    search = _Search(task)
    before = len(search.calls)
    while len(search.calls) < task.settings.calls:
        search.step()
    return len(search.calls) - before


def read_calls(task: SearchTask) -> list[Call]:
    """Read the calls of a search that are whole, in their order."""
    try:
        frames = list(iter_file(task.path))
    except DosmlError:
        return []
    calls = []
    for frame in frames:
        atoms = canonical(frame)
        atoms.info |= {key: frame.info[key] for key in _KEPT if key in frame.info}
        outcome = task.store.get(frame_id(atoms), task.setting, len(atoms))
        if outcome is None:
            break
        calls.append(Call(atoms, outcome if isinstance(outcome, Label) else None))
    return calls


#: Facts of a call that its file keeps; those of the surrogate make a search go on as it was.
_KEPT = ("origin", "predicted_energy", "predicted_spread", "length", "prior_scale")


class _Search:
    def __init__(self, task: SearchTask) -> None:
        self.task, self.settings = task, task.settings
        self.bounds = Bounds(task.settings)
        self.calls = read_calls(task)
        self._surrogate: Surrogate | None = None

    def step(self) -> None:
        """Choose a structure, label it, and keep it."""
        number = len(self.calls)
        # starts do not depend on the prior: searches with and without one begin alike
        rng = np.random.default_rng([self.settings.seed, self.task.seed, number])
        labelled = [one for one in self.calls if one.label is not None]
        if number < self.settings.starts or len(labelled) < 2:
            atoms = self.bounds.random(rng)
            atoms.info["origin"] = "random"
        else:
            atoms = self._chosen(labelled, rng)
        task = self.task
        run_ladder(LadderTask(task.engine, task.store, atoms, (task.setting,)))
        outcome = task.store.get(frame_id(atoms), task.setting, len(atoms))
        self.calls.append(Call(atoms, outcome if isinstance(outcome, Label) else None))
        with whole_file(task.path) as partial:
            ase.io.write(partial, [one.atoms for one in self.calls], format="extxyz")

    def _chosen(self, labelled: Sequence[Call], rng: np.random.Generator) -> Atoms:
        """Relax candidates on the surrogate, and take the one of the lowest bound."""
        surrogate = self._fitted(labelled)
        pressure = self.settings.pressure * units.GPa
        # every second call goes for the lowest energy alone: to know of a valley is not to be in it
        kappa = self.settings.kappa if len(self.calls) % 2 else 0.0
        best: tuple[float, Atoms] | None = None
        for start in self._candidates(labelled, rng):
            relaxed = self.bounds.centred(surrogate.relax(start, self.settings.steps, pressure))
            if not self.bounds.sound(relaxed) or surrogate.known(relaxed):
                continue
            energy, spread = surrogate.predict(relaxed)
            bound = energy - kappa * spread
            if self.bounds.periodic:
                bound += pressure * float(relaxed.cell.volume)
            if best is None or bound < best[0]:
                relaxed.info |= {"predicted_energy": energy, "predicted_spread": spread}
                best = (bound, relaxed)
        atoms = self.bounds.random(rng) if best is None else best[1]
        atoms.info["origin"] = "random" if best is None else "search"
        atoms.info |= {"length": surrogate.length, "prior_scale": surrogate.scale}
        return atoms

    def _candidates(self, labelled: Sequence[Call], rng: np.random.Generator) -> list[Atoms]:
        """Give the best structure, rattled good ones, and random ones."""
        order = sorted(labelled, key=self._value)
        starts = [order[0].atoms]
        count = self.settings.relaxations
        for number in range(max(0, count - 1) // 2):
            rattled = order[number % min(BEST, len(order))].atoms.copy()
            rattled.positions += rng.normal(
                0.0, RATTLE * self.bounds.neighbour, rattled.positions.shape
            )
            if self.bounds.sound(rattled):
                starts.append(rattled)
        starts += [self.bounds.random(rng) for _ in range(count - len(starts))]
        return starts[:count]

    def _value(self, call: Call) -> float:
        assert call.label is not None
        pressure = self.settings.pressure * units.GPa if self.bounds.periodic else 0.0
        return call.label.free_energy + pressure * float(call.atoms.cell.volume)

    def _fitted(self, labelled: Sequence[Call]) -> Surrogate:
        known = [one.label for one in labelled if one.label is not None]
        frames = [one.atoms for one in labelled]
        energies = np.array([one.free_energy for one in known])
        forces = [np.asarray(one.forces) for one in known]
        if self._surrogate is None:
            self._surrogate = Surrogate(self.bounds, self._prior(labelled))
            told = [one.atoms.info for one in self.calls if "length" in one.atoms.info]
            if told:  # of the run that was cut off
                self._surrogate.resume(float(told[-1]["length"]))
        first = self.settings.starts
        self._surrogate.fit(frames, energies, forces, first=first)
        return self._surrogate

    def _prior(self, labelled: Sequence[Call]) -> Calculator | None:
        """Give the prior; a learner's name is trained on the starts (universal ones fit offsets).

        Raises
        ------
        LabelError
            If none of the starts has a label.
        """
        name = self.task.prior
        if name not in learner_names():
            return prior_calculator(name, self.settings.symbol, self.settings.device)
        starts = [one for one in self.calls[: self.settings.starts] if one.label is not None]
        known = [one.label for one in starts if one.label is not None]
        if not known:
            raise LabelError(f"none of {len(labelled)} starts has a label to train {name} on")
        learner = make_learner(name)
        if isinstance(learner, KeepsTrainings):
            learner = learner.at(self.task.path.parent / "trainings")
        model = self.task.path.with_name(f"{self.task.path.stem}-prior")
        labels = LabelSet(
            np.array([one.free_energy for one in known]),
            [np.asarray(one.forces) for one in known],
            setting=self.task.setting,
        )
        fitted = learner.fit([one.atoms for one in starts], [labels])
        path = model.with_name(model.name + fitted.suffix)
        with whole_file(path) as partial:
            fitted.save(partial, 0)
        return load_model(path, self.settings.device)
