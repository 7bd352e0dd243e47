"""Walking a ladder with a made-up calculation: what starts from what, and what stays on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.ladder import ladder_order, walk_ladder
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


def setting(width: float, shift: float = 0.0) -> ElectronicSetting:
    return ElectronicSetting(Smearing("fermi-dirac", width), shift)


WIDE, MIDDLE, NARROW = RUNGS = [setting(2.0), setting(1.0), setting(0.2)]


@dataclass
class MadeUp:
    """Its label and its state are the names of the settings that it came along."""

    fails: tuple[ElectronicSetting, ...] = ()
    unkept: tuple[ElectronicSetting, ...] = ()
    at: ElectronicSetting | None = None
    way: str = ""
    suffix: str = ".txt"
    kept: list[str] = field(default_factory=list)

    def label(self, one: ElectronicSetting, previous: Path | None) -> str | LabelFailure:
        if one in self.fails:
            return LabelFailure("made up")
        start = "atoms" if previous is None else previous.read_text()
        self.at, self.way = one, f"{start} > {one.smearing.width:g}"
        return self.way

    def keep(self, path: Path) -> None:
        path.write_text(self.way, encoding="utf-8")
        if self.at in self.unkept:
            raise OSError("no space left")
        self.kept.append(path.name)


def walk(calculation: MadeUp, folder: Path, done=()) -> dict[ElectronicSetting, object]:
    return dict(walk_ladder([(calculation, RUNGS)], done, folder))


def test_each_label_starts_from_the_one_before_and_nothing_stays(tmp_path) -> None:
    labels = walk(MadeUp(), tmp_path / "frame")
    assert labels[NARROW] == "atoms > 2 > 1 > 0.2"
    assert not (tmp_path / "frame").exists()


@pytest.mark.parametrize("which", ["fails", "unkept"])
def test_a_rung_without_a_state_is_stepped_over(tmp_path, which) -> None:
    labels = walk(MadeUp(**{which: (MIDDLE,)}), tmp_path / "frame")
    assert labels[NARROW] == "atoms > 2 > 0.2"
    assert isinstance(labels[MIDDLE], LabelFailure) == (which == "fails")


@pytest.mark.parametrize("stored", [0, 1, 2])
@pytest.mark.parametrize("cut_off", ["while labelling", "before storing"])
def test_a_ladder_cut_off_anywhere_goes_the_same_way(tmp_path, stored, cut_off) -> None:
    folder = tmp_path / "frame"
    steps = walk_ladder([(MadeUp(), RUNGS)], [], folder)
    done = [next(steps)[0] for _ in range(stored)]
    if cut_off == "before storing":
        next(steps)  # labelled and kept, but its label was not stored
    steps.close()
    steps, rest = walk_ladder([(MadeUp(), RUNGS)], done, folder), {}
    for one, label in steps:
        rest[one] = label
        # the state of the last stored label and that of the one in flight
        assert len(list(folder.glob("*"))) <= 2
    assert list(rest) == RUNGS[stored:]
    assert rest[NARROW] == "atoms > 2 > 1 > 0.2"


def test_a_second_calculation_starts_from_atoms(tmp_path) -> None:
    charged = [setting(one.smearing.width, -1.0) for one in RUNGS]
    ladders = [(MadeUp(), charged), (MadeUp(), RUNGS)]
    labels = dict(walk_ladder(ladders, charged[:1], tmp_path / "frame"))
    assert labels[charged[2]] == "atoms > 1 > 0.2"  # the state of the first was not there
    assert labels[NARROW] == "atoms > 2 > 1 > 0.2"


def test_the_order_never_jumps() -> None:
    grid = [setting(width, shift) for shift in (-1, 0, 1) for width in (0.5, 2.0)]
    walked = [(one.smearing.width, one.electrons_per_atom_shift) for one in ladder_order(grid)]
    assert walked == [(2, -1), (2, 0), (2, 1), (0.5, 1), (0.5, 0), (0.5, -1)]
    assert ladder_order(ladder_order(grid)) == ladder_order(grid)
