"""DOSCAR and vasprun.xml as users meet them: old versions, full fields, more than one mesh."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math

import numpy as np
import pytest
from helpers.vasp_files import (
    ENERGIES,
    FERMI_LEVEL,
    dos_section,
    doscar,
    eigenvalues,
    vasprun,
)

from dosml.errors import FrameError, InputError
from dosml.relabel.vasp.aimd import sample_trajectory
from dosml.relabel.vasp.content import read_bytes
from dosml.relabel.vasp.fortran import number, table
from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.projected_dos import read_dos
from dosml.relabel.vasp.species import symbol_of
from dosml.relabel.vasp.vasprun import read_vasprun
from dosml.theory.dband import d_band
from dosml.theory.smearing_widths import vasp_occupations

TWINS = ["DOSCAR-vasp54", "DOSCAR-vasp54-spin", "DOSCAR-vasp54-ncl", "vasprun-kpoints-opt.xml"]


def centre(path) -> float:
    return d_band(read_dos(path).electronic_dos(), (-7.0, 7.0)).centre


def check(path) -> None:
    """Whether it is the d band of `helpers.vasp_files`, 2 eV below the Fermi level."""
    read = read_dos(path)
    assert read.fermi_level == FERMI_LEVEL
    curve = read.electronic_dos()
    assert d_band(curve, (-7.0, 7.0)).centre == pytest.approx(-2.0, abs=1e-3)
    assert d_band(curve, (-7.0, 7.0)).electrons == pytest.approx(5, abs=0.1)


@pytest.mark.reference_data
@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("twin", ["DOSCAR-twin-ncdij1", "vasprun-twin.xml"])
def test_every_form_gives_the_same_band(reference_data, name, twin):
    windows = []
    for file in (name, twin):
        curve = read_dos(reference_data / "inputs" / file).electronic_dos()
        windows.append(d_band(curve, (-10, 10)).centre)
        assert float(np.interp(0, curve.energies, curve.d)) == pytest.approx(0.0031, abs=3e-5)
    assert windows == pytest.approx([-2.6, -2.6], abs=1e-4)


@pytest.mark.parametrize("components", [1, 2, 4])
@pytest.mark.parametrize("said", [True, False])
def test_spins_of_a_doscar_follow_from_its_columns(tmp_path, components, said):
    path = tmp_path / "DOSCAR"
    lines = doscar(components=components, ncdij=components if said else 0, atoms=2)
    path.write_text("\n".join(lines))
    check(path)
    assert read_dos(path).n_spins == (2 if components == 2 else 1)
    assert read_dos(path).d.shape[0] == 2


def test_sixteen_columns_are_f_states_or_four_components(tmp_path):
    """s to f by m, or s p d f in a non-collinear run: NCDIJ decides where it speaks."""
    path = tmp_path / "DOSCAR"
    for said, d_columns in ((0, slice(5, 10)), (4, slice(9, 10))):
        lines = doscar(ncdij=said)
        begin = 7 + len(ENERGIES)
        rows = [
            f"{energy:11.3f}" + "".join(f"{place + 1:12.4E}" for place in range(16))
            for energy in ENERGIES
        ]
        path.write_text("\n".join([*lines[:begin], *rows]))
        expected = np.arange(1, 17)[d_columns.start - 1 : d_columns.stop - 1].sum()
        assert read_dos(path).electronic_dos().d[0] == pytest.approx(expected)


def test_fields_of_the_head_that_touch(tmp_path):
    """From 1000 atoms (4I4) and 10000 energies (I5) on there are no blanks."""
    head = f"{30.0:16.8f}{-30.0:16.8f}{10001:5d}{0.5:16.8f}{1.0:16.8f}"
    assert "-30.0000000010001" in head
    lines = ["10241024   0   0", "  0.2E+02", "  1.0E-004", "  CAR ", " made up", head]
    energies = np.linspace(-30, 30, 10001)
    lines += [f"{energy:11.3f}{1.0:12.4E}{0.0:12.4E}" for energy in energies]
    path = tmp_path / "DOSCAR"
    path.write_text("\n".join(lines))
    read = read_dos(path)
    assert read.total.shape == (1, 10001)
    assert read.energies[1] - read.energies[0] == pytest.approx(0.006, abs=1e-9)
    assert len(read.symbols) == 1024
    # five digits are full: the field overflows, and the rows say how many there are
    path.write_text("\n".join(lines).replace("-30.0000000010001", "-30.00000000*****"))
    assert read_dos(path).total.shape == (1, 10001)


def test_exponents_without_their_letter_and_numbers_without_blanks(tmp_path):
    assert number("0.123-105") == pytest.approx(1.23e-106)
    assert number(b"-.302333+128") == pytest.approx(-3.02333e127)
    assert number("1.5D+01") == 15
    assert math.isnan(number("********"))
    for wrong in ("1.0.2", "0.1234-12.5", "a"):
        with pytest.raises(ValueError, match="not a number"):
            number(wrong)
    rows = [b"  1.0000  2.0000  3.0000", b"-12.0000-12.0000-13.0000", b" 10.0000********  0.1-105"]
    expected = [[1, 2, 3], [-12, -12, -13], [10, np.nan, 1e-106]]
    np.testing.assert_allclose(table(rows), expected)
    # full fields without a sign: only the widths tell
    np.testing.assert_allclose(table([b" 1.00 2.00 3.00", b"10.0020.0030.00"])[1], [10, 20, 30])
    with pytest.raises(ValueError, match="does not hold 3 numbers"):
        table([b"1.0 2.0 3.0", b"1.0 2.0"])
    path = tmp_path / "DOSCAR"
    text = "\n".join(doscar(components=2))
    assert "1.8002E-40" in text
    path.write_text(text.replace("1.8002E-40", "1.8002-140").replace("  2.5000E-02", "-2.5000E-02"))
    check(path)


LOBSTER = """   1   1    1    1
  3.9892878e+01   3.8353365e-10   3.8353362e-10   3.8353360e-10   5.0000000e-16
            1.000000e-04
  CAR
 DOS and projected DOS file by LOBSTER. Energy is shifted such that the Fermi level lies at 0 eV.
      4.62525417     -14.12474583     5      -2.87474583       1.00000000
