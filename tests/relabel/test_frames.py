"""Frames keep their identity through files, and frames that a study cannot use are refused."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dosml.errors import FrameError
from dosml.relabel.frames import canonical, frame_id, read_frames


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


def _write(path, frames) -> None:
    ase.io.write(path, frames, format="extxyz")


def test_bad_frames_are_refused_by_name(tmp_path) -> None:
    path = tmp_path / "frames.extxyz"
    with pytest.raises(FrameError, match="no frame file"):
        read_frames(path)
    path.write_text('4\nLattice="1 0 0\nCu 0 0\n')
    with pytest.raises(FrameError, match="cannot read frames"):
        read_frames(path)
    path.write_text("")
    with pytest.raises(FrameError, match="cannot read frames|holds no frame"):
        read_frames(path)
    alloy = rattled()
    alloy.symbols[0] = "Ni"
    _write(path, [rattled(1), alloy])
    with pytest.raises(FrameError, match=r"frame 1 of .* holds Cu and Ni"):
        read_frames(path)
    _write(path, [rattled(1), rattled(2, "Ni")])
    with pytest.raises(FrameError, match="frames of Cu, Ni"):
        read_frames(path)
    _write(path, [Atoms("Cu4", positions=rattled().positions)])
    with pytest.raises(FrameError, match="no periodic cell"):
        read_frames(path)
    slab = rattled()
    slab.pbc = (True, True, False)
    _write(path, [slab])
    with pytest.raises(FrameError, match="no periodic cell"):
        read_frames(path)
    close = rattled()
    close.positions[1] = close.positions[0] + 0.1
    _write(path, [close])
    with pytest.raises(FrameError, match="atoms 0 and 1 are 0.17 Å apart"):
        read_frames(path)
    _write(path, [rattled(1), rattled(2), rattled(1)])
    with pytest.raises(FrameError, match="frames 0 and 2 .* identical"):
        read_frames(path)


def test_atoms_that_coincide_through_the_boundary_are_found(tmp_path) -> None:
    frame = rattled()
    frame.positions[1] = frame.positions[0] + frame.cell[0] + 0.1
    _write(tmp_path / "frames.extxyz", [frame])
    with pytest.raises(FrameError, match="apart"):
        read_frames(tmp_path / "frames.extxyz")
