"""Frames keep their identity through files, and frames that a study cannot use are refused."""

from __future__ import annotations

import tracemalloc

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dosml.errors import FrameError
from dosml.relabel.frames import (
    DYNAMICS,
    PHONONS,
    SCAN,
    TRAINING,
    VASP_LABELS,
    canonical,
    check_frames,
    frame_id,
    name_of,
    read_frames,
)


def rattled(seed: int = 0, symbol: str = "Cu") -> Atoms:
    atoms = bulk(symbol, cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_identity_survives_files_and_foreign_facts(tmp_path) -> None:
    frame = canonical(rattled())
    frame.info["tier"] = "cold"
    ase.io.write(tmp_path / "one.extxyz", frame)
    (again,) = read_frames(tmp_path / "one.extxyz")
    assert frame_id(again) == frame_id(frame)
    assert again.info["tier"] == "cold"
    np.testing.assert_array_equal(again.positions, frame.positions)


def test_identity_follows_content() -> None:
    frame = canonical(rattled())
    moved = frame.copy()
    moved.positions[0, 0] += 1e-6
    stretched = frame.copy()
    stretched.set_cell(frame.cell * 1.001)
    other = frame.copy()
    other.symbols[:] = "Ni"
    assert len({frame_id(one) for one in (frame, moved, stretched, other)}) == 4


def test_minus_zero_is_zero() -> None:
    zero = Atoms("Cu", positions=[[0.0, 0, 0]], cell=[3] * 3, pbc=True)
    minus = Atoms("Cu", positions=[[-1e-12, 0, 0]], cell=[3] * 3, pbc=True)
    assert frame_id(canonical(zero)) == frame_id(canonical(minus))


def test_own_frames_are_read_in_order(tmp_path) -> None:
    frames = [canonical(rattled(seed)) for seed in range(5)]
    ase.io.write(tmp_path / "frames.extxyz", frames)
    read = read_frames(tmp_path / "frames.extxyz")
    assert [frame_id(one) for one in read] == [frame_id(one) for one in frames]


def in_a_box(atoms: Atoms, length: float = 15.0) -> Atoms:
    return Atoms(atoms.symbols, positions=atoms.positions, cell=[length] * 3, pbc=True)


def nothing(frame: Atoms) -> Atoms:
    return frame[[]]


def nameless(frame: Atoms) -> Atoms:
    frame.numbers[2] = 0
    return frame


def not_a_number(frame: Atoms) -> Atoms:
    frame.positions[2, 1] = np.nan
    return frame


def far_away(frame: Atoms) -> Atoms:
    frame.positions[2] = 1e15
    return frame


def endless_cell(frame: Atoms) -> Atoms:
    frame.set_cell([[np.inf, 0, 0], [0, 3.6, 0], [0, 0, 3.6]])
    return frame


def huge_cell(frame: Atoms) -> Atoms:
    frame.set_cell([1e8] * 3)
    return frame


def thin_cell(frame: Atoms) -> Atoms:
    frame.set_cell([900.0] * 3)
    return frame


def tiny_cell(frame: Atoms) -> Atoms:
    frame.set_cell([0.001] * 3)
    return frame


def nanometres(frame: Atoms) -> Atoms:
    frame = frame.repeat(3)
    frame.set_cell(frame.cell * 0.1, scale_atoms=True)
    return frame


def flat_cell(frame: Atoms) -> Atoms:
    frame.set_cell([[3.6, 0, 0], [0, 3.6, 0], [3.6, 3.6, 0]])
    return frame


def no_cell(frame: Atoms) -> Atoms:
    frame.set_cell([0, 0, 0])
    return frame


def mixed_pbc(frame: Atoms) -> Atoms:
    frame.pbc = (True, True, False)
    return frame


def coinciding(frame: Atoms) -> Atoms:
    frame.positions[3] = frame.positions[1] + 0.1
    return frame


def coinciding_images(frame: Atoms) -> Atoms:
    frame.positions[3] = frame.positions[1] + frame.cell[0] - 2 * frame.cell[1] + 0.1
    return frame


def odd_split(frame: Atoms) -> Atoms:
    frame.info["split"] = "valid"
    return frame


def array_tier(frame: Atoms) -> Atoms:
    frame.info["tier"] = np.array([1.0, 2.0])
    return frame


KINDS = [
    (nothing, "frame 1 of f.extxyz has no atoms"),
    (nameless, "frame 1 of f.extxyz, atom 2: its element is X"),
    (not_a_number, "frame 1 of f.extxyz, atom 2: its position .* nan .* is not finite"),
    (far_away, r"frame 1 of f.extxyz, atom 2: its position 1e\+15 1e\+15 1e\+15 is no length"),
    (endless_cell, "frame 1 of f.extxyz: its cell inf .* is not finite"),
    (huge_cell, r"frame 1 of f.extxyz: its cell 1e\+08 .* no lengths in Å"),
    (thin_cell, r"frame 1 of f.extxyz: its cell has 1.82e\+08 Å\^3 per atom"),
    (tiny_cell, "frame 1 of f.extxyz: its cell is flat, 0.001 Å between two opposite sides"),
    (nanometres, r"frame 1 of f.extxyz: its cell has 0.0118 Å\^3 per atom.*in Å\?"),
    (flat_cell, "frame 1 of f.extxyz: its cell is flat, 0 Å"),
    (no_cell, "frame 1 of f.extxyz has no periodic cell"),
    (mixed_pbc, r"frame 1 of f.extxyz has no periodic cell .*\(pbc T T F\)"),
    (coinciding, "frame 1 of f.extxyz: atoms 1 and 3 are 0.17 Å apart"),
    (coinciding_images, "frame 1 of f.extxyz: atoms 1 and 3 are 0.17 Å apart"),
    (odd_split, "frame 1 of f.extxyz is marked split=valid, expected train, val or test"),
    (array_tier, r"frame 1 of f.extxyz: its tier is '\[1. 2.\]'"),
]


@pytest.mark.parametrize("purpose", [SCAN, VASP_LABELS, DYNAMICS, PHONONS, TRAINING])
@pytest.mark.parametrize(("damage", "message"), KINDS, ids=[one[0].__name__ for one in KINDS])
def test_every_purpose_refuses_what_no_frame_is(damage, message, purpose) -> None:
    first, second = rattled(1), rattled(2)
    if damage is odd_split:
        first.info["split"] = "val"
    with pytest.raises(FrameError, match=message):
        check_frames([first, damage(second)], "f.extxyz", purpose)


def test_marks_are_of_all_frames_or_of_none() -> None:
    frames = [rattled(n) for n in range(3)]
    for frame, split in zip(frames, ("train", "val", "test"), strict=True):
        frame.info["split"] = split
    check_frames(frames, "f.extxyz", TRAINING)
    del frames[2].info["split"]
    with pytest.raises(FrameError, match="frame 0 of f.extxyz is marked .* frame 2 of f.* is not"):
        check_frames(frames, "f.extxyz", TRAINING)


def test_a_lone_atom_is_a_label_but_no_metal() -> None:
    lone = in_a_box(Atoms("Cu"))
    check_frames([rattled(), lone], "f.extxyz", TRAINING)
    for purpose in (SCAN, VASP_LABELS, DYNAMICS, PHONONS):
        with pytest.raises(FrameError, match="frame 1 of f.extxyz, atom 0 is alone: no other atom"):
            check_frames([rattled(), lone], "f.extxyz", purpose)
    # a cluster in a box has neighbours, a primitive cell has its own images
    check_frames([in_a_box(rattled())], "f.extxyz", SCAN)
    check_frames([bulk("Cs")], "f.extxyz", SCAN)


def test_what_depends_on_the_purpose() -> None:
    alloy = rattled(2)
    alloy.symbols[0] = "Ni"
    with pytest.raises(FrameError, match=r"frame 1 of f.extxyz holds Cu and Ni: .*one element"):
        check_frames([rattled(1), alloy], "f.extxyz", DYNAMICS)
    for purpose in (SCAN, VASP_LABELS, PHONONS, TRAINING):
        check_frames([rattled(1), alloy], "f.extxyz", purpose)
    metals = [rattled(1), rattled(2, "Ni")]
    check_frames(metals, "f.extxyz", VASP_LABELS)
    with pytest.raises(FrameError, match="frame 1 of f.extxyz holds Ni, the first Cu"):
        check_frames(metals, "f.extxyz", DYNAMICS)
    twins = [rattled(1), rattled(2), rattled(1)]
    check_frames(twins, "f.extxyz", TRAINING)
    for purpose in (SCAN, VASP_LABELS):
        with pytest.raises(FrameError, match=r"frames 0 and 2 of f.extxyz are identical"):
            check_frames(twins, "f.extxyz", purpose)
    twins[2].positions += 5e-4
    with pytest.raises(FrameError, match=r"frames 0 and 2 of .* the same frame within 0.001 Å"):
        check_frames(twins, "f.extxyz", SCAN)
    twins[2].positions += 2e-3
    check_frames(twins, "f.extxyz", SCAN)
    with pytest.raises(FrameError, match="f.extxyz holds no frame: a scan needs one"):
        check_frames([], "f.extxyz", SCAN)


def test_frames_know_where_they_stood_and_files_do_not_keep_it(tmp_path) -> None:
    path = tmp_path / "frames.extxyz"
    ase.io.write(path, [rattled(1), rattled(2)], format="extxyz")
    frames = read_frames(path)
    assert name_of(frames[1], 0) == f"frame 1 of {path}"
    assert name_of(rattled(), 7) == "frame 7"
    assert canonical(frames[1]).info == {}


def test_a_frame_of_twenty_thousand_atoms_is_checked_in_little_memory() -> None:
    frame = bulk("Cu", cubic=True).repeat(17)
    frame.rattle(0.05, seed=0)
    assert len(frame) == 19652
    tracemalloc.start()
    try:
        check_frames([frame], "f.extxyz", SCAN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20
