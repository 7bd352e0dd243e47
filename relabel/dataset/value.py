"""`Dataset`: frames with their labels at one or more electronic settings.

Everything between labelling and findings takes this value: learners train on it, findings read it,
and it has one folder format on disk (`dosml.relabel.dataset.files`). Nothing in it assumes one
element, and nothing in it knows an engine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import FrameError, InputError, LabelError
from dosml.relabel.dataset.label_set import check_label_set, on_one_grid
from dosml.relabel.frames import frame_id, name_of, twin_words, twins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

    from dosml.relabel.dataset.label_set import LabelSet
    from dosml.theory.setting import ElectronicSetting

#: What a frame is for.
ROLES = ("train", "test")


def roles_of(frames: Sequence[Atoms]) -> tuple[str, ...]:
    """Give the roles that frames are marked with in `info["split"]`; none where one has no mark.

    Frames for validation (`val`) train, since a learner that needs some takes them from its
    training frames; where none is marked `test` they are what is held out.
    """
    marks = [frame.info.get("split") for frame in frames]
    if None in marks:
        return ()
    val = "train" if "test" in marks else "test"
    return tuple(val if mark == "val" else str(mark) for mark in marks)


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
    notes
        What was seen when the labels were read that only the user can judge, one sentence each.

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
    notes: tuple[str, ...] = ()

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
        notes: Sequence[str] = (),
    ) -> Dataset:
        """Make a dataset of frames that carry `info["split"]` and `info["tier"]` (or not)."""
        return cls(
            tuple(frames),
            roles_of(frames),
            tuple(str(frame.info.get("tier", "all")) for frame in frames),
            tuple(label_sets),
            provenance or Provenance(),
            tuple(dropped),
            tuple(dropped_settings),
            tuple(notes),
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

    def of_element(self, symbol: str) -> Dataset:
        """Give the frames that hold this element and no other.

        Raises
        ------
        FrameError
            If there is none.
        """
        which = [n for n, frame in enumerate(self.frames) if set(frame.symbols) == {symbol}]
        if not which:
            raise FrameError(
                f"no frame of {symbol} among {len(self.frames)} frames of "
                f"{', '.join(self.elements)}"
            )
        if len(which) == len(self.frames):
            return self
        taken, own = self.take(which), {self.frame_ids[n] for n in which}
        label_sets = tuple(
            one if one.noise is None else replace(one, noise=one.noise.of_frames(own))
            for one in taken.label_sets
        )
        return replace(taken, label_sets=label_sets).with_mean_dos()

    def with_mean_dos(self) -> Dataset:
        """Give the same data with the mean DOS of every label set, all on one grid.

        Raises
        ------
        InputError
            If two DOS have no energies in common.
        """
        return replace(self, label_sets=tuple(one.averaged() for one in self.label_sets)).aligned()

    def aligned(self) -> Dataset:
        """Give the same data with the DOS of all label sets on one grid.

        Raises
        ------
        InputError
            If two DOS have no energies in common.
        """
        return replace(self, label_sets=on_one_grid(self.label_sets))

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
        for one, other in twins(self.frames):
            if roles[one] != roles[other]:
                first, second = self.frames[one], self.frames[other]
                raise InputError(
                    f"{name_of(first, one)} and {name_of(second, other)} "
                    f"{twin_words(first, second)}; remove one"
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
            notes=(*self.notes, *other.notes),
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
