"""`Dataset`: frames with their labels at one or more electronic settings.

Everything between labelling and findings takes this value: learners train on it, findings read it,
and it has one folder format on disk (`dosml.relabel.dataset.files`). Nothing in it assumes one
element, and nothing in it knows an engine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dosml.errors import FrameError, InputError, LabelError
from dosml.relabel.frames import frame_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.theory.dos import ElectronicDos
    from dosml.theory.setting import ElectronicSetting

#: What a frame is for.
ROLES = ("train", "test")
#: Decimals that energies (eV) and forces (eV/Å) keep: what extxyz writes, so that labels read back
#: are the same. Stresses (eV/Å^3) are smaller.
LABEL_DECIMALS = 8
STRESS_DECIMALS = 12


class DosParts(Protocol):
    """DOS of each frame, read from memory or from disk when asked for."""

    def __len__(self) -> int:
        """Count the frames."""
        ...

    def __getitem__(self, number: int, /) -> ElectronicDos:
        """Read the DOS of one frame."""
        ...


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Labels of one frame list at one electronic setting, in the frames' order.

    Values are rounded to what a file keeps, so that a set that went through one has the same
    content.

    Attributes
    ----------
    energies
        Force-consistent free energy of each frame, shape (n_frames,), eV (total, not per atom).
    forces
        One array of shape (n_atoms, 3) per frame, eV/Å.
    stresses
        Shape (n_frames, 6), eV/Å^3, ase's sign and Voigt order (xx yy zz yz xz xy), or None.
    setting
        Smearing and electron number; None where a file does not say.
    name
        Of files and models; by default that of the setting.
    dos
        Mean DOS over all frames, or None.
    dos_parts
        DOS of each frame, read when asked for, or None.
    facts
        Columns of the table of labels by name, one value per frame: "fermi_level_ev",
        "n_electrons", "top_occupation" and what else the engine tells (seconds, attempts).
    """

    energies: NDArray[np.float64]
    forces: Sequence[NDArray[np.float64]]
    stresses: NDArray[np.float64] | None = None
    setting: ElectronicSetting | None = None
    name: str = ""
    dos: ElectronicDos | None = None
    dos_parts: DosParts | None = None
    facts: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Round, and name the set after its setting."""
        put = object.__setattr__
        put(self, "energies", np.round(np.asarray(self.energies, dtype=float), LABEL_DECIMALS))
        put(self, "forces", tuple(_rounded(one) for one in self.forces))
        if self.stresses is not None:
            stresses = np.asarray(self.stresses, dtype=float)
            put(self, "stresses", np.round(stresses, STRESS_DECIMALS))
        if not self.name:
            put(self, "name", "labels" if self.setting is None else self.setting.name)

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.forces)

    def take(self, which: Sequence[int]) -> LabelSet:
        """Give the labels of some frames; their mean DOS is not known."""
        order = list(which)
        return replace(
            self,
            energies=self.energies[order],
            forces=[self.forces[n] for n in order],
            stresses=None if self.stresses is None else self.stresses[order],
            dos=None,
            dos_parts=None if self.dos_parts is None else PickedDos(self.dos_parts, order),
            facts={name: [values[n] for n in order] for name, values in self.facts.items()},
        )


def _rounded(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(np.asarray(forces, dtype=float), LABEL_DECIMALS)


class PickedDos:
    """Some of the DOS of a longer sequence, read when asked for."""

    def __init__(self, parts: DosParts, which: Sequence[int]) -> None:
        self._parts, self._which = parts, list(which)

    def __len__(self) -> int:
        """Count the DOS."""
        return len(self._which)

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read one."""
        return self._parts[self._which[number]]


