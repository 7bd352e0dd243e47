"""Labels that ship with dosml: frames, labels and DOS of real DFT, read instead of computed.

`dosml.relabel.reference` holds, for each metal, one compressed extxyz per setting with
`REF_energy`, `REF_forces` and `REF_stress`, one npz with the d-DOS of every label, and one table;
its README.md is the data card.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pandas as pd

from dosml.errors import EngineError, InputError
from dosml.files import whole_file
from dosml.relabel.engines.base import LEVEL_BROADENING, LabelFailure
from dosml.relabel.frames import KEPT_INFO, canonical, frame_id
from dosml.relabel.label import Label, LabelSet, labelled_frame
from dosml.theory.dos import ElectronicDos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: Where the shipped set lies.
REFERENCE = Path(__file__).parents[1] / "reference"
#: DOS are thinned to this step (eV), half the broadening of their levels.
DOS_STEP = LEVEL_BROADENING / 2
#: The range kept, eV relative to E_F.
DOS_WINDOW = (-12.0, 12.0)


def dataset_metals(folder: Path = REFERENCE) -> list[str]:
    """Metals of the set."""
    return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))


def write_dataset(
    folder: Path,
    metal: str,
    frames: Sequence[Atoms],
    label_sets: Sequence[LabelSet],
    facts: Mapping[str, Any],
) -> None:
    """Write one metal of a set.

    Parameters
    ----------
    folder
        Of the set; created if missing.
    metal
        Element symbol: the beginning of the file names.
    frames
        Canonical frames with `info["split"]`.
    label_sets
        One per setting, labels in the frames' order.
    facts
        How the labels were made, for the data card.
    """
    rows, spectra = [], {}
    for labels in label_sets:
        name = labels.setting.name
        labelled = [
            labelled_frame(frame, label) for frame, label in zip(frames, labels.labels, strict=True)
        ]
        with whole_file(folder / f"{metal}-{name}.extxyz.gz") as path:
            ase.io.write(path, labelled, format="extxyz")
        spectra[name] = np.array([_thinned(label.dos) for label in labels.labels], dtype=np.float16)
        for frame, label in zip(frames, labels.labels, strict=True):
            rows.append(
                {
                    "frame": frame_id(frame),
                    "tier": frame.info.get("tier", "all"),
                    "split": frame.info["split"],
                    "sigma_ev": labels.setting.smearing.width,
                    "fermi_level_ev": label.fermi_level,
                    "n_electrons": label.n_electrons,
                    "top_occupation": label.top_occupation,
                    **label.facts,
                }
            )
    with whole_file(folder / f"{metal}-dos.npz") as path:
        np.savez_compressed(path, allow_pickle=False, **spectra)
    with whole_file(folder / f"{metal}-labels.csv") as path:
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.8g")
    with whole_file(folder / f"{metal}.json") as path:
        settings = [labels.setting.as_dict() for labels in label_sets]
        path.write_text(json.dumps({**facts, "settings": settings}, indent=2) + "\n")


def _thinned(dos: ElectronicDos) -> np.ndarray:
    """Total DOS and its d parts by orbital on the coarse grid, shape (6, n_grid)."""
    if dos.d_m is None:
        raise ValueError("a dataset needs the d part of the DOS by orbital")
    grid = _grid()
    return np.array([np.interp(grid, dos.energies, part) for part in (dos.total, *dos.d_m)])


def _grid() -> np.ndarray:
    low, high = DOS_WINDOW
    return np.linspace(low, high, round((high - low) / DOS_STEP) + 1)


@dataclass(frozen=True)
class _Metal:
    """Everything that the set holds of one metal."""

    frames: tuple[Atoms, ...]
    labels: Mapping[tuple[str, ElectronicSetting], Label]
    settings: tuple[ElectronicSetting, ...]
    facts: Mapping[str, Any]
    digest: str


@cache
def _read(metal: str, folder: Path = REFERENCE) -> _Metal:
    path = folder / f"{metal}.json"
    if not path.is_file():
        raise InputError(
            f"the reference set has no {metal}, it has {', '.join(dataset_metals(folder))}: choose "
            "one of them, or leave --dataset out to compute labels"
        )
    facts = json.loads(path.read_text())
    digest = hashlib.sha256()
    settings, labels, frames = [], {}, []
    table = pd.read_csv(folder / f"{metal}-labels.csv")
    with np.load(folder / f"{metal}-dos.npz", allow_pickle=False) as spectra:
        for values in facts["settings"]:
            setting = ElectronicSetting(
                Smearing(values["scheme"], values["width_ev"]), values["electrons_per_atom_shift"]
            )
            source = folder / f"{metal}-{setting.name}.extxyz.gz"
            digest.update(source.read_bytes())
            read = ase.io.read(source, index=":")
            rows = table[np.isclose(table["sigma_ev"], setting.smearing.width)]
            frames = [_frame(atoms) for atoms in read]
            for atoms, frame, spectrum, (_, row) in zip(
                read, frames, spectra[setting.name], rows.iterrows(), strict=True
            ):
                labels[frame_id(frame), setting] = _label(atoms, spectrum.astype(np.float64), row)
            settings.append(setting)
    return _Metal(tuple(frames), labels, tuple(settings), facts, digest.hexdigest()[:16])


def _frame(atoms: Atoms) -> Atoms:
    frame = canonical(atoms)
    frame.info |= {key: atoms.info[key] for key in KEPT_INFO if key in atoms.info}
    return frame


def _label(atoms: Atoms, spectrum: np.ndarray, row: pd.Series) -> Label:
    return Label(
        free_energy=float(atoms.info["REF_energy"]),
        forces=atoms.arrays["REF_forces"],
        stress=np.asarray(atoms.info["REF_stress"], dtype=np.float64),
        fermi_level=float(row["fermi_level_ev"]),
        n_electrons=float(row["n_electrons"]),
        top_occupation=float(row["top_occupation"]),
        dos=ElectronicDos(
            energies=_grid(),
            total=spectrum[0],
            d=spectrum[1:].sum(axis=0),
            d_m=spectrum[1:],
            broadening=LEVEL_BROADENING,
        ),
        facts={"seconds": float(row["seconds"]), "scf_steps": int(row["scf_steps"])},
    )


def dataset_labels(metal: str) -> list[LabelSet]:
    """Label sets of one metal, labels in the order of `dataset_frames`.

    Raises
    ------
    InputError
        If the set does not hold the metal.
    """
    known = _read(metal)
    return [
        LabelSet(one, tuple(known.labels[frame_id(frame), one] for frame in known.frames))
        for one in known.settings
    ]


def dataset_frames(metal: str) -> list[Atoms]:
    """Frames of one metal, with `info["split"]` "train" or "test".

    Raises
    ------
    InputError
        If the set does not hold the metal.
    """
    return [frame.copy() for frame in _read(metal).frames]


@dataclass(frozen=True)
class DatasetEngine:
    """Labels of the shipped set, looked up by frame.

    Attributes
    ----------
    metal
        Element symbol.

    Raises
    ------
    InputError
        If the set does not hold the metal.
    """

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
        return f"{_read(self.metal).facts['warning']} They ship with dosml as the reference set."

    @property
    def default_cell(self) -> str:
        """Cells of the set."""
        return "small"

    @property
    def default_scheme(self) -> str:
        """Scheme of the set."""
        return _read(self.metal).settings[0].smearing.scheme

    def fingerprint(self) -> dict[str, str | float]:
        """Content of the set."""
        return {"engine": self.name, "content": _read(self.metal).digest}

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse a setting that the set does not hold.

        Raises
        ------
        EngineError
            Naming those that it holds.
        """
        known = _read(self.metal).settings
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
        labels = _read(self.metal).labels
        for setting in settings:
            if setting not in done:
                missing = LabelFailure("this frame is not in the reference set")
                yield setting, labels.get((frame_id(frame), setting), missing)

    def calculator(self, setting: ElectronicSetting) -> Calculator:  # noqa: ARG002
        """Refuse: a table of labels has no forces for other positions.

        Raises
        ------
        EngineError
            Always.
        """
        raise EngineError(
            "the reference set is a table of labels and cannot drive molecular dynamics: leave "
            "--sampler out"
        )
