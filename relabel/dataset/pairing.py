"""From stored labels to a dataset: every frame labelled at every setting that can be kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import DamagedFileError, LabelError
from dosml.relabel.dataset.label_set import LabelSet, on_one_grid
from dosml.relabel.dataset.spectra import MeanDos
from dosml.relabel.dataset.value import Dataset
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.dataset.value import Provenance
    from dosml.relabel.store import LabelStore
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.setting import ElectronicSetting

#: A setting is left out as a whole when more than this share of its frames has no label.
MOST_FAILURES = 0.5
#: Fewer settings leave nothing to compare: then none is left out.
FEWEST_SETTINGS = 2


@dataclass(frozen=True)
class LabelSource:
    """Where the labels at one setting are.

    Attributes
    ----------
    store, setting
        Together they find a label by its frame.
    name
        Of the label set; by default that of the setting.
    failures
        Reasons by frame id, for frames that have no label whatever the store says.
    facts
        From frame id and label to the facts of the table; None takes the label's own.
    """

    store: LabelStore
    setting: ElectronicSetting
    name: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)
    facts: Callable[[str, Label], Mapping[str, Any]] | None = None

    @property
    def shown(self) -> str:
        """Name in messages."""
        return self.name or self.setting.name

    def lacks(self, identity: str, n_atoms: int) -> str | None:
        """Reason why a frame of so many atoms has no label; None where there is a sound one."""
        if identity in self.failures:
            return self.failures[identity]
        if self.store.has_label(identity, self.setting, n_atoms):
            return None
        outcome = self.store.get(identity, self.setting, n_atoms)
        return str(getattr(outcome, "reason", "no sound label, and no reason why"))

    def read(self, identity: str, n_atoms: int) -> Label | str:
        """Label of a frame of so many atoms, or the reason why there is none.

        Raises
        ------
        DamagedFileError
            If the label was sound when it was looked for and is not any more.
        """
        reason = self.lacks(identity, n_atoms)
        if reason is not None:
            return reason
        outcome = self.store.get(identity, self.setting, n_atoms)
        if isinstance(outcome, Label):
            return outcome
        raise DamagedFileError(
            f"the label of frame {identity} at {self.shown} in {self.store.folder} was damaged "
            "since it was made: run the same command again, it is made anew"
        )


class StoredDos:
    """DOS of frames in a label store, each read when asked for."""

    def __init__(
        self, source: LabelSource, identities: Sequence[str], sizes: Sequence[int]
    ) -> None:
        self._source, self._identities, self._sizes = source, identities, sizes

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._identities)

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read one.

        Raises
        ------
        DamagedFileError, LabelError
            If the label has gone or was damaged since.
        """
        label = self._source.read(self._identities[number], self._sizes[number])
        if isinstance(label, str) or label.dos is None:
            raise LabelError(
                f"the DOS of frame {self._identities[number]} at {self._source.shown} has gone "
                f"from {self._source.store.folder}: label it again"
            )
        return label.dos


class _Gathered:
    """What is kept of the labels of one source, as they pass by one by one."""

    def __init__(self, source: LabelSource) -> None:
        self.source = source
        self.energies: list[float] = []
        self.forces: list[NDArray[np.float64]] = []
        self.stresses: list[NDArray[np.float64] | None] = []
        self.facts: list[Mapping[str, Any]] = []
        self.dos = MeanDos()

    def add(self, identity: str, label: Label) -> None:
        self.energies.append(label.free_energy)
        self.forces.append(label.forces)
        self.stresses.append(label.stress)
        chosen = self.source.facts
        own = label.facts if chosen is None else chosen(identity, label)
        self.facts.append(
            {
                "fermi_level_ev": label.fermi_level,
                "n_electrons": label.n_electrons,
                "top_occupation": label.top_occupation,
                **own,
            }
        )
        if label.dos is not None:
            self.dos.add(label.dos)

    def label_set(
        self, identities: Sequence[str], sizes: Sequence[int], *, stress: bool
    ) -> LabelSet:
        names = dict.fromkeys(name for facts in self.facts for name in facts)
        columns = {name: [facts.get(name) for facts in self.facts] for name in names}
        # a mean over some of the frames would be of other frames than the labels
        whole = len(self.dos) == len(identities)
        return LabelSet(
            np.array(self.energies),
            self.forces,
            np.array(self.stresses, dtype=float) if stress else None,
            self.source.setting,
            self.source.name,
            dos=self.dos.mean() if whole else None,
            dos_parts=StoredDos(self.source, identities, sizes) if whole else None,
            facts={name: column for name, column in columns.items() if not _unknown(column)},
        )


