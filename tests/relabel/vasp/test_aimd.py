"""AIMD inputs of the paper, and frames from finished trajectories."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import FrameError, InputError
from dosml.relabel.elements import element
from dosml.relabel.vasp.aimd import sample_trajectory, write_aimd, write_frames
from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.protocol import VaspProtocol


def tags(path) -> dict[str, str]:
    pairs = (line.split("=") for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def fake_trajectory(path, steps: int, asked: int, *, temperature=1455.75, cut=False) -> None:
    """Two Ti atoms; at step k the first one sits at x = k/100000 of the cell."""
    head = f"""<?xml version="1.0"?>
<modeling>
 <generator><i name="version">6.4.2</i></generator>
 <incar><i type="int" name="IBRION">     0</i><i name="POTIM">      5.00000000</i>
  <i name="TEBEG">   {temperature:.8f}</i><i type="int" name="NSW">{asked}</i></incar>
 <parameters></parameters>
 <atominfo><array name="atoms"><set><rc><c>Ti</c><c>1</c></rc><rc><c>Ti</c><c>1</c></rc></set>
 </array></atominfo>
"""
    step = (
        "<calculation>\n<scstep></scstep>\n<structure>\n<crystal><varray name='basis'>"
        "<v>3.0 0 0</v><v>0 3.0 0</v><v>0 0 5.0</v></varray></crystal>"
        "<varray name='positions'><v>{x:.8f} 0 0</v><v>0.5 0.5 0.5</v></varray>\n"
        "</structure>\n</calculation>\n"
    )
    parts = [head, *(step.format(x=k / 100000) for k in range(1, steps + 1))]
    parts.append("" if cut else "</modeling>\n")
    text = "".join(parts)
    path.write_bytes(gzip.compress((text[:-100] if cut else text).encode()))


@pytest.mark.usefixtures("potcars")
def test_inputs_of_the_paper(tmp_path):
    folders = write_aimd(bulk("Ti").repeat(3), tmp_path, VaspProtocol())
    melting = element("Ti").melting_temperature
    assert list(folders) == ["cold", "warm", "melt"]
    for folder, fraction in zip(folders.values(), (0.25, 0.75, 1.25), strict=True):
        incar = tags(folder / "INCAR")
        assert float(incar["TEBEG"]) == float(incar["TEEND"]) == round(fraction * melting, 2)
        assert float(incar["POTIM"]) == 5
        assert int(incar["NSW"]) * float(incar["POTIM"]) == 55_000
        assert (incar["IBRION"], incar["MDALGO"]) == ("0", "2")
        assert float(incar["SMASS"]) == 0  # Nose-Hoover with a period of 40 steps
        assert incar["ISPIN"] == "1"
        assert (folder / "KPOINTS").read_text().splitlines()[3].split() == ["1", "1", "1"]
        assert "ZVAL" in (folder / "POTCAR").read_text()


@pytest.mark.usefixtures("no_potcars")
def test_inputs_without_potcars_hold_the_spec(tmp_path):
    folders = write_aimd(bulk("Cu").repeat(2), tmp_path, VaspProtocol(incar={"ENCUT": 400}))
    assert (folders["melt"] / "POTCAR.spec").read_text().strip() == "Cu_pv"
    assert float(tags(folders["melt"] / "INCAR")["ENCUT"]) == 400


def test_the_papers_sampling_gives_a_thousand_frames(tmp_path):
    path = tmp_path / "vasprun.xml.gz"
    fake_trajectory(path, 11_000, 11_000)
    frames = sample_trajectory(path)
    assert len(frames) == 1000
    times = [frame.info["md_time_fs"] for frame in frames]
    assert (times[0], times[1], times[-1]) == (5050, 5100, 55_000)
    np.testing.assert_allclose(frames[0].positions[0, 0], 3.0 * 1010 / 100000, atol=1e-8)
    assert {frame.info["tier"] for frame in frames} == {"warm"}
    assert frames[0].info["temperature_K"] == 1455.75


def test_a_trajectory_that_is_not_finished(tmp_path):
    path = tmp_path / "vasprun.xml.gz"
    fake_trajectory(path, 60, 100, cut=True)
    with pytest.raises(FrameError, match="59 of 100 steps"):
        sample_trajectory(path, drop_fs=50, every_fs=50)
    frames = sample_trajectory(path, drop_fs=50, every_fs=50, unfinished=True)
    assert len(frames) == 4


def test_what_cannot_be_sampled(tmp_path):
    path = tmp_path / "vasprun.xml.gz"
    fake_trajectory(path, 20, 20)
    with pytest.raises(InputError, match="no multiple"):
        sample_trajectory(path, every_fs=7)
    with pytest.raises(FrameError, match="too short"):
        sample_trajectory(path)
    frames = sample_trajectory(path, drop_fs=0)
    with pytest.raises(FrameError, match="identical"):
        write_frames([*frames, *frames], tmp_path / "frames.extxyz")
    with pytest.raises(VaspOutputError):
        sample_trajectory(tmp_path / "absent.xml")


@pytest.mark.reference_data
def test_a_relaxation_is_no_trajectory(reference_data):
    with pytest.raises(InputError, match="no molecular dynamics"):
        sample_trajectory(reference_data / "dos" / "pymatgen_Al_ismear2_vasprun.xml.gz")
