"""Labels on disk: one file per label, named by content, written in one step.

```
FOLDER/sigma_0.2-<hash of engine and setting>/setting.json
                                              <frame id>.npz           a label
                                              <frame id>.failed.json   a label that did not converge
                                              checked.txt              labels that were found sound
FOLDER/restart/<hash>/<frame id>/             densities of ladders in flight
```
A changed setting or engine version has another hash: stale labels are never read. A label is there
only if it can be read and its shapes and values are right. That costs a millisecond each, so
`checked.txt` remembers it by size and time stamp of the file, or its checksum where a copy has
another time stamp; it can be removed at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dosml.errors import DamagedFileError, LabelError
from dosml.files import open_plain, read_npz, whole_file
from dosml.records import Record, find_record
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.label import Label, check_label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dosml.theory.setting import ElectronicSetting


#: A label unpacks to at most so many bytes.
MOST_BYTES = 1 << 28
CHECKED = "checked.txt"
#: Of a line in it: frame id, size, time stamp, checksum, atoms.
_WORDS = 5


class _FailureRecord(Record):
    """A `.failed.json`."""

    reason: str


class _State(NamedTuple):
    """A label file that was found sound.

    Attributes
    ----------
    size, changed
        In bytes; time stamp in ns.
    checksum
        CRC-32 of the file.
    atoms
        Of the label.
    """

    size: int
    changed: int
    checksum: int
    atoms: int

    def is_of(self, path: Path) -> bool:
        """Whether the file is still the same; one that was copied has another time stamp only."""
        status = path.stat()
        if status.st_size != self.size:
            return False
        return status.st_mtime_ns == self.changed or zlib.crc32(path.read_bytes()) == self.checksum

    @classmethod
    def of(cls, path: Path, atoms: int) -> _State:
        """State of a file now."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, zlib.crc32(path.read_bytes()), atoms)


@dataclass
class _Sound:
    """Labels of one setting that were found sound.

    Attributes
    ----------
    known
        By frame id.
    fresh
        Frame ids that are not on disk yet.
    """

    known: dict[str, _State]
    fresh: list[str] = field(default_factory=list)


