"""Whether what a command said of a file that it accepted is right: by `second_reader`.

A judge returns what is wrong, or nothing; it raises `NotJudgedError` where nobody here can tell.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from tools.second_reader import (
    Plain,
    fault_of_frames,
    fault_of_labels,
    read_doscar,
    read_frames,
    read_steps,
    read_vasprun_dos,
    twins,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Files that are sound as their format goes, and that a command may take only with a warning that
#: holds one of these words.
TO_WARN = {
    "one_atom.extxyz": "zero",
    "outlier_force.extxyz": "larg",
    "huge_forces.extxyz": "larg",
}
PLAN = re.compile(r"frames +(\d+) of (\d+) atoms \((\d+) training, (\d+) held out\)")
#: More ways to choose the held-out frames than this are not tried.
MOST_CHOICES = 200_000


class NotJudgedError(Exception):
    """Nobody here knows the right answer."""


@dataclass(frozen=True)
class Said:
    """What a command that ended well left.

    Attributes
    ----------
    words
        Its command line, with FILE for the file.
    path
        The file.
    out, err
        What it printed.
    place
        Folder that it ran in.
    good
        Sound labels.
    """

    words: tuple[str, ...]
    path: Path
    out: str
    err: str
    place: Path
    good: Path


def judge_accepted(said: Said) -> str:
    """Say what is wrong with an answer; empty where it is right.

    Raises
    ------
    NotJudgedError
        If nobody here can tell.
    """
    if said.path.suffix == ".extxyz":
        try:
            return _of_frames(said)
        except (ValueError, KeyError) as error:
            return f"accepted, though {error}"
    if said.words[0] == "dos":
        return _dos(said)
    if said.words[:2] == ("relabel", "sample"):
        return _sampled(said)
    if said.path.name == "empty.toml":
        raise NotJudgedError("a file of settings that says nothing")
    raise NotJudgedError("no second reader for this kind of file")


def _of_frames(said: Said) -> str:
    frames = read_frames(said.path)
    trains = said.words[0] in {"train", "learning-curve", "transfer", "grid"}
    fault = fault_of_labels(frames) if trains else fault_of_frames(frames)
    if fault:
        return f"accepted, though {fault}"
    word = TO_WARN.get(said.path.name) if trains else None
    if word and word not in said.err + said.out:
        return f"no warning that says {word!r}"
    if "--dry-run" in said.words:
        return _plan(said, frames)
    if said.words[0] == "transfer":
        raise NotJudgedError("a table of tiers by tiers")
    if trains:
        return _errors(said, frames)
    if said.words[0] == "phonons":
        return _phonons(said, frames)
    return _written(said, frames)


def _plan(said: Said, frames: list[Plain]) -> str:
    """Numbers of frames and atoms that a plan names."""
    found = PLAN.search(said.out)
    if found is None:
        return "the plan does not say how many frames there are"
    total, atoms, train, test = map(int, found.groups())
    expected = 4 if "--train" in said.words else len(frames)
    if twins(frames):
        return "accepted, though a frame stands twice"
    if (total, train + test) != (expected, expected) or atoms not in {
        len(one.symbols) for one in frames
    }:
        return f"{found[0]}, expected {expected}"
    return ""


def _written(said: Said, frames: list[Plain]) -> str:
    """POSCAR files: each is one of the frames, right-handed; of a study every frame is there."""
    found = [_poscar(path) for path in sorted((said.place / "out").rglob("POSCAR"))]
    known = [(sorted(one.symbols), one.distances) for one in frames]
    hits = set()
    for poscar in found:
        if np.linalg.det(poscar.cell) < 0:
            return "a POSCAR is left-handed"
        mine = poscar.distances
        match = [
            n
            for n, (symbols, distances) in enumerate(known)
            if symbols == sorted(poscar.symbols)
            and len(distances) == len(mine)
            and np.allclose(distances, mine, atol=2e-7)
        ]
        if not match:
            return "a POSCAR is none of the frames"
        hits.add(match[0])
    whole = said.words[:2] != ("relabel", "aimd")
    if not found or (whole and len(hits) != len(frames)):
        return f"{len(hits)} of {len(frames)} frames are in the study"
    return ""


def _poscar(path: Path) -> Plain:
    """Read a POSCAR by its lines: scale 1, cell, symbols, counts, Direct or Cartesian."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cell = float(lines[1]) * np.array([[float(word) for word in one.split()] for one in lines[2:5]])
    counts = [int(word) for word in lines[6].split()]
    symbols = [
        name for name, count in zip(lines[5].split(), counts, strict=True) for _ in range(count)
    ]
    rows = [[float(word) for word in one.split()[:3]] for one in lines[8 : 8 + sum(counts)]]
    positions = np.array(rows) @ cell if lines[7][0] in "dD" else np.array(rows)
    return Plain(symbols, positions, cell, {})


