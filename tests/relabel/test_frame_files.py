"""Files of frames are counted before they are believed, and named frame by frame."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from dosml.errors import DosmlError, FrameError, TooLargeError
from dosml.relabel.frame_files import iter_file
from dosml.relabel.frames import read_frames

HEAD = 'Lattice="3.6 0 0 0 3.6 0 0 0 3.6" Properties=species:S:1:pos:R:3 pbc="T T T"'
ATOMS = ["Cu 0 0 0", "Cu 0 1.8 1.8", "Cu 1.8 0 1.8", "Cu 1.8 1.8 0"]
FRAME = "\n".join(["4", HEAD, *ATOMS, ""])


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(iter_file(path))


BROKEN = {
    "count is no number": ("4.5" + FRAME[1:], r"line 1 \(frame 0\): it should be the number of at"),
    "count below zero": ("-" + FRAME, "should be the number of atoms of the frame, got '-4'"),
    "count of none": ("0\n" + HEAD + "\n", "frame 0 of .* has no atoms"),
    "count beyond all": ("9" * 5000 + FRAME[1:], "says 9{40} atoms, more than 1000000"),
    "count beyond the file": (FRAME + "90000" + FRAME[1:], "frame 1 of .*90000 atoms of 4 columns"),
    "columns beyond the file": (FRAME.replace("R:3", "R:100000"), "frame 0 .* 100001 columns are"),
    "columns beyond a line": (FRAME.replace("R:3", "R:1000000000"), "1000000001 columns, and no"),
    "columns of none": (FRAME.replace("R:3", "R:0"), "says pos:...:0, expected a number"),
    "columns in words": (FRAME.replace("pos:R:3", "pos:R"), "expected NAME:TYPE:COLUMNS"),
    "cut at the head": (FRAME + "4\n", "line 8 .*frame 1.*should describe the frame, but the file"),
    "cut in an atom": (FRAME * 2 + FRAME[:-8], "frame 2 of .*, atom 3 .line 18.: 2 columns, expe"),
    "no element": (
        FRAME.replace("Cu 1.8 0", "Qq 1.8 0"),
        "atom 2 .line 5.: there is no element 'Q",
    ),
    "no position": (FRAME.replace("1.8 0 1.8", "1.8 O 1.8"), "frame 0 .* not convert .*'O'"),
    "no lattice": (FRAME.replace("3.6 0 0 0 3.6", "a 0 0 0 3.6"), "frame 0 .* cannot be read"),
    "many empty lines": (FRAME + "\n" * 2000, "line 1007 .*more than 1000 empty lines"),
    "utf-16": (FRAME.encode("utf-16"), "begins as UTF-16 does: save the file as UTF-8"),
    "zeros": (bytes(4096), "holds bytes that are zero"),
    "latin-1": (FRAME.replace("pbc", "µ=1 pbc").encode("latin-1"), "line 2 .*no text in UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_frame_is_named_by_frame_and_line(tmp_path, content, message) -> None:
    with pytest.raises(FrameError, match=message):
        read(tmp_path / "f.extxyz", content)


def test_announcements_take_no_memory(tmp_path) -> None:
    """These killed the machine's memory: ase makes a list of what is announced."""
    tracemalloc.start()
    try:
        for announced in (FRAME.replace("R:3", "R:300000000"), "999999" + FRAME[1:]):
            with pytest.raises(FrameError):
                read(tmp_path / "f.extxyz", announced)
        # a packed file does not say its size: the first line that is too short ends it
        (tmp_path / "f.extxyz.gz").write_bytes(
            gzip.compress(FRAME.replace("R:3", "R:8000000").encode())
        )
        with pytest.raises(FrameError, match="4 columns, expected 8000001"):
            list(iter_file(tmp_path / "f.extxyz.gz"))
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_whole_files_are_read_as_ase_reads_them(tmp_path) -> None:
    frames = [bulk("Cu", cubic=True), bulk("Ti")]
    for frame in frames:
        frame.rattle(0.1)
        frame.info["tier"] = "cold"
        frame.arrays["REF_forces"] = frame.positions / 7
    path = tmp_path / "f.extxyz"
    ase.io.write(path, frames, format="extxyz")
    text = path.read_bytes()
    forms = {
        "f.extxyz": text,
        "bom.extxyz": b"\xef\xbb\xbf" + text,
        "crlf.extxyz": text.replace(b"\n", b"\r\n"),
        "blank.extxyz": text.replace(b"\n2\n", b"\n\n2\n") + b"\n\n",
        "end.extxyz": text.rstrip(b"\n"),
        "f.extxyz.gz": gzip.compress(text),
        "f.extxyz.xz": lzma.compress(text),
        "f.extxyz.bz2": bz2.compress(text),
        "f.xyz": text,
        "run@300K[x].extxyz": text,
        "frames": text,
    }
    for name, content in forms.items():
        read_again = read(tmp_path / name, content)
        assert len(read_again) == 2, name
        for one, wanted in zip(read_again, ase.io.read(path, ":"), strict=True):
            np.testing.assert_array_equal(one.positions, wanted.positions)
            np.testing.assert_array_equal(one.arrays["REF_forces"], wanted.arrays["REF_forces"])
            assert one.info == wanted.info
            assert one.pbc.all()


def test_other_formats_are_left_to_ase(tmp_path) -> None:
    path = tmp_path / "Cu@0K.vasp"
    ase.io.write(path, bulk("Cu", cubic=True), format="vasp")
    assert len(read_frames(path)[0]) == 4
    path.write_text("nothing\n")
    with pytest.raises(FrameError, match=r"cannot read frames from .*Cu@0K.vasp"):
        read_frames(path)
    with pytest.raises(FrameError, match="no frame file at .*: give an extxyz file"):
        read_frames(tmp_path / "none.extxyz")
    (tmp_path / "odd").write_text("nothing\n")
    with pytest.raises(
        FrameError, match="should be the number of atoms of the frame, got 'nothing"
    ):
        read_frames(tmp_path / "odd")


@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
def test_packed_files_unpack_so_far_and_no_further(tmp_path, ending) -> None:
    pack = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[ending]
    path = tmp_path / f"f.extxyz.{ending}"
    path.write_bytes(pack(FRAME.encode() + (b" " * (1 << 20) + b"\n") * 70))
    with pytest.raises(TooLargeError, match="unpacks to more than 200 times its size"):
        list(iter_file(path))
    path.write_bytes(pack(FRAME.encode() * 50)[:-20])
    with pytest.raises(FrameError, match="cannot read .*the file is cut off or damaged|is cut off"):
        list(iter_file(path))


@given(st.data())
def test_any_change_of_a_file_is_a_result_or_a_named_error(tmp_path_factory, data) -> None:
    content = bytearray((FRAME * 2).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        end = data.draw(st.integers(place, min(place + 40, len(content))))
        content[place:end] = data.draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from([b"-1", b"1e400", b"nan", b"999999999", b":", b'"', b"\n", b" "]),
            )
        )
        if not content:
            break
    path = tmp_path_factory.getbasetemp() / "changed.extxyz"
    path.write_bytes(bytes(content))
    try:
        frames = read_frames(path)
    except DosmlError as error:
        said = str(error)
    else:
        said = ""
        assert all(np.isfinite(frame.positions).all() for frame in frames)
    assert not said or str(path) in said
    assert "\n" not in said