def _unknown(column: Sequence[Any]) -> bool:
    return all(one is None or (isinstance(one, float) and np.isnan(one)) for one in column)


def from_store(
    store: LabelStore,
    frames: Sequence[Atoms],
    electronic: Sequence[ElectronicSetting],
    provenance: Provenance | None = None,
) -> Dataset:
    """Gather the labels of a store, each read once; DOS are averaged on the way.

    Parameters
    ----------
    store
        Of one engine.
    frames
        Canonical frames; `info["tier"]` and `info["split"]` become tiers and roles.
    electronic
        Settings, one label set each.
    provenance
        Where the labels come from.

    Returns
    -------
    Dataset
        See `pair`.

    Raises
    ------
    LabelError, DamagedFileError
        See `pair`.
    """
    return pair(frames, [LabelSource(store, one) for one in electronic], provenance)


def pair(
    frames: Sequence[Atoms],
    sources: Sequence[LabelSource],
    provenance: Provenance | None = None,
) -> Dataset:
    """Keep the frames that have a label at every setting, so that comparisons stay paired.

    A setting at which most frames failed is left out first, as a whole: it would take those frames
    from all others. That is not done where fewer than two settings would stay. Stresses and DOS are
    kept where every label has them.

    Returns
    -------
    Dataset
        Its `dropped` and `dropped_settings` name what was left out, with the reason.

    Raises
    ------
    LabelError
        If there is no source, or no frame has a label at every setting.
    DamagedFileError
        If a label was damaged since it was found sound; it is taken away, to be made again.
    """
    identities = [frame_id(frame) for frame in frames]
    sources, dropped_settings = _usable(sources, identities, [len(frame) for frame in frames])
    gathered = [_Gathered(source) for source in sources]
    kept: list[Atoms] = []
    ids: list[str] = []
    dropped: list[str] = []
    for frame, identity in zip(frames, identities, strict=True):
        labels: list[Label] = []
        for source in sources:
            outcome = source.read(identity, len(frame))
            if not isinstance(outcome, Label):
                tier = frame.info.get("tier", "all")
                dropped.append(f"frame {identity} ({tier}) at {source.shown}: {outcome}")
                break
            labels.append(outcome)
        else:
            kept.append(frame)
            ids.append(identity)
            for one, label in zip(gathered, labels, strict=True):
                one.add(identity, label)
    if not kept:
        raise LabelError(
            f"none of {len(frames)} frames has a label at every one of {len(sources)} settings"
            + (f", the first because {dropped[0]}" if dropped else "")
        )
    stress = all(
        one is not None and np.isfinite(one).all() for each in gathered for one in each.stresses
    )
    sizes = [len(frame) for frame in kept]
    return Dataset.of(
        kept,
        on_one_grid([one.label_set(ids, sizes, stress=stress) for one in gathered]),
        provenance,
        dropped=dropped,
        dropped_settings=dropped_settings,
    )


def _usable(
    sources: Sequence[LabelSource], identities: Sequence[str], sizes: Sequence[int]
) -> tuple[list[LabelSource], list[str]]:
    """Leave out the settings at which most frames failed."""
    reasons = {
        number: [
            reason
            for one, size in zip(identities, sizes, strict=True)
            if (reason := source.lacks(one, size)) is not None
        ]
        for number, source in enumerate(sources)
    }
    usable = [
        number for number, found in reasons.items() if len(found) <= MOST_FAILURES * len(identities)
    ]
    if not FEWEST_SETTINGS <= len(usable) < len(sources):
        return list(sources), []
    dropped = [
        f"{source.shown}: no label for {len(reasons[number])} of {len(identities)} frames: "
        f"{reasons[number][0]}"
        for number, source in enumerate(sources)
        if number not in usable
    ]
    return [sources[number] for number in usable], dropped