def _errors(said: Said, frames: list[Plain]) -> str:
    """Numbers of frames, and the mean absolute force of the labels that were held out."""
    names = ("training.csv", "learning_curve.csv", "grid.csv")
    (table,) = [path for name in names if (path := said.place / "out" / name).is_file()]
    with table.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        n_train, n_test = int(row["n_train"]), int(row["n_test"])
        whole = n_test if "--test-file" in said.words else n_train + n_test
        if table.name == "training.csv" and whole != len(frames):
            return f"{n_train} training frames, {n_test} held out, of {len(frames)}"
        mean = float(row["force_mav_ev_per_angstrom"])
        if mean and not np.isfinite(float(row["force_percent_error"])):
            return "an error that is no number"
        if not _some_have(frames, _choices(said, frames, n_test), mean):
            return f"no {n_test} frames have the mean absolute force {mean:.6g} eV/Å"
    return ""


def _choices(said: Said, frames: list[Plain], n_test: int) -> Iterable[tuple[int, ...]]:
    """Frames that may have been held out."""
    every = range(len(frames))
    marked = [n for n in every if frames[n].info.get("split") == "test"]
    if said.words[0] == "grid":  # it chooses among the training frames
        return combinations([n for n in every if n not in marked], n_test)
    if "--test-file" in said.words or not marked:
        return combinations(every, n_test)
    return [tuple(marked)]


def _some_have(frames: list[Plain], choices: Iterable[tuple[int, ...]], mean: float) -> bool:
    """Whether any of these choices of frames have this mean absolute force component, eV/Å."""
    sums = np.array([np.abs(one.forces()).sum() for one in frames])
    sizes = np.array([3 * len(one.symbols) for one in frames])
    for tried, chosen in enumerate(choices):
        here = list(chosen)
        if np.isclose(sums[here].sum() / sizes[here].sum(), mean, rtol=1e-6):
            return True
        if tried > MOST_CHOICES:
            raise NotJudgedError("too many ways to choose the held-out frames")
    return False


def _phonons(said: Said, frames: list[Plain]) -> str:
    """Three branches for each atom, and three of them zero where the wave is infinitely long."""
    with (said.place / "out" / "phonons.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    branches = {int(row["branch"]) for row in rows}
    atoms = len(frames[0].symbols)
    if not branches or (3 * atoms) % len(branches):
        return f"{len(branches)} branches of {atoms} atoms"
    # the path of a crystal without symmetry begins elsewhere
    long_waves = [row for row in rows if all(float(row[f"q{axis}"]) == 0 for axis in (1, 2, 3))]
    first = long_waves[0]["point"]
    start = [float(row["frequency_thz"]) for row in long_waves if row["point"] == first]
    if sum(abs(one) < 0.02 for one in start) < 3:
        return f"no three acoustic branches at Gamma: {start}"
    return ""


def _dos(said: Said) -> str:
    """Fermi level, states there, d electrons."""
    if "--json" not in said.words:
        raise NotJudgedError("a table for people; --json has the same numbers")
    reader = read_vasprun_dos if said.path.suffix == ".xml" else read_doscar
    plain = reader(said.path)
    (found,) = json.loads(said.out)
    pairs = {
        "fermi_level_ev": plain.fermi,
        "n_total_fermi_bare_states_per_ev_atom": plain.total,
        "d_electrons_per_atom": plain.d_electrons,
    }
    for name, value in pairs.items():
        if found[name] is None or not np.isclose(found[name], value, rtol=2e-3, atol=1e-6):
            return f"{name} is {found[name]}, the second reader has {value:.6g}"
    return ""


def _sampled(said: Said) -> str:
    """Positions of every step that was taken, in the order of the file."""
    steps = read_steps(said.path)
    frames = read_frames(said.place / "out" / "frames.extxyz")
    scaled = [one.positions @ np.linalg.inv(one.cell) for one in frames]
    at = 0
    for one in scaled:
        while at < len(steps) and not np.allclose(_wrapped(one - steps[at]), 0, atol=1e-6):
            at += 1
        if at == len(steps):
            return "a frame is none of the steps that are left, in their order"
    if "--every" not in said.words:
        raise NotJudgedError("which steps are taken is the choice of the command")
    return "" if len(frames) == len(steps) else f"{len(frames)} of {len(steps)} steps"


def _wrapped(scaled: np.ndarray) -> np.ndarray:
    return scaled - np.rint(scaled)
