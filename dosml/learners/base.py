"""What every learner takes and gives: plain arrays, so that no learner depends on an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from dosml.config_file import AnyOptions, checked_options
from dosml.errors import InputError, LabelError, LearnerError
from dosml.registry import Entry

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.relabel.dataset import LabelSet

#: Called as progress(stage, done, total) while a learner works.
Progress = Callable[[str, int, int], None]

#: What every model says of its cost, besides facts of its own (`FittedModels.facts`): numbers that
#: are finite, and the device as a text. Seconds are wall time and hold what was spent on all label
#: sets together; parameters of a Gaussian process are its inducing environments; epochs are passes
#: over the training frames.
COSTS = ("seconds_training", "device", "peak_memory_mib", "n_parameters", "epochs")


@dataclass(frozen=True)
class Prediction:
    """What one model says about a frame list.

    Attributes
    ----------
    energies
        Shape (n_frames,), eV.
    forces
        One array of shape (n_atoms, 3) per frame, eV/Å.
    stresses
        Shape (n_frames, 6), eV/Å^3, ase's sign and Voigt order; NaN for frames without a volume.
    uncertainties
        One array of shape (n_atoms,) per frame: standard deviation (eV) of each atom's energy,
        or None where they were not asked for.
    force_uncertainties
        One array of shape (n_atoms, 3) per frame: standard deviation (eV/Å) of each force
        component, or None where they were not asked for.
    """

    energies: NDArray[np.float64]
    forces: list[NDArray[np.float64]]
    stresses: NDArray[np.float64]
    uncertainties: list[NDArray[np.float64]] | None = None
    force_uncertainties: list[NDArray[np.float64]] | None = None


def check_prediction(said: Prediction, sizes: Sequence[int]) -> None:
    """Refuse what no force field can say of frames of so many atoms each.

    Raises
    ------
    LearnerError
        If arrays have other shapes, energies or forces are not finite, or a stress is so in part.
    """
    import numpy as np

    n = len(sizes)
    shapes = [np.shape(one) for one in said.forces]
    if np.shape(said.energies) != (n,) or shapes != [(size, 3) for size in sizes]:
        raise LearnerError(
            f"energies {np.shape(said.energies)} and forces of {len(shapes)} frames "
            f"do not fit {n} frames"
        )
    if np.shape(said.stresses) != (n, 6):
        raise LearnerError(f"stresses have shape {np.shape(said.stresses)}, expected ({n}, 6)")
    wrong = [
        k
        for k, (energy, forces) in enumerate(zip(said.energies, said.forces, strict=True))
        if not (np.isfinite(energy) and np.isfinite(forces).all())
    ]
    if wrong:
        raise LearnerError(
            f"energy or forces of frame {wrong[0]} are not finite numbers ({len(wrong)} of {n} "
            "frames): train with other settings"
        )
    if any(np.isfinite(one).any() != np.isfinite(one).all() for one in said.stresses):
        raise LearnerError("a stress is finite in part")


class FittedModels(Protocol):
    """One trained model per label set, all on the same frames."""

    @property
    def suffix(self) -> str:
        """Suffix of a saved model's file."""
        ...

    def predict(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Predict every frame with every model: one `Prediction` per label set."""
        ...

    def facts(self) -> Sequence[Mapping[str, Any]]:
        """Say what each model is and what it cost (`COSTS`): one mapping per label set."""
        ...

    def save(self, path: Path, index: int) -> None:
        """Write the model of label set `index` to one file."""
        ...


class Learner(Protocol):
    """Turns frames with label sets into one model per label set."""

    @property
    def name(self) -> str:
        """The name under which the registry knows this learner."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Give everything besides the data that decides the models, as plain JSON values."""
        ...

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> FittedModels:
        """Train one model per label set."""
        ...


@runtime_checkable
class KeepsTrainings(Protocol):
    """A learner whose trainings are long: each is kept on disk and continues after a kill."""

    def at(self, folder: Path) -> Self:
        """Give the same learner, keeping its trainings in a folder."""
        ...

    def effort(self, n_models: int) -> str:
        """Say how much there is to train for so many label sets, and where it runs."""
        ...

    def on_one_core(self) -> Self | None:
        """Give the same learner for one core; None where it trains on devices of its own."""
        ...


@runtime_checkable
class FollowsFrames(Protocol):
    """A learner some of whose settings follow from the training frames where they are left open."""

    def settled(self, frames: Sequence[Atoms]) -> Self:
        """Give the same learner with the settings that it takes for these frames."""
        ...


@runtime_checkable
class KnowsGrid(Protocol):
    """A learner that says which values of its options are worth trying."""

    def grid(self, frames: Sequence[Atoms]) -> dict[str, tuple[Any, ...]]:
        """Give values by option, for these training frames."""
        ...


class AcrossModel(Protocol):
    """One model of several label sets, with sigma as an argument."""

    def predict(self, frames: Sequence[Atoms], sigma: float) -> Any:
        """Predict frames at one sigma (eV): energies, forces, stresses, entropies."""
        ...

    def without(self, number: int) -> AcrossModel:
        """Give the same without one of the label sets, in ascending order of sigma."""
        ...

    def save(self, path: Path) -> None:
        """Write one file, which the learner's `load` reads."""
        ...


@dataclass(frozen=True, kw_only=True)
class LearnerEntry(Entry):
    """A learner in the registry.

    Attributes
    ----------
    make
        (checked options, processor cores that it may use) -> the learner. Heavy imports belong in
        here, not at the top of its module.
    suffix
        Of the files that its models are saved to.
    load
        (saved model, device or None for where it was trained) -> ase calculator; a
        `LearnerError` says that the file is none of its own.
    join
        (saved models of one training, sigma of each in eV, smearing scheme) -> one model across
        sigma; None where the learner cannot.
    """

    make: Callable[[Any, int], Learner]
    suffix: str
    load: Callable[[Path, str | None], Calculator]
    join: Callable[[Sequence[Path], Sequence[float], str], AcrossModel] | None = None
    trained: bool = True


def over_preset(
    model: type[AnyOptions],
    owner: str,
    presets: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
) -> AnyOptions:
    """Put options over those of the preset that they name, "default" where they name none.

    Parameters
    ----------
    model
        Of the options, with one named preset.
    owner
        Whose options they are, such as "the learner nequip".
    presets
        Name of a preset -> values that it changes.
    options
        What was given.

    Raises
    ------
    InputError
        If an option is unknown or out of range, or there is no such preset.
    """
    name = options.get("preset", "default")
    checked_options(model, owner, options)
    known = {"default": {}, **presets}
    if name not in known:
        raise InputError(
            f"option preset of {owner} cannot be {name!r}: choose one of {', '.join(known)}"
        )
    return checked_options(model, owner, {**known[name], **options})


def check_device(name: str) -> None:
    """Refuse a device that torch does not have here, or that cannot hold double precision.

    Raises
    ------
    InputError
        With what torch says.
    """
    if name == "cpu":  # torch always has this one, and to ask it takes a second and 200 MiB
        return
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {name!r} cannot be used here ({error}); "
            "use cpu, or cuda where torch sees a GPU"
        ) from error
    if device.type not in {"cpu", "cuda"}:
        raise InputError(f"device {name!r} has no double precision here: use cpu or cuda")