@dataclass(frozen=True)
class Provenance:
    """Where labels come from.

    Attributes
    ----------
    engine
        Name of the engine; "unknown" for labels that somebody else made.
    warning
        What a reader of the numbers must know, in one sentence.
    limits
        What the labels cannot show, one sentence each, for the report.
    versions
        Packages and programs by name.
    protocol
        Everything that a label depends on besides frame and setting.
    source
        What the labels were read from, for people.
    """

    engine: str = "unknown"
    warning: str = ""
    limits: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Frames, their roles and tiers, and paired labels: every frame has one in every label set.

    Attributes
    ----------
    frames
        Canonical frames (`dosml.relabel.frames.canonical`).
    roles
        "train" or "test" of every frame; empty where nobody has split them.
    tiers
        Temperature tier of every frame, "all" where there are none.
    label_sets
        At least one, with different names.
    provenance
        Where the labels come from.
    dropped, dropped_settings
        Frames and settings that were left out to keep the labels paired, with the reason.

    Raises
    ------
    FrameError
        If there is no frame, two frames are identical, or roles and tiers do not fit the frames.
    LabelError
        If a label has another shape than its frame, or is not finite, or only some sets hold
        stresses, or two sets have one name.
    """

    frames: tuple[Atoms, ...]
    roles: tuple[str, ...]
    tiers: tuple[str, ...]
    label_sets: tuple[LabelSet, ...]
    provenance: Provenance = field(default_factory=Provenance)
    dropped: tuple[str, ...] = ()
    dropped_settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything fits together."""
        n = len(self.frames)
        if n == 0:
            raise FrameError("a dataset needs at least one frame, got none")
        if not self.label_sets:
            raise LabelError("a dataset needs at least one label set, got none")
        if self.roles and (len(self.roles) != n or set(self.roles) - set(ROLES)):
            raise FrameError(
                f"roles of {len(self.roles)} frames ({', '.join(sorted(set(self.roles)))}), "
                f"expected train or test for each of {n}"
            )
        if len(self.tiers) != n:
            raise FrameError(f"tiers of {len(self.tiers)} frames, expected {n}")
        names = [one.name for one in self.label_sets]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise LabelError(f"two label sets are named {twice!r}: rename one, models bear it")
        sizes = [len(frame) for frame in self.frames]
        for labels in self.label_sets:
            check_label_set(labels, sizes)
        if len({labels.stresses is None for labels in self.label_sets}) > 1:
            raise LabelError(
                "some label sets hold stresses and others do not: leave them out of all"
            )

    @classmethod
    def of(
        cls,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        provenance: Provenance | None = None,
        *,
        dropped: Sequence[str] = (),
        dropped_settings: Sequence[str] = (),
    ) -> Dataset:
        """Make a dataset of frames that carry `info["split"]` and `info["tier"]` (or not)."""
        roles = [frame.info.get("split") for frame in frames]
        return cls(
            tuple(frames),
            tuple(str(role) for role in roles) if all(role in ROLES for role in roles) else (),
            tuple(str(frame.info.get("tier", "all")) for frame in frames),
            tuple(label_sets),
            provenance or Provenance(),
            tuple(dropped),
            tuple(dropped_settings),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the label sets."""
        return tuple(one.name for one in self.label_sets)

    @property
    def electronic(self) -> tuple[ElectronicSetting, ...]:
        """Electronic settings of the label sets.

        Raises
        ------
        InputError
            If the labels do not say at which settings they were made.
        """
        found = [one.setting for one in self.label_sets if one.setting is not None]
        if len(found) < len(self.label_sets):
            lacking = next(one.name for one in self.label_sets if one.setting is None)
            raise InputError(
                f"the label set {lacking} does not say at which smearing it was made: name its "
                "file after the width (sigma_0.2.extxyz) and give --scheme, or write dataset.json"
            )
        return tuple(found)

    @property
    def train(self) -> tuple[int, ...]:
        """Indices of the training frames."""
        return tuple(n for n, role in enumerate(self.roles) if role == "train")

    @property
    def test(self) -> tuple[int, ...]:
        """Indices of the held-out frames."""
        return tuple(n for n, role in enumerate(self.roles) if role == "test")

    @property
    def stress(self) -> bool:
        """Whether the labels hold stresses."""
        return self.label_sets[0].stresses is not None

    @cached_property
    def frame_ids(self) -> tuple[str, ...]:
        """Content hash of every frame."""
        return tuple(frame_id(frame) for frame in self.frames)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in the frames, sorted."""
        return tuple(sorted({s for frame in self.frames for s in set(frame.symbols)}))

    def take(
        self,
        frames: Sequence[int] | None = None,
        label_sets: Sequence[int] | None = None,
        *,
        stress: bool = True,
    ) -> Dataset:
        """Give some of the frames and some of the label sets, with or without stresses."""
        sets = [self.label_sets[k] for k in label_sets] if label_sets is not None else None
        chosen = list(self.label_sets if sets is None else sets)
        if not stress:
            chosen = [replace(one, stresses=None) for one in chosen]
        if frames is None:
            return replace(self, label_sets=tuple(chosen))
        which = list(frames)
        return replace(
            self,
            frames=tuple(self.frames[n] for n in which),
            roles=tuple(self.roles[n] for n in which) if self.roles else (),
            tiers=tuple(self.tiers[n] for n in which),
            label_sets=tuple(one.take(which) for one in chosen),
        )

    def with_roles(self, test: Sequence[int]) -> Dataset:
        """Give the same data with these frames held out and all others for training.

        Raises
        ------
        InputError
            If no frame is left on either side, or a held-out frame equals a training frame.
        """
        held = set(test)
        roles = tuple("test" if n in held else "train" for n in range(len(self.frames)))
        if set(roles) != set(ROLES):
            raise InputError(
                f"{len(roles) - len(held)} training and {len(held)} held-out frames: each side "
                "needs one at least"
            )
        first = {
            one: n
            for n, (one, role) in enumerate(zip(self.frame_ids, roles, strict=True))
            if role == "train"
        }
        for n in sorted(held):
            if (same := first.get(self.frame_ids[n])) is not None:
                raise InputError(
                    f"frames {same} and {n} are identical: a held-out frame must not also be a "
                    "training frame; remove one"
                )
        return replace(self, roles=roles)

    def join(self, other: Dataset) -> Dataset:
        """Give the frames of both, this one's first, with this one's settings and provenance.

        Raises
        ------
        LabelError
            If the other has another number of label sets, or only one of both has stresses.
        """
        if len(other.label_sets) != len(self.label_sets) or other.stress != self.stress:
            raise LabelError(
                "label sets that are joined need the same number of sets, and stresses in all or "
                "none"
            )
        joined = []
        for a, b in zip(self.label_sets, other.label_sets, strict=True):
            stresses = None
            if a.stresses is not None and b.stresses is not None:
                stresses = np.concatenate([a.stresses, b.stresses])
            joined.append(
                replace(
                    a,
                    energies=np.concatenate([a.energies, b.energies]),
                    forces=[*a.forces, *b.forces],
                    stresses=stresses,
                    dos=None,
                    dos_parts=None,
                    facts={},
                )
            )
        return replace(
            self,
            frames=(*self.frames, *other.frames),
            roles=(*self.roles, *other.roles) if self.roles and other.roles else (),
            tiers=(*self.tiers, *other.tiers),
            label_sets=tuple(joined),
        )

    def content(self) -> str:
        """Hash (16 hexadecimal digits) of frames and labels: what a training depends on."""
        digest = hashlib.sha256()
        for one in self.frame_ids:
            digest.update(one.encode())
        for labels in self.label_sets:
            digest.update(np.asarray(labels.energies, dtype="<f8").tobytes())
            for forces in labels.forces:
                digest.update(np.asarray(forces + 0.0, dtype="<f8").tobytes())
            if labels.stresses is not None:
                digest.update(np.asarray(labels.stresses + 0.0, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]


def check_label_set(labels: LabelSet, sizes: Sequence[int]) -> None:
    """Refuse labels that do not fit frames of so many atoms each.

    Raises
    ------
    LabelError
        Naming the label set and the frame.
    """
    name, n_frames = labels.name, len(sizes)
    if labels.energies.shape != (n_frames,):
        raise LabelError(
            f"{name}: energies have shape {labels.energies.shape}, expected ({n_frames},): one "
            "total energy per frame"
        )
    if len(labels.forces) != n_frames:
        raise LabelError(f"{name}: forces of {len(labels.forces)} frames, expected {n_frames}")
    if labels.stresses is not None and labels.stresses.shape != (n_frames, 6):
        raise LabelError(
            f"{name}: stresses have shape {labels.stresses.shape}, expected ({n_frames}, 6) in "
            "ase's Voigt order"
        )
    _check_values(labels, sizes)
    for column, given in labels.facts.items():
        if len(given) != n_frames:
            raise LabelError(f"{name}: {len(given)} values of {column}, expected {n_frames}")
    if labels.dos_parts is not None and len(labels.dos_parts) != n_frames:
        raise LabelError(f"{name}: {len(labels.dos_parts)} DOS, expected {n_frames}")


def _check_values(labels: LabelSet, sizes: Sequence[int]) -> None:
    name = labels.name
    for n, (forces, size) in enumerate(zip(labels.forces, sizes, strict=True)):
        if forces.shape != (size, 3):
            raise LabelError(
                f"{name}, frame {n}: forces have shape {forces.shape}, expected ({size}, 3)"
            )
        values = [labels.energies[n], forces]
        if labels.stresses is not None:
            values.append(labels.stresses[n])
        if not all(np.isfinite(value).all() for value in values):
            raise LabelError(f"{name}, frame {n}: a label is not finite; drop the frame")