-2.00000   0.00000   4.00000
-1.00000   9.00000  10.00000
 0.00000   1.60000  10.00000
 1.00000   0.00000  16.00000
 2.00000   0.02418  16.09067
      2.00000000      -2.00000000     5      -2.87474583       1.00000000; Z= 29; COLUMNS
"""


def test_lobsters_doscar_is_read_by_the_names_of_its_columns(tmp_path):
    path = tmp_path / "DOSCAR"
    names = "4s 3d_xy 3d_yz 3d_z^2 3d_xz 3d_x^2-y^2 4d_xy"
    rows = [f"{energy:8.5f}" + "".join(f"{k:9.5f}" for k in range(7)) for energy in range(-2, 3)]
    path.write_text(LOBSTER.replace("COLUMNS", names) + "\n".join(rows))
    read = read_dos(path)
    assert (read.fermi_level, read.symbols) == (0.0, ("Cu",))  # its energies are relative already
    curve = read.electronic_dos(element="Cu")
    np.testing.assert_allclose(curve.d_m[:, 0], [1 + 6, 2, 3, 4, 5])
    path.write_text(LOBSTER.replace("COLUMNS", "3s 3p_y 3p_z 3p_x a b c") + "\n".join(rows))
    with pytest.raises(VaspOutputError, match="no d orbitals among its projections .s, py, pz"):
        read_dos(path)
    fragments = LOBSTER.replace("; Z= 29; COLUMNS", "; AlN; X 1a1 2a1 1e 2e 3a1 3e 4e")
    path.write_text(fragments + "\n".join(rows))
    with pytest.raises(VaspOutputError, match="orbitals of fragments"):
        read_dos(path)


@pytest.mark.reference_data
def test_lobsters_file_among_the_inputs_has_no_d_states(reference_data):
    with pytest.raises(VaspOutputError, match="no d orbitals"):
        read_dos(reference_data / "inputs" / "DOSCAR.lobster")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("text", ["\n".join(doscar()), vasprun()], ids=["DOSCAR", "vasprun"])
def test_files_are_known_by_their_content(tmp_path, pack, text):
    for name in ("Fe_DOSCAR", "run1_vasprun.txt", "DOSCAR", "vasprun.xml.gz", "old.json", "x.h5"):
        path = tmp_path / name
        path.write_bytes(pack(text.encode()))
        check(path)


def test_a_folder_stands_for_the_best_file_in_it(tmp_path):
    (tmp_path / "OUTCAR").write_text("vasp.5.4.4\n")
    with pytest.raises(VaspOutputError, match=r"holds no vasprun.xml, vaspout.h5 or DOSCAR"):
        read_dos(tmp_path)
    (tmp_path / "bands").write_text(vasprun())
    check(tmp_path)
    (tmp_path / "DOSCAR").write_text("\n".join(doscar()[:40]))
    with pytest.raises(VaspOutputError, match="DOSCAR is cut off"):
        read_dos(tmp_path)
    (tmp_path / "vasprun.xml.gz").write_bytes(gzip.compress(vasprun().encode()))
    check(tmp_path)


def test_what_is_none_of_vasps_files_is_not_unpacked_to_its_end(tmp_path):
    path = tmp_path / "vasprun.xml.gz"
    path.write_bytes(gzip.compress(bytes(40 * 1024**2)))
    with pytest.raises(VaspOutputError, match="its content is of none of them"):
        read_bytes(path)
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(VaspOutputError, match="packed by zip"):
        read_dos(path)


def test_no_more_is_unpacked_than_a_run_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("dosml.relabel.vasp.content.MAX_BYTES", 1000)
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun())
    with pytest.raises(VaspOutputError, match="holds more than"):
        read_dos(path)


OTHER_MESH = dos_section(fermi_level="0.90000000", comment="kpoints_opt") + (
    '<eigenvalues_kpoints_opt comment="kpoints_opt">'
    f"<kpoints></kpoints>{eigenvalues(0.7)}</eigenvalues_kpoints_opt>"
)
INSIDE = (
    f"<electronvelocities><kpoints></kpoints>{eigenvalues(0.7)}</electronvelocities>"
    f"<projected>{eigenvalues(0.7)}</projected>"
)
REGULAR = eigenvalues(0.0) + dos_section()


@pytest.mark.parametrize(
    "calculation",
    [
        OTHER_MESH + REGULAR,
        REGULAR + OTHER_MESH,
        INSIDE + REGULAR,
        dos_section(fermi_level="0.70000000", comment="interpolated") + REGULAR,
        # GW and restarts write what they began with first
        eigenvalues(0.7) + dos_section(fermi_level="0.10000000") + REGULAR,
    ],
    ids=["opt first", "opt last", "velocities", "interpolated", "twice"],
)
def test_fermi_level_and_top_band_are_those_of_the_regular_mesh(tmp_path, calculation):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(calculation))
    check(path)
    output = read_vasprun(path)
    assert output.fermi_level == FERMI_LEVEL
    assert output.top_occupation == 0.0


def test_k_points_without_weight_do_not_fill_the_top_band(tmp_path):
    """Hybrid band structures add them to the mesh."""
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(eigenvalues(0.7, kpoints=3) + dos_section(), weights=(0.5, 0.5, 0.0)))
    assert read_vasprun(path).top_occupation == 0.0
    path.write_text(vasprun(eigenvalues(0.7, kpoints=3) + dos_section(), weights=(0.5, 0.3, 0.2)))
    assert read_vasprun(path).top_occupation == 0.7


@pytest.mark.parametrize("components", [2, 4])
def test_components_of_a_vasprun(tmp_path, components):
    """A non-collinear run has one spin in its total and four in its projections."""
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(eigenvalues(0.0) + dos_section(components=components)))
    check(path)


def test_a_run_without_forces_has_a_dos_and_is_no_label(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(forces=False))
    check(path)
    with pytest.raises(VaspOutputError, match="structure"):
        read_vasprun(path)


def test_text_of_the_user_that_is_no_xml(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_bytes(vasprun(system="Ti & Os <d> a<b \x01 \xe9t\xe9").encode("latin-1"))
    check(path)
    assert "Ti & Os <d> a<b" in read_vasprun(path).incar["SYSTEM"]


def test_two_runs_in_one_file_and_document_types_are_refused(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun() + vasprun())
    with pytest.raises(VaspOutputError, match="holds 2 runs"):
        read_dos(path)
    path.write_text('<?xml version="1.0"?><!DOCTYPE modeling [<!ENTITY x "y">]>' + vasprun()[44:])
    with pytest.raises(VaspOutputError, match="document type"):
        read_dos(path)


def replaced(text: str, old: str, new: str) -> str:
    assert old in text
    assert len(old) == len(new)
    return text.replace(old, new, 1)


def test_an_overflowing_field_loses_its_column_and_not_the_file(tmp_path):
    path = tmp_path / "vasprun.xml"
    text = vasprun()
    integral = "     0.0500" + " </r>"
    assert integral in text
    for old, new in ((integral, "*" * 11 + " </r>"), ("   0.0500   0.0500", "*********   0.0500")):
        path.write_text(replaced(text, old, new))
        check(path)
        assert read_dos(path).lost == ()
    first = f"<r> {ENERGIES[0]:9.4f}"
    path.write_text(text.replace(first, "<r> *********"))
    check(path)
    assert "energies" in read_dos(path).lost[0]
    row = next(line for line in text.splitlines() if line.count(" 0.5642") == 5)
    path.write_text(replaced(text, row, row.replace("   0.5642", "*********", 1)))
    read = read_dos(path)
    assert read.d is None
    assert "d part is left out" in read.lost[0]
    with pytest.raises(InputError, match="overflowed"):
        read.electronic_dos()
    assert not read.without_d().electronic_dos().d.any()
    path.write_text(replaced(text, f"{FERMI_LEVEL:.8f}", "**********"))
    read = read_dos(path)
    assert "Fermi level overflowed" in read.lost[0]
    # where the printed integral reaches the five electrons of the run
    energies = np.array(ENERGIES)
    held = 0.25 * np.cumsum(read.total[0])
    assert read.fermi_level == pytest.approx(np.interp(5, held, energies), abs=1e-3)


def test_an_overflowing_number_outside_the_dos(tmp_path):
    path = tmp_path / "vasprun.xml"
    text = vasprun()
    path.write_text(replaced(text, "  -8.0000   1.0000 </r>", "*********   1.0000 </r>"))
    assert read_vasprun(path).top_occupation == 0.0
    path.write_text(replaced(text, "<v>      1.00000000", "<v>****************"))
    output = read_vasprun(path)
    assert output.stress_kbar is None
    assert "stress is left out" in output.facts["lost"]
    old = 'forces" ><v>      0.00000000'
    path.write_text(replaced(text, old, 'forces" ><v>****************'))
    with pytest.raises(VaspOutputError, match="asterisks"):
        read_vasprun(path)


def test_an_element_that_vasp_misprints(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(element="r "))
    assert read_vasprun(path).symbols == ("Zr",)
    check(path)
    assert symbol_of("Ti_sv/3d80aaeb") == "Ti"
    assert symbol_of("r ", mass=91.224) == "Zr"
    assert symbol_of("X", titel="PAW_PBE Xe 07Sep2000", mass=131.29) == "Xe"
    with pytest.raises(ValueError, match="names no element"):
        symbol_of("r ")


@pytest.mark.parametrize(
    ("ismear", "words"),
    [
        (-2, "fixed occupations (ISMEAR = -2)"),
        (-3, "a loop over several smearings (ISMEAR = -3)"),
        (-5, "tetrahedra"),
        (-15, "tetrahedra with Fermi-Dirac smearing of 0.2 eV"),
        (2, "methfessel-paxton-2 0.2 eV"),
    ],
)
def test_occupations_are_named_as_what_they_are(tmp_path, ismear, words):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(ismear=ismear))
    read = read_dos(path)
    assert read.occupations == words == vasp_occupations(ismear, 0.2)
    assert (read.smearing is None) == (ismear < 0)


@pytest.mark.reference_data
def test_steps_of_machine_learned_dynamics(reference_data, tmp_path):
    source = reference_data / "inputs" / "vasprun-mlmd.xml"
    frames = sample_trajectory(source, drop_fs=10, every_fs=5)
    assert [frame.info["md_time_fs"] for frame in frames] == [5.0 * k for k in range(3, 13)]
    np.testing.assert_allclose(
        [frame.positions[0, 0] for frame in frames], 0.005 * np.arange(3, 13)
    )
    text = source.read_text()
    path = tmp_path / "vasprun.xml"
    # only every third step is written, so that twelve structures are 36 steps
    sparse = text.replace('name="NSW"> 12<', 'name="NSW"> 36<').replace(
        "</incar>", '<i name="ML_MODE"> run </i><i type="int" name="ML_OUTBLOCK"> 3</i></incar>'
    )
    path.write_text(sparse)
    frames = sample_trajectory(path, drop_fs=30, every_fs=30)
    assert [frame.info["md_time_fs"] for frame in frames] == [60, 90, 120, 150, 180]
    np.testing.assert_allclose(
        [frame.positions[0, 0] for frame in frames], 0.005 * np.arange(4, 13, 2)
    )
    with pytest.raises(InputError, match="every 3th step only"):
        sample_trajectory(path, drop_fs=0, every_fs=5)
    path.write_text(text.replace('name="NSW"> 12<', 'name="NSW"> 6<'))
    with pytest.raises(FrameError, match="times cannot be told"):
        sample_trajectory(path, drop_fs=0, every_fs=5)
