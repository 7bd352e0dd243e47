"""The DOS from VASP's files: per atom, spin summed or not, m-resolved."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pytest
from helpers.vasp_files import dos_section, eigenvalues, vasprun

from dosml.errors import InputError
from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.projected_dos import ProjectedDos, read_dos
from dosml.relabel.vasp.vasprun import dos_tables, read_vasprun
from dosml.theory.dband import d_band
from dosml.theory.smearing import Smearing

FE = "emmet_Fe_bcc_CompleteDos.json.gz"
NAPD = "quacc_Na12Pd4_vasprun.xml.gz"


def small_doscar(spins: int, fields: int) -> str:
    """Two atoms, three energies, as VASP lays them out; the numbers say where they came from."""
    head = [
        f"   2   2   1   {spins}",
        "  0.1E+02  0.3E-09",
        "  1.0E-004",
        "  CAR ",
        " unknown system",
    ]
    frame = "     10.00000000     -10.00000000    3      1.50000000      1.00000000"
    lines = [*head, frame]
    for row in range(3):
        total = [f"{1 + spin + row:8.3f}" for spin in range(spins)]
        lines.append(f"{-10 + 10 * row:11.3f} " + " ".join(total + ["0.0"] * spins))
    for atom in range(2):
        lines.append(frame)
        for row in range(3):
            values = [
                f"{100 * atom + 10 * field + spin + 0.001 * row:9.3f}"
                for field in range(fields)
                for spin in range(spins)
            ]
            lines.append(f"{-10 + 10 * row:11.3f} " + " ".join(values))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("spins", [1, 2])
def test_doscar_columns(tmp_path, spins):
    path = tmp_path / "DOSCAR"
    path.write_text(small_doscar(spins, 9))
    read = read_dos(path)
    assert read.fermi_level == 1.5
    assert read.d.shape == (2, spins, 3, 5)
    # second atom, last spin, middle energy: fields 4 ... 8 are dxy dyz dz2 dxz x2-y2
    expected = [100 + 10 * field + (spins - 1) + 0.001 for field in range(4, 9)]
    np.testing.assert_allclose(read.d[1, -1, 1], expected)
    curve = read.electronic_dos()
    np.testing.assert_allclose(curve.energies, [-11.5, -1.5, 8.5])
    total = np.array([1, 2, 3]) if spins == 1 else np.array([3, 5, 7])
    np.testing.assert_allclose(curve.total, total / 2)
    assert curve.d_m is not None
    mean = [50 + 10 * field + 0.001 for field in range(4, 9)]
    np.testing.assert_allclose(
        curve.d_m[:, 1], np.array(mean) if spins == 1 else 2 * np.array(mean) + 1
    )


def test_doscar_without_m(tmp_path):
    path = tmp_path / "DOSCAR"
    path.write_text(small_doscar(1, 3))
    curve = read_dos(path).electronic_dos()
    assert curve.d_m is None
    np.testing.assert_allclose(curve.d, [70, 70.001, 70.002])


def test_doscar_that_is_cut_off(tmp_path):
    path = tmp_path / "DOSCAR"
    path.write_text("\n".join(small_doscar(1, 9).splitlines()[:-2]))
    with pytest.raises(VaspOutputError, match="cut off"):
        read_dos(path)


def test_what_cannot_be_given_is_refused():
    energies = np.linspace(-1, 1, 5)
    zeros = np.zeros((1, 5))
    bare = ProjectedDos(energies, 0.0, zeros, None, ("Ti",), None)
    with pytest.raises(InputError, match="LORBIT = 11"):
        bare.electronic_dos()
    plain = ProjectedDos(energies, 0.0, zeros, np.zeros((1, 1, 5, 5)), ("Ti",), None)
    with pytest.raises(InputError, match="not spin-polarised"):
        plain.electronic_dos("up")
    with pytest.raises(InputError, match="the cell holds Ti"):
        plain.electronic_dos("sum", "Pd")


@pytest.mark.reference_data
def test_bcc_iron_has_its_centre_at_minus_060(reference_data):
    curve = read_dos(reference_data / "dos" / FE).electronic_dos()
    assert d_band(curve, (-10.0, 5.0)).centre == pytest.approx(-0.60, abs=0.01)


@pytest.mark.reference_data
def test_bcc_iron_agrees_with_pymatgen(reference_data):
    """Centre, width and spin channels against CompleteDos with the same window."""
    from monty.serialization import loadfn
    from pymatgen.electronic_structure.core import OrbitalType, Spin

    path = reference_data / "dos" / FE
    theirs = loadfn(path)
    window = [-10.0, 5.0]
    read = read_dos(path)
    for spin, key in (("sum", None), ("up", Spin.up), ("down", Spin.down)):
        ours = d_band(read.electronic_dos(spin), (-10.0, 5.0))
        centre = theirs.get_band_center(band=OrbitalType.d, spin=key, erange=window)
        width = theirs.get_band_width(band=OrbitalType.d, spin=key, erange=window)
        assert ours.centre == pytest.approx(centre, abs=1e-4)
        assert ours.width == pytest.approx(width, abs=1e-4)
    up, down = read.electronic_dos("up"), read.electronic_dos("down")
    np.testing.assert_allclose(up.d + down.d, read.electronic_dos().d)
    # a ferromagnet: about two d electrons more in the majority channel
    moment = d_band(up, (-10.0, 5.0)).electrons - d_band(down, (-10.0, 5.0)).electrons
    assert 2 < moment < 3


@pytest.mark.reference_data
def test_orbitals_of_cubic_iron_split_into_eg_and_t2g(reference_data):
    curve = read_dos(reference_data / "dos" / FE).electronic_dos()
    assert curve.d_m is not None
    np.testing.assert_allclose(curve.d_m.sum(axis=0), curve.d)
    dxy, dyz, dz2, dxz, dx2 = (part.sum() for part in curve.d_m)
    assert dxy == pytest.approx(dyz, rel=0.01)
    assert dxy == pytest.approx(dxz, rel=0.01)
    assert dz2 == pytest.approx(dx2, rel=0.01)


@pytest.mark.reference_data
def test_vasprun_dos_agrees_with_pymatgen_by_element_and_spin(reference_data):
    from pymatgen.electronic_structure.core import Orbital, Spin
    from pymatgen.io.vasp.outputs import Vasprun

    path = reference_data / "dos" / NAPD
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Vasprun(path, parse_potcar_file=False, parse_eigen=False).complete_dos
    read = read_dos(path)
    assert read.smearing == Smearing("gaussian", 0.05)
    curve = read.electronic_dos("down", "Pd")
    assert curve.broadening == pytest.approx(0.05 / np.sqrt(2))
    palladium = [site for site in theirs.structure if site.specie.symbol == "Pd"]
    orbitals = [Orbital.dxy, Orbital.dyz, Orbital.dz2, Orbital.dxz, Orbital.dx2]
    expected = [
        np.mean([theirs.pdos[site][orbital][Spin.down] for site in palladium], axis=0)
        for orbital in orbitals
    ]
    np.testing.assert_allclose(curve.d_m, expected, atol=1e-12)
    np.testing.assert_allclose(curve.total, theirs.densities[Spin.down] / 16)
    np.testing.assert_allclose(curve.energies, theirs.energies - theirs.efermi, atol=1.1e-4)


@pytest.mark.reference_data
def test_hdf5_and_xml_give_the_same_kind_of_dos(reference_data):
    """The integral of the total DOS of Si up to the Fermi level is its eight electrons."""
    pytest.importorskip("h5py", reason="vaspout.h5 needs the cluster extra")
    read = read_dos(reference_data / "dos" / "emmet_Si_vaspout.h5.gz")
    assert read.n_spins == 2
    assert read.smearing is None  # tetrahedra
    below = read.energies <= read.fermi_level
    electrons = np.trapezoid(read.total.sum(axis=0)[below], read.energies[below])
    assert electrons == pytest.approx(8, rel=0.1)  # the grid has 0.48 eV
    assert read.d is not None
    assert read.d.shape == (2, 2, 301, 5)


@pytest.mark.reference_data
def test_a_vasprun_that_lost_its_dos(reference_data, tmp_path):
    content = gzip.decompress((reference_data / "dos" / NAPD).read_bytes())
    path = tmp_path / "vasprun.xml"
    begin, end = content.find(b"<dos>"), content.find(b"</dos>") + len(b"</dos>")
    path.write_bytes(content[:begin] + content[end:])
    with pytest.raises(VaspOutputError, match="no density of states"):
        read_dos(path)


TWO_MESHES = eigenvalues(0.0) + dos_section(comment="kpoints_opt") + dos_section()


@pytest.mark.parametrize("calculation", [None, TWO_MESHES], ids=["one mesh", "KPOINTS_OPT"])
def test_a_file_cut_off_behind_its_dos(tmp_path, calculation):
    """It is there to look at, with a word; it is no label, and no DOS of labels."""
    text = vasprun(calculation)
    (tmp_path / "whole.xml").write_text(text, encoding="utf-8")
    whole = read_dos(tmp_path / "whole.xml")
    end = text.rindex("</dos>") + len("</dos>")
    cut = tmp_path / "cut.xml"
    for at in (end, text.index("</calculation>"), text.index("</modeling>")):
        cut.write_text(text[:at], encoding="utf-8")
        read = read_dos(cut, unfinished=True)
        np.testing.assert_array_equal(read.d, whole.d)
        assert read.fermi_level == whole.fermi_level
        assert "cut off" in read.lost[0]
        for strict in (read_dos, read_vasprun, dos_tables):
            with pytest.raises(VaspOutputError, match="cut off"):
                strict(cut)
    # within the DOS of the regular mesh nothing is taken, least of all that of another mesh
    for at in (end - 1, text.rindex("<partial>"), text.rindex("<dos>") + 5):
        cut.write_text(text[:at], encoding="utf-8")
        with pytest.raises(VaspOutputError, match="cut off"):
            read_dos(cut, unfinished=True)


def test_two_densities_of_states_and_a_cut_within_the_second(tmp_path):
    """GW and restarts write what they began with first: that is not what they found."""
    text = vasprun(eigenvalues(0.0) + dos_section() + dos_section(fermi_level="0.7"))
    cut = tmp_path / "cut.xml"
    cut.write_text(text[: text.rindex("<partial>")], encoding="utf-8")
    with pytest.raises(VaspOutputError, match="cut off"):
        read_dos(cut, unfinished=True)
