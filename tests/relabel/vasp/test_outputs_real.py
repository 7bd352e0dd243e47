"""Reading real VASP outputs; the oracle is pymatgen's own reader, or physics."""

from __future__ import annotations

import gzip
import lzma
import warnings

import numpy as np
import pytest
from ase.units import GPa

from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.projected_dos import run_smearing
from dosml.relabel.vasp.vaspout import read_vaspout
from dosml.relabel.vasp.vasprun import read_vasprun, trajectory
from dosml.theory.smearing_widths import vasp_energy_zero

pytestmark = pytest.mark.reference_data

FILES = {
    "Ag4": "custodian_Ag4_vasprun.xml.gz",
    "Al_tetrahedra": "custodian_Al_ismear-5_vasprun.xml.gz",
    "Al": "pymatgen_Al_ismear2_vasprun.xml.gz",
    "Si_charged": "pymatgen_Si_charged_NELECT9_vasprun.xml.gz",
    "Na12Pd4": "quacc_Na12Pd4_vasprun.xml.gz",
}


@pytest.fixture(scope="module", params=FILES)
def pair(request, reference_data):
    """Our reading and pymatgen's of one file."""
    from pymatgen.io.vasp.outputs import Vasprun

    path = reference_data / "dos" / FILES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Vasprun(path, parse_potcar_file=False, parse_projected_eigen=False)
    return read_vasprun(path), theirs


def test_energies_forces_and_structure_agree_with_pymatgen(pair):
    ours, theirs = pair
    last = theirs.ionic_steps[-1]
    assert ours.free_energy == last["e_fr_energy"]
    assert ours.energy_without_entropy == last["electronic_steps"][-1]["e_wo_entrp"]
    np.testing.assert_array_equal(ours.forces, last["forces"])
    if "stress" in last:
        np.testing.assert_array_equal(ours.stress_kbar, last["stress"])
    else:
        assert ours.stress_kbar is None
        assert np.isnan(ours.stress).all()
    np.testing.assert_array_equal(ours.cell, theirs.final_structure.lattice.matrix)
    np.testing.assert_array_equal(ours.scaled_positions, theirs.final_structure.frac_coords)
    assert list(ours.symbols) == theirs.atomic_symbols
    assert ours.ionic_steps == len(theirs.ionic_steps)


def test_electrons_and_settings_agree_with_pymatgen(pair):
    ours, theirs = pair
    assert ours.version.lower() == theirs.vasp_version.lower()
    assert ours.n_electrons == theirs.parameters["NELECT"]
    assert ours.n_bands == theirs.parameters["NBANDS"]
    assert ours.fermi_level == theirs.efermi
    assert ours.scf_converged == theirs.converged_electronic
    assert float(ours.parameters["SIGMA"]) == theirs.parameters["SIGMA"]
    top = max(abs(levels[:, -1, 1]).max() for levels in theirs.eigenvalues.values())
    assert ours.top_occupation == top


def test_the_charged_cell_holds_one_electron_more_than_its_atoms(reference_data):
    output = read_vasprun(reference_data / "dos" / FILES["Si_charged"])
    assert output.n_valence == 8
    assert output.n_electrons == 9


def test_vasp_54_shifts_the_names_of_the_last_energy_block_and_the_label_does_not_follow(
    reference_data,
):
    """In this file's last block, `e_0_energy` holds the entropy term: -0.0002 eV, not -3.74 eV."""
    path = reference_data / "dos" / FILES["Al"]
    last_block = gzip.decompress(path.read_bytes()).decode().rsplit("<energy>", 1)[1]
    assert '<i name="e_0_energy">     -0.00024694 </i>' in last_block
    output = read_vasprun(path)
    assert output.free_energy == -3.74204295
    assert output.energy_sigma_0 == -3.74198121


@pytest.mark.parametrize("name", ["Al", "Na12Pd4"])
def test_energies_obey_vasps_own_extrapolation(reference_data, name):
    """e_0 = ((N+1) F + E)/(N+2) for Methfessel-Paxton order 2 and for Gaussian smearing."""
    output = read_vasprun(reference_data / "dos" / FILES[name])
    smearing = run_smearing(output)
    assert smearing is not None
    expected = vasp_energy_zero(output.free_energy, output.energy_without_entropy, smearing)
    assert output.energy_sigma_0 == pytest.approx(expected, abs=1e-8)


def test_stress_has_ases_sign_and_unit(reference_data):
    """Al, two volumes of one run: the mean stress is the slope (F2 - F1)/(V2 - V1)."""
    path = reference_data / "dos" / FILES["Al"]
    volumes = [np.linalg.det(step.read()[0]) for step in trajectory(path)[2]]
    # F of both steps and the stress of the first, read by eye from the file
    free_energies = [-3.74044075, -3.74204295]
    first_kbar = 15.40962538
    slope = (free_energies[1] - free_energies[0]) / abs(volumes[1] - volumes[0])
    last = read_vasprun(path).stress
    mean = 0.5 * (-0.1 * GPa * first_kbar + last[:3].mean())
    assert mean == pytest.approx(slope, rel=0.05)
    assert slope < 0  # compressed: the free energy falls when the cell grows


def test_vaspout_h5(reference_data):
    pytest.importorskip("h5py", reason="vaspout.h5 needs the cluster extra")
    output = read_vaspout(reference_data / "dos" / "emmet_Si_vaspout.h5.gz")
    assert output.version == "6.4.1"
    assert output.symbols == ("Si", "Si")
    assert output.n_valence == output.n_electrons == 8
    assert output.free_energy == pytest.approx(-17.54958326)
    # every carrier of stress in the file: the trace follows VASP's "in kB" of -0.455
    np.testing.assert_allclose(output.stress[:3], 0.455314 * 0.1 * GPa, rtol=1e-5)
    assert output.scf_converged is None  # VASP 6.4 does not write it
    assert output.n_bands == 128
    assert output.incar["ISMEAR"] == "-5"


def test_settings_and_atoms_of_a_trajectory(reference_data):
    tags, symbols, _ = trajectory(reference_data / "dos" / FILES["Al"])
    assert tags["POTIM"] == "0.50000000"
    assert symbols == ("Al",)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_damage_is_named(reference_data, tmp_path, pack):
    content = gzip.decompress((reference_data / "dos" / FILES["Al"]).read_bytes())
    suffix = {gzip.compress: ".gz", lzma.compress: ".xz", bytes: ""}[pack]
    good = tmp_path / f"vasprun.xml{suffix}"
    good.write_bytes(pack(content))
    assert read_vasprun(good).free_energy == -3.74204295
    packed = good.read_bytes()
    cut = tmp_path / f"cut.xml{suffix}"
    cut.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(VaspOutputError, match="cut off"):
        read_vasprun(cut)


def test_garbage_inside_is_named(reference_data, tmp_path):
    content = gzip.decompress((reference_data / "dos" / FILES["Al"]).read_bytes())
    path = tmp_path / "vasprun.xml"
    path.write_bytes(
        content.replace(b"<r>   -3.1341    1.0000 </r>", b"<r>   -3.13x1    1.0000 </r>")
    )
    with pytest.raises(VaspOutputError, match="damaged"):
        read_vasprun(path)
    path.write_bytes(content.replace(b'<varray name="forces" >', b'<varray name="farces" >'))
    with pytest.raises(VaspOutputError, match="damaged"):
        read_vasprun(path)
    path.write_text("hello")
    with pytest.raises(VaspOutputError, match="not a vasprun"):
        read_vasprun(path)
    with pytest.raises(VaspOutputError, match="no file"):
        read_vasprun(tmp_path / "absent.xml")
