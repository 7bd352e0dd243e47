"""Any ase calculator as a learner without training: `--learner ase:MODULE:FUNCTION`.

For universal potentials and other force fields that are finished. The function is called without
arguments. Total energies of different programs differ by constants, so one energy per element is
fitted to the training labels; forces and stresses are the calculator's own.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from pydantic import FiniteFloat  # noqa: TC002 - pydantic looks it up

from dosml.errors import DosmlError, InputError, LearnerError
from dosml.files import whole_file
from dosml.learners.base import LearnerEntry, check_training_data
from dosml.learners.offsets import fit_offsets, offset_of, shifted_predictions
from dosml.memory import peak_memory_mib
from dosml.records import Record, read_record
from dosml.relabel.ase_factory import PREFIX, AseFactory, Evaluation, evaluate, lacking
from dosml.version import docs_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms

    from dosml.learners.base import Prediction, Progress
    from dosml.registry import NoOptions
    from dosml.relabel.dataset import LabelSet

__all__ = ["PREFIX", "AseLearner", "AseModels", "OffsetCalculator", "ase_learner", "entry"]

logger = logging.getLogger("dosml")

#: Goes up whenever the same calculator and data would give other predictions.
DEFINITION = 1
_FORMAT = "dosml-ase-calculator"
_VERSION = 1


def make_calculator(factory: AseFactory) -> Calculator:
    """Make the calculator of a factory.

    Raises
    ------
    InputError
        If the function cannot be imported.
    LearnerError
        If it raises, or its calculator has no energies or forces.
    """
    make = factory.load()
    try:
        made = make()
    except DosmlError:
        raise
    except Exception as error:
        raise LearnerError(
            f"{factory.name}: no calculator ({type(error).__name__}: {error}); the function of a "
            "learner is called without arguments and returns an ase calculator; "
            f"{docs_page('plugins')} has an example"
        ) from error
    if missing := lacking(made):
        raise LearnerError(f"{factory.name}: the calculator has no {' and no '.join(missing)}")
    return made


@dataclass(frozen=True)
class AseLearner:
    """A finished force field; see the module.

    Attributes
    ----------
    factory
        Makes the calculator.
    """

    factory: AseFactory

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self.factory.name

    def fingerprint(self) -> dict[str, Any]:
        """Give the function with its source and the versions of what it imports."""
        return {"learner": "ase", "definition": DEFINITION, **self.factory.fingerprint()}

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> AseModels:
        """Fit one energy per element to each label set; the calculator stays as it is.

        Parameters
        ----------
        progress
            Called as progress("energies", done, total).

        Raises
        ------
        LearnerError
            If frames and labels do not fit together, or the calculator fails.
        """
        check_training_data(frames, label_sets)
        began, cpu_began = time.perf_counter(), time.process_time()
        calculator = make_calculator(self.factory)
        energies = []
        for number, frame in enumerate(frames):
            if progress is not None:
                progress("energies", number, len(frames))
            energies.append(_evaluate(self.factory.name, frame, calculator).energy)
        if progress is not None:
            progress("energies", len(frames), len(frames))
        said = np.array(energies)
        fitted = [fit_offsets(frames, labels.energies, said) for labels in label_sets]
        known = {
            "learner": self.name,
            "n_frames": len(frames),
            **self.factory.fingerprint(),
            "energy_offset": "one energy per element, least squares on the training labels",
            "n_parameters_of_calculator": "not known: n_parameters counts the energy offsets",
            "seconds_training": round(time.perf_counter() - began, 3),
            "cpu_seconds": round(time.process_time() - cpu_began, 3),
            "device": str(getattr(calculator, "device", "not known")),
            "peak_memory_mib": peak_memory_mib(),
            "n_parameters": len(fitted[0][0]),
            "epochs": 0,
        }
        facts = [
            {
                **known,
                "energy_misfit_ev_per_atom": misfit,
                **{f"energy_offset_{symbol}_ev": value for symbol, value in one.items()},
            }
            for one, misfit in fitted
        ]
        return AseModels(self.factory, [one for one, _ in fitted], facts)


class AseModels:
    """One calculator with the energy offsets of each label set.

    Parameters
    ----------
    factory
        Makes the calculator.
    offsets
        eV by element, one mapping per label set.
    facts
        One mapping per label set.
    """

    #: Suffix of a saved model's file.
    suffix = ".json"

    def __init__(
        self,
        factory: AseFactory,
        offsets: Sequence[Mapping[str, float]],
        facts: Sequence[Mapping[str, Any]],
    ) -> None:
        self._factory = factory
        self._offsets, self._facts = list(offsets), list(facts)

    def predict(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Predict every frame, the calculator once for all label sets.

        Raises
        ------
        LearnerError
            If the calculator fails, or a frame holds an element that no training frame held.
        """
        calculator = make_calculator(self._factory)
        found = [_evaluate(self._factory.name, frame, calculator) for frame in frames]
        return shifted_predictions(
            frames, [(one.energy, one.forces, one.stress) for one in found], self._offsets
        )

    def facts(self) -> list[dict[str, Any]]:
        """Give what the calculator is, its energy offsets and what fitting them cost."""
        return [dict(one) for one in self._facts]

    def save(self, path: Path, index: int = 0) -> None:
        """Write where the calculator is, and the energy offsets of one label set, as JSON."""
        factory = self._factory
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "module": factory.module,
            "function": factory.function,
            "called": factory.called,
            "folder": str(factory.folder),
            **factory.fingerprint(),
            "energy_offsets_ev": self._offsets[index],
            "facts": self._facts[index],
        }
        with whole_file(path) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


