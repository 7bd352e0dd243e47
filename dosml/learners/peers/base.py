"""What the learners of all peers have in common: settings, and what an adapter must give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from dosml.learners.base import over_preset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class WorkerSettings(BaseModel):
    """Settings of everything that runs in an environment of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = Field(
        default="default", description="default, or a preset of the peer: quick, paper"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: the GPUs where there are some"
    )
    seed: int = Field(default=0, ge=0, description="of the split and of the training")


class UniversalSettings(WorkerSettings):
    """Settings of what rests on potentials that are trained already: no passes over the data."""

    #: What the learner of all peers asks for.
    epochs: ClassVar[int] = 1
    validation: ClassVar[float] = 0.0
    use_stress: ClassVar[bool] = True


class PeerSettings(WorkerSettings):
    """Settings that every peer has that is trained from scratch.

    Numbers follow each project's own advice for small sets; a preset changes several at once, and
    what is given beside it wins.
    """

    cutoff: float = Field(default=5.0, gt=0, description="Å")
    epochs: int = Field(default=500, ge=1, description="largest number of passes over the data")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="share of the training frames, at least one frame"
    )
    use_stress: bool = Field(default=True, description="train on stresses where there are labels")


#: What an adapter's settings are.
AnySettings = PeerSettings | UniversalSettings


def no_curve(_folder: Path) -> Sequence[Mapping[str, float]]:
    """Training curve of a peer whose log tells none."""
    return ()


@dataclass(frozen=True)
class TrainingData:
    """What an adapter may know about the data when it writes a configuration.

    Attributes
    ----------
    species
        Chemical symbols in order of atomic number.
    n_train, n_valid
        Frames trained on, and watched for early stopping.
    mean_atoms
        Mean number of atoms in a training frame.
    stress
        Whether stresses are labelled and used.
    """

    species: tuple[str, ...]
    n_train: int
    n_valid: int
    mean_atoms: float
    stress: bool


@dataclass(frozen=True)
class Adapter:
    """How one peer is trained; everything that runs lies in its worker script.

    Attributes
    ----------
    name
        Name of the learner.
    help
        One line for help texts, without a full stop.
    settings
        Model of its settings.
    presets
        Name of a preset -> values that it changes.
    packages
        Whose versions go into the facts.
    worker
        File name of the worker script.
    model_file
        Name of the trained model in a training's folder.
    configure
        (settings, data) -> the peer's own input files, name -> text. The frames are in train.extxyz
        and valid.extxyz beside them.
    epochs_done
        Number of finished epochs, read from the folder of a training that runs.
    validates
        Whether it watches frames that it does not train on; else it trains on all.
    counted
        What its epochs are called.
    curve
        What the log of a training in a folder tells of every epoch, see
        `dosml.learners.peers.curves`; OSError, ValueError or LookupError if it cannot be read.
    definition
        Goes up whenever the same settings and data would give another model.
    trained
        Whether forces of the labels decide anything; else only energies per element do.
    """

    name: str
    help: str
    settings: type[PeerSettings | UniversalSettings]
    presets: Mapping[str, Mapping[str, Any]]
    packages: tuple[str, ...]
    worker: str
    model_file: str
    configure: Callable[[Any, TrainingData], dict[str, str]]
    epochs_done: Callable[[Path], int]
    validates: bool = True
    counted: str = "epochs"
    curve: Callable[[Path], Sequence[Mapping[str, float]]] = no_curve
    definition: int = 1
    trained: bool = True

    def make_settings(self, options: Mapping[str, Any]) -> AnySettings:
        """Put options over their preset.

        Raises
        ------
        InputError
            If an option is unknown or out of range, or there is no such preset.
        """
        return over_preset(self.settings, f"the learner {self.name}", self.presets, options)