def watched_frames(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Draw the frames that are trained on, and those that are watched: one at least of two or more.

    Parameters
    ----------
    count
        Number of frames.
    share
        Of them to watch.
    seed
        The same gives the same frames for every learner and label set.

    Returns
    -------
    trained, watched
        Their numbers, ascending.
    """
    import numpy as np

    order = np.random.default_rng(seed).permutation(count)
    n_watched = min(max(1, round(share * count)), count - 1)
    return sorted(order[n_watched:].tolist()), sorted(order[:n_watched].tolist())


def check_training_data(frames: Sequence[Atoms], label_sets: Sequence[LabelSet]) -> None:
    """Refuse training data that no learner can use.

    Raises
    ------
    LearnerError
        If there are no frames or no label sets, if an array has another shape than the frames
        ask for, if a label is not finite, or if only some label sets hold stresses.
    """
    from dosml.relabel.dataset.label_set import check_label_set

    if not frames:
        raise LearnerError("a learner needs at least one training frame, got none")
    if not label_sets:
        raise LearnerError("a learner needs at least one label set, got none")
    for labels in label_sets:
        try:
            check_label_set(labels, [len(frame) for frame in frames])
        except LabelError as error:
            raise LearnerError(str(error)) from error
    if len({labels.stresses is None for labels in label_sets}) > 1:
        raise LearnerError(
            "some label sets hold stresses and others do not: give them to all sets or to none"
        )