class _Saved(Record):
    """A saved model's file."""

    format: str
    version: int
    module: str
    function: str
    called: str
    folder: str
    source: str
    energy_offsets_ev: dict[str, FiniteFloat]


class OffsetCalculator(Calculator):
    """A saved model: the calculator that it names, its energies moved by the offsets.

    Parameters
    ----------
    factory
        Makes the calculator.
    offsets
        eV by element.

    Raises
    ------
    InputError, LearnerError
        If the calculator cannot be made.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ase)

    def __init__(self, factory: AseFactory, offsets: Mapping[str, float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = factory.name
        self._offsets = dict(offsets)
        self._calculator = make_calculator(factory)

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements whose energies were fitted."""
        return tuple(self._offsets)

    @classmethod
    def from_file(cls, path: Path) -> OffsetCalculator:
        """Read a saved model.

        Raises
        ------
        InputError
            If the function that it names cannot be imported here.
        LearnerError
            If the file is not such a model.
        """
        try:
            content = read_record(path, _Saved, remedy="train it again")
        except InputError as error:
            raise LearnerError(f"{path} is not a saved ase calculator: {error}") from error
        if content.format != _FORMAT or content.version != _VERSION:
            raise LearnerError(
                f"{path} holds format {content.format!r}, version {content.version!r}; "
                f"this version reads {_FORMAT!r}, version {_VERSION}"
            )
        factory = AseFactory(content.module, content.function, content.called, Path(content.folder))
        if factory.fingerprint()["source"] != content.source:
            logger.warning("%s: %s was changed since the model was saved", path, factory.module)
        return cls(factory, content.energy_offsets_ev)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, list(properties), list(system_changes))  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        found = _evaluate(self._name, self.atoms, self._calculator)
        energy = found.energy + offset_of(self.atoms, self._offsets)
        self.results = {"energy": energy, "free_energy": energy, "forces": found.forces}
        if found.stress is not None:
            self.results["stress"] = found.stress


def _evaluate(name: str, frame: Atoms, calculator: Calculator) -> Evaluation:
    try:
        return evaluate(frame, calculator)
    except Exception as error:
        raise LearnerError(f"{name}: {type(error).__name__}: {error}") from error


def ase_learner(name: str, text: str, function: Callable[..., Calculator]) -> LearnerEntry:
    """Make the entry of a plug-in that is an ase calculator.

    Parameters
    ----------
    name
        On the command line.
    text
        One line for help texts.
    function
        At the top of an installed module; called without arguments, gives the calculator.
    """
    return _entry(AseFactory.of(function, name), text)


def load_ase_model(path: Path, device: str | None) -> Calculator:  # noqa: ARG001 - its own matter
    """Load a saved model; see `OffsetCalculator.from_file`."""
    return OffsetCalculator.from_file(path)


def entry(name: str) -> LearnerEntry:
    """Entry of a learner named `ase:MODULE:FUNCTION`.

    Raises
    ------
    InputError
        If the name has another form.
    """
    return _entry(AseFactory.named(name), "an ase calculator, not trained")


def _entry(factory: AseFactory, text: str) -> LearnerEntry:
    def make(_options: NoOptions, _workers: int) -> AseLearner:
        factory.load()  # a name that leads nowhere is refused at once
        return AseLearner(factory)

    return LearnerEntry(
        name=factory.name,
        help=text,
        make=make,
        suffix=AseModels.suffix,
        load=load_ase_model,
        trained=False,
    )
