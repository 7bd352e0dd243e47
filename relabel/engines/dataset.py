"""The shipped set as an engine, until scans take a `Dataset` as it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dosml.errors import EngineError
from dosml.relabel.dataset import Dataset, reference_dataset
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.theory.setting import ElectronicSetting


@cache
def _read(metal: str) -> Dataset:
    return reference_dataset(metal)


def dataset_frames(metal: str) -> list[Atoms]:
    """Frames of one metal, with `info["split"]` "train" or "test"."""
    return [frame.copy() for frame in _read(metal).frames]


@dataclass(frozen=True)
class DatasetEngine:
    """Labels of the shipped set, looked up by frame."""

    metal: str

    def __post_init__(self) -> None:
        """Refuse a metal that is not there."""
        _read(self.metal)

    @property
    def name(self) -> str:
        """Name in tables."""
        return "reference"

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know."""
        return f"{_read(self.metal).provenance.warning} They ship with dosml as the reference set."

    @property
    def default_cell(self) -> str:
        """Cells of the set."""
        return "small"

    @property
    def default_scheme(self) -> str:
        """Scheme of the set."""
        return _read(self.metal).electronic[0].smearing.scheme

    def fingerprint(self) -> dict[str, str | float]:
        """Content of the set."""
        return {"engine": self.name, "content": _read(self.metal).content()}

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse a setting that the set does not hold."""
        known = _read(self.metal).electronic
        if setting not in known:
            widths = ",".join(f"{one.smearing.width:g}" for one in known)
            raise EngineError(
                f"the reference set has {self.metal} at --sigma {widths} with "
                f"{self.default_scheme}, not at {setting.name} with {setting.smearing.scheme}"
            )

    def seconds_per_label(self, n_atoms: int) -> float:  # noqa: ARG002 - the protocol's argument
        """Cost of reading."""
        return 0.001

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,  # noqa: ARG002 - the protocol's argument
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Look the labels up."""
        held = _read(self.metal)
        for setting in settings:
            if setting not in done:
                yield setting, _label(held, frame_id(frame), setting)

    def calculator(self, setting: ElectronicSetting) -> Calculator:  # noqa: ARG002
        """Refuse: a table of labels has no forces for other positions."""
        raise EngineError(
            "the reference set is a table of labels and cannot drive molecular dynamics: leave "
            "--sampler out"
        )


def _label(held: Dataset, identity: str, setting: ElectronicSetting) -> Label | LabelFailure:
    if identity not in held.frame_ids:
        return LabelFailure("this frame is not in the reference set")
    n, one = held.frame_ids.index(identity), held.label_sets[held.electronic.index(setting)]
    assert one.stresses is not None
    assert one.dos_parts is not None
    names = ("fermi_level_ev", "n_electrons", "top_occupation")
    return Label(
        float(one.energies[n]),
        one.forces[n],
        one.stresses[n],
        fermi_level=float(one.facts["fermi_level_ev"][n]),
        n_electrons=float(one.facts["n_electrons"][n]),
        top_occupation=float(one.facts["top_occupation"][n]),
        dos=one.dos_parts[n],
        facts={name: values[n] for name, values in one.facts.items() if name not in names},
    )
