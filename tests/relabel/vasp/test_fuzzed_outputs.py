"""Damaged outputs end in a DOS, a label, frames, or a named error: never in something else."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
from helpers.vasp_files import dos_section, doscar, eigenvalues, vasprun
from hypothesis import given, settings
from hypothesis import strategies as st

from dosml.errors import DosmlError
from dosml.relabel.vasp.aimd import sample_trajectory
from dosml.relabel.vasp.projected_dos import read_dos
from dosml.relabel.vasp.vasprun import read_vasprun

_STRUCTURE = (
    '<structure><crystal><varray name="basis"><v> 5 0 0 </v><v> 0 5 0 </v><v> 0 0 5 </v></varray>'
    '</crystal><varray name="positions"><v> 0.1 0.2 0.3 </v></varray></structure>'
)
_DYNAMICS = (
    vasprun()
    .replace("</incar>", '<i name="IBRION">0</i><i name="NSW">4</i></incar>')
    .replace("</parameters>", '<i name="POTIM">5.0</i><i name="TEBEG">300.0</i></parameters>')
    .replace("</modeling>", 3 * _STRUCTURE + "</modeling>")
)
WHOLE = [
    text.encode()
    for text in (
        vasprun(),
        vasprun(eigenvalues(0.0) + dos_section(components=4)),
        _DYNAMICS,
        "\n".join(doscar()),
        "\n".join(doscar(components=2, atoms=2)),
    )
]
PIECES = st.sampled_from(
    b"|*|********|-|9| |\n|<|>|&|NaN|1e999|\x00|\xff|</dos>|<dos>|<r>|</modeling>|<calculation>|"
    b"</calculation>|0.1-105|99999999999999999999|-1|name=|<!DOCTYPE x>".split(b"|")
)
# most damage of a small part goes into the tables: every second change is in the head
PLACES = st.floats(0, 1) | st.floats(0, 0.15)
CHANGES = st.lists(st.tuples(PLACES, st.integers(0, 60), PIECES), min_size=1, max_size=4)


def damaged(text: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Put a piece in place of some bytes, several times."""
    for share, length, piece in changes:
        begin = int(share * len(text))
        text = text[:begin] + piece + text[begin + length :]
    return text


def test_what_is_damaged_here_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "output"
    for text in WHOLE:
        path.write_bytes(text)
        assert read_dos(path).electronic_dos().d.any()
    path.write_bytes(_DYNAMICS.encode())
    assert len(sample_trajectory(path, drop_fs=0, every_fs=5)) == 4


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WHOLE), CHANGES)
def test_damage_ends_in_a_result_or_a_named_error(whole, changes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        path.write_bytes(damaged(whole, changes))
        with contextlib.suppress(DosmlError):
            dos = read_dos(path).electronic_dos()
            assert np.isfinite(dos.d).all()
            assert np.isfinite(dos.energies).all()
        with contextlib.suppress(DosmlError):
            output = read_vasprun(path)
            assert np.isfinite(output.forces).all()
            assert np.isfinite(output.free_energy)
        with contextlib.suppress(DosmlError):
            for frame in sample_trajectory(path, drop_fs=0, every_fs=5, unfinished=True):
                assert np.isfinite(frame.positions).all()
                assert frame.cell.rank == 3