def content_hash(content: Mapping[str, object]) -> str:
    """Hash of plain values (10 hexadecimal digits)."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class LabelStore:
    """The label files of one engine.

    Parameters
    ----------
    folder
        Created when the first label is written.
    fingerprint
        The engine's `fingerprint()`.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str | float]) -> None:
        self.folder = folder
        self.fingerprint = dict(fingerprint)
        self._folders: dict[ElectronicSetting, Path] = {}  # hashing once a setting is enough
        self._sound: dict[ElectronicSetting, _Sound] = {}

    def setting_folder(self, setting: ElectronicSetting) -> Path:
        """Where the labels of one setting lie."""
        if setting not in self._folders:
            key = content_hash({**self.fingerprint, **setting.as_dict()})
            self._folders[setting] = self.folder / f"{setting.name}-{key}"
        return self._folders[setting]

    def restart_folder(self, frame_id: str) -> Path:
        """Where the densities of one frame's ladder are kept while it runs."""
        return self.folder / "restart" / content_hash(self.fingerprint) / frame_id

    def label_path(self, frame_id: str, setting: ElectronicSetting) -> Path:
        """File of one label."""
        return self.setting_folder(setting) / f"{frame_id}.npz"

    def failure_path(self, frame_id: str, setting: ElectronicSetting) -> Path:
        """File that says that a label could not be computed."""
        return self.setting_folder(setting) / f"{frame_id}.failed.json"

    def put(self, frame_id: str, setting: ElectronicSetting, label: Label) -> None:
        """Store a label.

        Raises
        ------
        ValueError
            If the numbers cannot be a label (`dosml.relabel.label.check_label`).
        DiskSpaceError
            If the disk is full.
        """
        check_label(label)
        self._describe(setting)
        arrays = label.to_arrays()
        final = self.label_path(frame_id, setting)
        with whole_file(final) as path:
            np.savez_compressed(path, allow_pickle=False, **arrays)
        self.failure_path(frame_id, setting).unlink(missing_ok=True)
        # a worker puts one label of many: what others found is not read for that
        found = _State.of(final, len(label.forces))
        if setting in self._sound:
            self._sound[setting].known[frame_id] = found
        self._append(setting, {frame_id: found})

    def put_failure(self, frame_id: str, setting: ElectronicSetting, failure: LabelFailure) -> None:
        """Store that a label could not be computed, so that it is not tried at every run."""
        self._describe(setting)
        with whole_file(self.failure_path(frame_id, setting)) as path:
            path.write_text(json.dumps({"reason": failure.reason}), encoding="utf-8")

    def get(
        self, frame_id: str, setting: ElectronicSetting, n_atoms: int | None = None
    ) -> Label | LabelFailure | None:
        """Read a label, or the reason of its failure, or None where it is still to be made.

        A damaged file is taken away, so that the label is made again.

        Parameters
        ----------
        frame_id, setting
            Which label.
        n_atoms
            Of the frame: a label of another number is damaged.

        Raises
        ------
        LabelError
            If the file cannot be opened though it is there.
        """
        label = self._read(frame_id, setting, n_atoms)
        if label is not None:
            return label
        self._known(setting).pop(frame_id, None)
        self.label_path(frame_id, setting).unlink(missing_ok=True)
        return self._failure(frame_id, setting)

    def has(self, frame_id: str, setting: ElectronicSetting, n_atoms: int | None = None) -> bool:
        """Whether a sound label (`has_label`), or the reason of its failure, is on disk."""
        if self.has_label(frame_id, setting, n_atoms):
            return True
        return self._failure(frame_id, setting) is not None

    def has_label(
        self, frame_id: str, setting: ElectronicSetting, n_atoms: int | None = None
    ) -> bool:
        """Whether a sound label is on disk.

        A file is read once, and again only when its size or time stamp is another one; see `get`
        for parameters and errors.
        """
        path, known = self.label_path(frame_id, setting), self._known(setting)
        try:
            if frame_id in known and known[frame_id].is_of(path):
                return n_atoms in {None, known[frame_id].atoms}
            label = self._read(frame_id, setting, n_atoms)
            if label is None:
                return False
            known[frame_id] = _State.of(path, len(label.forces))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unreadable(path, error) from error
        self._sound[setting].fresh.append(frame_id)
        return True

    def count(self, setting: ElectronicSetting) -> int:
        """Count the sound labels of a setting, whatever their frames."""
        known, count, others = self._known(setting), 0, []
        try:
            with os.scandir(self.setting_folder(setting)) as entries:
                for entry in entries:
                    name, ending = os.path.splitext(entry.name)  # noqa: PTH122 - a thousand a run
                    if ending != ".npz" or name.startswith("."):
                        continue
                    status = entry.stat()
                    if name in known and known[name][:2] == (status.st_size, status.st_mtime_ns):
                        count += 1
                    else:
                        others.append(name)
        except FileNotFoundError:
            return 0
        return count + sum(self.has_label(name, setting) for name in others)

    def remember(self, setting: ElectronicSetting) -> None:
        """Write down which labels were found sound, so that the next run need not read them."""
        sound = self._sound.get(setting)
        if sound is None or not sound.fresh:
            return
        self._append(setting, {one: sound.known[one] for one in sound.fresh if one in sound.known})
        sound.fresh.clear()

    def _append(self, setting: ElectronicSetting, found: Mapping[str, _State]) -> None:
        lines = [f"{one} {' '.join(map(str, state))}\n" for one, state in found.items()]
        path = self.setting_folder(setting) / CHECKED
        # appended in one step: workers write here too; without it labels are only read once more
        with contextlib.suppress(OSError):
            descriptor = open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(descriptor, "".join(lines).encode())
            finally:
                os.close(descriptor)

    def _known(self, setting: ElectronicSetting) -> dict[str, _State]:
        if setting not in self._sound:
            self._sound[setting] = _Sound(_remembered(self.setting_folder(setting) / CHECKED))
        return self._sound[setting].known

    def _read(self, frame_id: str, setting: ElectronicSetting, n_atoms: int | None) -> Label | None:
        """Read a label; None where it is missing or damaged: the one place that decides it."""
        path = self.label_path(frame_id, setting)
        try:
            label = Label.from_arrays(read_npz(path, most_bytes=MOST_BYTES))
            check_label(label, n_atoms)
        except (FileNotFoundError, DamagedFileError, KeyError, TypeError, ValueError):
            return None
        except OSError as error:  # says nothing of the label: it must not be made again for this
            raise _unreadable(path, error) from error
        return label

    def _failure(self, frame_id: str, setting: ElectronicSetting) -> LabelFailure | None:
        found = find_record(self.failure_path(frame_id, setting), _FailureRecord)
        return None if found is None else LabelFailure(found.reason)

    def forget_failures(self, frame_id: str, setting: ElectronicSetting) -> None:
        """Let a failed label be tried again."""
        self.failure_path(frame_id, setting).unlink(missing_ok=True)

    def _describe(self, setting: ElectronicSetting) -> None:
        path = self.setting_folder(setting) / "setting.json"
        if not path.exists():
            text = json.dumps({**self.fingerprint, **setting.as_dict()}, indent=2)
            with whole_file(path) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")


def _unreadable(path: Path, error: OSError) -> LabelError:
    return LabelError(
        f"cannot read the label {path} ({error.strerror}): mend that and run the same command again"
    )


def _remembered(path: Path) -> dict[str, _State]:
    """Read a `checked.txt`; lines that are none (a run was killed in one) are passed over."""
    try:
        with open(open_plain(path, os.O_RDONLY), encoding="utf-8") as handle:  # noqa: PTH123
            lines = handle.read().splitlines()
    except (OSError, ValueError):
        return {}
    known = {}
    for line in lines:
        words = line.split(" ")
        if len(words) == _WORDS and all(map(str.isdecimal, words[1:])):
            known[words[0]] = _State(*map(int, words[1:]))
    return known
