"""Files of others as datasets of the project: read, judged, sorted by metal, split by their names.

What is odd is listed and never decided: duplicates are the one thing that is dropped, because a
frame must not be trained on and held out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import FrameError
from dosml.limits import open_bounded
from dosml.relabel.dataset import Dataset, LabelSet, Provenance
from dosml.relabel.foreign.extxyz_keys import Keys, iter_extxyz
from dosml.relabel.foreign.ml_ab import iter_ml_ab
from dosml.relabel.foreign.mtp import iter_mtp
from dosml.relabel.foreign.stress_form import as_ase
from dosml.relabel.frames import ORIGIN, TRAINING, canonical, check_frames, name_of, twins
from dosml.relabel.label_units import check_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dosml.relabel.foreign.frame import ForeignFrame
    from dosml.theory.setting import ElectronicSetting

#: Words of a file's name that say what its frames are for, and at which temperature.
_ROLES = {"train": "train", "training": "train", "test": "test", "val": "train", "valid": "train"}
_TIERS = ("cold", "warm", "hot", "melt")
_WORDS = re.compile(r"[A-Za-z]+|\d+")
#: A force so many times the median of the largest forces of the frames is listed.
_FORCE_OUTLIER = 10.0
#: An energy so many times the usual distance from the median is listed, and farther than this (eV
#: per atom).
_ENERGY_OUTLIER, _ENERGY_LEAST = 10.0, 1.0
#: eV/Å by which forces of twins, whose positions differ by rounding, may differ.
_SAME_FORCE = 0.05
#: Lines of a list that are shown.
_MOST_SHOWN = 5
#: Bytes in which a format shows.
_HEAD = 4096


@dataclass(frozen=True)
class ImportOptions:
    """What a user says of files.

    Attributes
    ----------
    keys
        Names of the labels in extxyz.
    types
        Elements of the types 0, 1, ... in MTP configurations.
    stress_unit, stress_sign
        See `dosml.relabel.foreign.stress_form.as_ase`.
    setting
        Electronic setting of the labels, None where it is not known.
    """

    keys: Keys = field(default_factory=Keys)
    types: tuple[str, ...] = ()
    stress_unit: str | None = None
    stress_sign: str | None = None
    setting: ElectronicSetting | None = None


@dataclass
class _Group:
    """Frames of one metal, or of one alloy, from any number of files."""

    frames: list[ForeignFrame] = field(default_factory=list)
    roles: list[str | None] = field(default_factory=list)


def iter_foreign(path: Path, options: ImportOptions) -> Iterator[ForeignFrame]:
    """Read a file of extxyz, MTP configurations or ML_AB, told apart by what it holds.

    Raises
    ------
    FrameError
        If it is none of them, or cannot be read.
    """
    if not path.is_file():
        raise FrameError(f"no file at {path}: give extxyz, MTP .cfg or VASP ML_AB")
    with open_bounded(path) as handle:
        head = handle.read(_HEAD)
    if b"BEGIN_CFG" in head:
        yield from iter_mtp(path, options.types)
    elif b"The number of configurations" in head:
        yield from iter_ml_ab(path)
    else:
        yield from iter_extxyz(path, options.keys)


def collect(
    files: Sequence[Path],
    options: ImportOptions,
    *,
    roles: Mapping[Path, str | None] | None = None,
    tiers: Mapping[Path, str] | None = None,
    warning: str = "",
    source: str = "",
) -> dict[str, Dataset]:
    """Read files into one dataset per metal; frames of alloys make one dataset together.

    Parameters
    ----------
    files
        Any number.
    options
        What a user says of them.
    roles, tiers
        What the frames of a file are for and their tier; files that are not in it are judged by
        their names, frames by `info["split"]` and `info["tier"]`.
    warning, source
        Of the provenance.

    Raises
    ------
    FrameError
        If a file cannot be read, or its labels do not belong together.
    """
    groups: dict[str, _Group] = {}
    read = [(path, list(iter_foreign(path, options))) for path in files]
    pure = all(len(set(one.atoms.numbers)) == 1 for _, frames in read for one in frames)
    every = sorted({s for _, frames in read for one in frames for s in set(one.atoms.symbols)})
    known_roles, known_tiers = roles or {}, tiers or {}
    for path, frames in read:
        if not frames:
            raise FrameError(f"{path} holds no frame")
        tier = known_tiers.get(path, tier_of(path))
        role = known_roles[path] if path in known_roles else role_of(path)
        for number, one in enumerate(frames):
            if not one.finite:
                raise FrameError(
                    f"frame {number} of {path}: a label is not a finite number; remove the frame"
                )
            name = str(one.atoms.symbols[0]) if pure else "-".join(every)
            group = groups.setdefault(name, _Group())
            one.atoms.info.setdefault("tier", tier)
            split = one.atoms.info.get("split")
            group.frames.append(one)
            group.roles.append(role if split is None else str(split))
            one.atoms.info[ORIGIN] = f"frame {number} of {path}"
    words = warning or (
        f"Labels were read from {source or ', '.join(path.name for path in files)}; how they were "
        "made is not on record there."
    )
    provenance = Provenance(warning=words, source=source or ", ".join(str(path) for path in files))
    return {
        name: _dataset(name, group, options, provenance) for name, group in sorted(groups.items())
    }


def tier_of(path: Path) -> str:
    """Tier that the name of a file says, "all" where it says none."""
    words = [one.lower() for one in _WORDS.findall(path.name)]
    return next((tier for tier in _TIERS if tier in words), "all")


def role_of(path: Path) -> str | None:
    """Role that the name of a file says, None where it says none."""
    words = [one.lower() for one in _WORDS.findall(path.name)]
    return next((_ROLES[word] for word in words if word in _ROLES), None)


def _dataset(name: str, group: _Group, options: ImportOptions, provenance: Provenance) -> Dataset:
    """Make the dataset of one metal: duplicates go, oddities are listed."""
    kept, roles, notes = _distinct(group)
    kept, judged = as_ase(kept, unit=options.stress_unit, sign=options.stress_sign)
    notes += [*judged, *outliers(kept)]
    # all that nobody has called a test train, where anything is one
    if "test" in roles:
        roles = ["train" if one is None or one == "val" else one for one in roles]
    frames = []
    for one, role in zip(kept, roles, strict=True):
        frame = canonical(one.atoms)
        frame.info.pop("split", None)
        if role is not None and None not in roles and len(set(roles)) > 1:
            frame.info["split"] = role
        frames.append(frame)
    origins = [one.atoms.info[ORIGIN] for one in kept]
    check_frames(frames, name, TRAINING)
    for frame, origin in zip(frames, origins, strict=True):
        frame.info[ORIGIN] = origin
    stresses = [one.stress for one in kept if one.stress is not None]
    setting = options.setting
    labels = LabelSet(
        np.array([one.energy for one in kept]),
        [one.forces for one in kept],
        np.array(stresses) if stresses else None,
        setting=setting,
        name="" if setting is not None else "labels",
    )
    try:
        notes += check_units(frames, labels.energies, labels.forces, labels.stresses, Path(name))
    except FrameError as error:
        raise FrameError(f"{provenance.source}: {error}") from error
    limits = tuple(f"{note[0].upper()}{note[1:]}." for note in notes)
    provenance = replace(provenance, limits=(*provenance.limits, *limits))
    return Dataset.of(frames, [labels], provenance, notes=notes)


def _distinct(group: _Group) -> tuple[list[ForeignFrame], list[str | None], list[str]]:
    """Drop frames that stand twice: of a held-out frame and its twin the held-out one stays."""
    lines: list[str] = []
    drop: set[int] = set()
    odd = 0
    for before, number in twins([canonical(one.atoms) for one in group.frames]):
        if drop & {before, number}:
            continue
        other, one = group.frames[before], group.frames[number]
        odd += not np.allclose(other.forces, one.forces, atol=_SAME_FORCE)
        drop.add(before if group.roles[number] == "test" != group.roles[before] else number)
        lines.append(f"{name_of(one.atoms, number)} = {name_of(other.atoms, before)}")
    kept = [n for n in range(len(group.frames)) if n not in drop]
    notes = []
    if lines:
        more = f" and {len(lines) - _MOST_SHOWN} more" if len(lines) > _MOST_SHOWN else ""
        notes.append(
            f"{len(lines)} frames stand twice and are dropped: {'; '.join(lines[:_MOST_SHOWN])}"
            f"{more}"
        )
    if odd:
        notes.append(f"{odd} of the twins have other forces: two programs, or two settings?")
    return [group.frames[n] for n in kept], [group.roles[n] for n in kept], notes


def outliers(frames: Sequence[ForeignFrame]) -> list[str]:
    """List frames with forces or energies far from those of the others."""
    largest = np.array([np.abs(one.forces).max() for one in frames])
    energies = np.array([one.energy / len(one.atoms) for one in frames])
    lines = []
    usual = float(np.median(largest))
    far = np.flatnonzero(largest > _FORCE_OUTLIER * usual) if usual > 0 else np.empty(0, dtype=int)
    if len(far):
        lines.append(_listed("forces", far, largest, "eV/Å", frames, f"usual {usual:.3g}"))
    away = np.abs(energies - np.median(energies))
    spread = float(np.median(away))
    far = np.flatnonzero(away > max(_ENERGY_OUTLIER * spread, _ENERGY_LEAST))
    pure = len({int(z) for one in frames for z in one.atoms.numbers}) == 1
    if len(far) and pure:
        middle = float(np.median(energies))
        lines.append(_listed("energies", far, energies, "eV/atom", frames, f"usual {middle:.3g}"))
    return lines


def _listed(
    what: str,
    far: np.ndarray,
    values: np.ndarray,
    unit: str,
    frames: Sequence[ForeignFrame],
    usual: str,
) -> str:
    shown = ", ".join(
        f"{name_of(frames[n].atoms, int(n))} {values[n]:.3g}" for n in far[:_MOST_SHOWN].tolist()
    )
    more = f" and {len(far) - _MOST_SHOWN} more" if len(far) > _MOST_SHOWN else ""
    return f"{len(far)} frames have {what} far from the others ({usual} {unit}): {shown}{more}"
