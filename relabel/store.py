"""Labels on disk: one file per label, named by content, written in one step.

```
FOLDER/sigma_0.2-<hash of engine and setting>/setting.json
                                              <frame id>.npz           a label
                                              <frame id>.failed.json   a label that did not converge
FOLDER/restart/<hash>/<frame id>/             densities of ladders in flight
```
A changed setting or engine version has another hash: stale labels are never read.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from dosml.files import whole_file
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.label import Label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dosml.theory.setting import ElectronicSetting


#: What reading a damaged npz file raises.
_DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)
#: Members of every label, those that a DOS has if there is one, and known shapes (None: any).
_MEMBERS = {"free_energy", "forces", "fermi_level", "n_electrons", "top_occupation", "facts"}
_DOS_MEMBERS = {"dos_grid", "dos_broadening", "dos_total", "dos_d"}
_SHAPES: dict[str, tuple[int | None, ...]] = {"forces": (None, 3), "stress": (6,)}


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
        self._sound: set[Path] = set()  # files that were found sound: looked at once a run

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
        DiskSpaceError
            If the disk is full.
        """
        self._describe(setting)
        arrays = label.to_arrays()

        with whole_file(self.label_path(frame_id, setting)) as path:
            np.savez_compressed(path, allow_pickle=False, **arrays)
        self._sound.add(self.label_path(frame_id, setting))
        self.failure_path(frame_id, setting).unlink(missing_ok=True)

    def put_failure(self, frame_id: str, setting: ElectronicSetting, failure: LabelFailure) -> None:
        """Store that a label could not be computed, so that it is not tried at every run."""
        self._describe(setting)
        with whole_file(self.failure_path(frame_id, setting)) as path:
            path.write_text(json.dumps({"reason": failure.reason}))

    def get(self, frame_id: str, setting: ElectronicSetting) -> Label | LabelFailure | None:
        """Read a label, or the reason of its failure, or None where it is still to be made.

        A damaged file is taken away, so that the label is made again.
        """
        path = self.label_path(frame_id, setting)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Label.from_arrays(arrays)
        except FileNotFoundError:
            pass
        except _DAMAGED:
            self._sound.discard(path)
            path.unlink(missing_ok=True)
        return self._failure(frame_id, setting)

    def has(self, frame_id: str, setting: ElectronicSetting) -> bool:
        """Whether a label that opens, or the reason of its failure, is on disk.

        The file's checksums and shapes are looked at until it has been found sound once (half a
        millisecond on a local disk).
        """
        path = self.label_path(frame_id, setting)
        if path in self._sound:
            return True
        if _is_sound(path):
            self._sound.add(path)
            return True
        return self._failure(frame_id, setting) is not None

    def _failure(self, frame_id: str, setting: ElectronicSetting) -> LabelFailure | None:
        try:
            return LabelFailure(
                json.loads(self.failure_path(frame_id, setting).read_text())["reason"]
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def forget_failures(self, frame_id: str, setting: ElectronicSetting) -> None:
        """Let a failed label be tried again."""
        self.failure_path(frame_id, setting).unlink(missing_ok=True)

    def _describe(self, setting: ElectronicSetting) -> None:
        path = self.setting_folder(setting) / "setting.json"
        if not path.exists():
            text = json.dumps({**self.fingerprint, **setting.as_dict()}, indent=2)
            with whole_file(path) as temporary:
                temporary.write_text(text + "\n")


def _is_sound(path: Path) -> bool:
    """Whether a label file is undamaged and holds what a label needs (see `Label.to_arrays`)."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            return (
                names >= _MEMBERS
                and (names >= _DOS_MEMBERS or not names & _DOS_MEMBERS)
                and archive.testzip() is None
                and all(
                    _fits(_shape(archive, f"{name}.npy"), wanted)
                    for name, wanted in _SHAPES.items()
                    if name in names
                )
            )
    except _DAMAGED:
        return False


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        want in {None, size} for size, want in zip(shape, wanted, strict=True)
    )


def _shape(archive: zipfile.ZipFile, member: str) -> tuple[int, ...]:
    """Shape in the header of an array in an npz file."""
    with archive.open(member) as handle:
        version = np.lib.format.read_magic(handle)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, _ = read(handle)
    return tuple(shape)
