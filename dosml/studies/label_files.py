"""Label sets from extxyz files and campaign folders, and which frames are held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import FrameError, InputError
from dosml.relabel.dataset import LabelSet
from dosml.relabel.frames import canonical, frame_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

#: Where a campaign and a collected VASP study keep their label sets.
LABEL_FOLDERS = ("label_sets", "collected")
#: Voigt order xx yy zz yz xz xy of a full tensor.
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class LabelledFrames:
    """One frame list with one or more label sets.

    Attributes
    ----------
    names
        Of the label sets.
    frames
        Canonical frames, with `info["tier"]` and `info["split"]` where the file has them.
    label_sets
        In the order of `names`; stresses in all or in none.
    """

    names: tuple[str, ...]
    frames: list[Atoms]
    label_sets: list[LabelSet]

    @property
    def tiers(self) -> list[str]:
        """Tier of each frame; "all" where the file does not say."""
        return [str(frame.info.get("tier", "all")) for frame in self.frames]

    def take(self, which: Sequence[int], sets: Sequence[int]) -> LabelledFrames:
        """Give some of the frames and some of the label sets."""
        labels = [self.label_sets[k] for k in sets]
        return LabelledFrames(
            tuple(self.names[k] for k in sets),
            [self.frames[n] for n in which],
            [
                LabelSet(
                    one.energies[list(which)],
                    [one.forces[n] for n in which],
                    None if one.stresses is None else one.stresses[list(which)],
                )
                for one in labels
            ],
        )

    def join(self, other: LabelledFrames) -> LabelledFrames:
        """Give the frames of both, this one's first; `other` has as many label sets."""
        joined = []
        for a, b in zip(self.label_sets, other.label_sets, strict=True):
            stresses = None
            if a.stresses is not None and b.stresses is not None:
                stresses = np.concatenate([a.stresses, b.stresses])
            joined.append(
                LabelSet(np.concatenate([a.energies, b.energies]), [*a.forces, *b.forces], stresses)
            )
        return LabelledFrames(self.names, [*self.frames, *other.frames], joined)

    def content(self) -> str:
        """Hash (16 hexadecimal digits) of frames and labels."""
        digest = hashlib.sha256()
        for frame in self.frames:
            digest.update(frame_id(frame).encode())
        for labels in self.label_sets:
            digest.update(np.asarray(labels.energies, dtype="<f8").tobytes())
            for forces in labels.forces:
                digest.update(np.asarray(forces, dtype="<f8").tobytes())
            if labels.stresses is not None:
                digest.update(np.asarray(labels.stresses, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]


def label_files(targets: Sequence[Path]) -> list[Path]:
    """Files that the targets stand for: files themselves, or the label sets of a campaign folder.

    Raises
    ------
    InputError
        If a target is neither, or a file is named twice.
    """
    files: list[Path] = []
    for target in targets:
        if target.is_dir():
            found = [path for name in LABEL_FOLDERS for path in (target / name).glob("*.extxyz")]
            if not found:
                raise InputError(
                    f"the folder {target} holds no label sets (looked for "
                    f"{' and '.join(f'{name}/*.extxyz' for name in LABEL_FOLDERS)}): give a "
                    "campaign folder of a finished scan, or an extxyz file"
                )
            files += sorted(found)
        elif target.is_file():
            files.append(target)
        else:
            raise InputError(f"no label set at {target}: give an extxyz file or a campaign folder")
    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two label sets are named {twice!r}: rename one, models bear that name")
    return files


def read_label_sets(files: Sequence[Path], *, stress: bool = True) -> LabelledFrames:
    """Read label sets of one frame list.

    Parameters
    ----------
    files
        extxyz with `REF_energy` (eV), `REF_forces` (eV/Å) and, in all frames or in none,
        `REF_stress` (eV/Å^3, ase's sign; Voigt order xx yy zz yz xz xy, or 3 x 3).
    stress
        Whether to read the stresses.

    Raises
    ------
    FrameError
        If a file cannot be read, a label is missing or not finite, or the files do not hold the
        same frames in the same order.
    """
    read = [_read_one(path, stress=stress) for path in files]
    frames = read[0][0]
    first = [frame_id(frame) for frame in frames]
    for path, (others, _) in zip(files[1:], read[1:], strict=True):
        if [frame_id(frame) for frame in others] != first:
            raise FrameError(
                f"{files[0]} ({len(frames)} frames) and {path} ({len(others)} frames) do not hold "
                "the same frames in the same order: label sets that are trained together share "
                "their frames; train these one by one"
            )
    label_sets = [labels for _, labels in read]
    with_stress = [
        path.name for path, (_, one) in zip(files, read, strict=True) if one.stresses is not None
    ]
    if 0 < len(with_stress) < len(files):
        raise FrameError(
            f"only {', '.join(with_stress)} hold REF_stress, the other files do not: leave the "
            "stresses out with --no-stress"
        )
    return LabelledFrames(tuple(path.stem for path in files), frames, label_sets)


def _read_one(path: Path, *, stress: bool) -> tuple[list[Atoms], LabelSet]:
    try:
        read = ase.io.read(path, index=":", format="extxyz")
    except Exception as error:
        raise FrameError(
            f"cannot read {path} ({type(error).__name__}: {error}): is it a complete extxyz file?"
        ) from error
    if not read:
        raise FrameError(f"{path} holds no frame")
    frames = list(read)
    stresses = None
    if stress:
        having = [n for n, frame in enumerate(frames) if "REF_stress" in frame.info]
        if len(having) == len(frames):
            stresses = np.array([_stress(frame, n, path) for n, frame in enumerate(frames)])
        elif having:
            lacking = next(n for n in range(len(frames)) if n not in set(having))
            raise FrameError(
                f"frame {lacking} of {path} has no REF_stress, frame {having[0]} has one: leave "
                "the stresses out with --no-stress"
            )
    labels = LabelSet(
        np.array([_energy(frame, n, path) for n, frame in enumerate(frames)]),
        [_forces(frame, n, path) for n, frame in enumerate(frames)],
        stresses,
    )
    return [canonical(frame) for frame in frames], labels


def _energy(frame: Atoms, number: int, path: Path) -> float:
    try:
        energy = float(frame.info["REF_energy"])
    except KeyError as error:
        raise FrameError(_missing("REF_energy (eV)", frame, number, path)) from error
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"frame {number} of {path}: REF_energy is {frame.info['REF_energy']!r}, expected a "
            "number in eV"
        ) from error
    _check_finite(energy, "REF_energy", number, path)
    return energy


def _forces(frame: Atoms, number: int, path: Path) -> NDArray[np.float64]:
    if "REF_forces" not in frame.arrays:
        raise FrameError(_missing("REF_forces (eV/Å)", frame, number, path))
    forces = np.asarray(frame.arrays["REF_forces"], dtype=float)
    if forces.shape != (len(frame), 3):
        raise FrameError(
            f"frame {number} of {path}: REF_forces has shape {forces.shape}, expected "
            f"({len(frame)}, 3)"
        )
    _check_finite(forces, "REF_forces", number, path)
    return forces


def _stress(frame: Atoms, number: int, path: Path) -> NDArray[np.float64]:
    stress = np.asarray(frame.info["REF_stress"])
    if stress.shape == (3, 3):
        stress = np.array([stress[a, b] for a, b in _VOIGT])
    if stress.shape != (6,) or stress.dtype.kind not in "fi":
        raise FrameError(
            f"frame {number} of {path}: REF_stress is {frame.info['REF_stress']!r}, expected 6 "
            "numbers (xx yy zz yz xz xy) or 3 x 3, in eV/Å^3"
        )
    _check_finite(stress, "REF_stress", number, path)
    return stress.astype(float)


def _check_finite(values: Any, name: str, number: int, path: Path) -> None:
    if not np.all(np.isfinite(values)):
        raise FrameError(f"frame {number} of {path}: {name} is not finite; remove the frame")


def _missing(name: str, frame: Atoms, number: int, path: Path) -> str:
    there = {*frame.info, *frame.arrays, *(frame.calc.results if frame.calc else ())}
    there -= {"numbers", "positions"}
    found = ", ".join(sorted(there)) or "no labels"
    return (
        f"frame {number} of {path} has no {name}; it has {found}: "
        "rename the labels to REF_energy, REF_forces, REF_stress (free energies, not energies "
        "extrapolated to zero smearing)"
    )


def split_frames(
    data: LabelledFrames, *, hold_out: float | None, seed: int
) -> tuple[list[int], list[int], str]:
    """Choose training and held-out frames.

    Parameters
    ----------
    data
        The frames.
    hold_out
        Share of the frames to hold out, drawn from every tier in turn; None takes the split that
        the file marks, and a fifth of the frames where it marks none.
    seed
        Seed of the draw.

    Returns
    -------
    train, test, how
        Indices in ascending order, and one line that says where the split is from.

    Raises
    ------
    InputError
        If no training or no held-out frame is left, or a held-out frame equals a training frame.
    """
    marks = [frame.info.get("split") for frame in data.frames]
    count = len(data.frames)
    if hold_out is None and all(mark in {"train", "test"} for mark in marks):
        test = [n for n, mark in enumerate(marks) if mark == "test"]
        how = "the split that the file marks"
    else:
        share = 0.2 if hold_out is None else hold_out
        wanted = round(share * count)
        if not 0 < wanted < count:
            raise InputError(
                f"holding out {share:g} of {count} frames leaves {count - wanted} for training and "
                f"{wanted} held out: each side needs one at least; give --test-file or --hold-out"
            )
        test = sorted(int(n) for n in nested_subsets(data.tiers, [wanted], seed=seed)[0])
        how = f"{share:g} of each tier, drawn with seed {seed}"
    kept = set(test)
    train = [n for n in range(count) if n not in kept]
    if not train or not test:
        raise InputError(
            f"the file marks {len(train)} training and {len(test)} held-out frames: each side "
            "needs one at least; give --hold-out or --test-file"
        )
    check_apart(data.frames, train, test)
    return train, test, how


def check_apart(frames: Sequence[Atoms], train: Sequence[int], test: Sequence[int]) -> None:
    """Refuse a held-out frame that is also a training frame.

    Raises
    ------
    InputError
        If there is one.
    """
    seen = {frame_id(frames[n]): n for n in train}
    for n in test:
        same = seen.get(frame_id(frames[n]))
        if same is not None:
            raise InputError(
                f"frames {same} and {n} are identical: a held-out frame must not also be a "
                "training frame; remove one"
            )
