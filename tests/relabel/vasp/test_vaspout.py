"""Labels from vaspout.h5: the same job written both ways gives the same label."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from helpers.vasp_study import run_stand_in

from dosml.errors import EngineMissingError
from dosml.relabel.label import Label
from dosml.relabel.vasp.jobs import find_jobs
from dosml.relabel.vasp.labels import read_label
from dosml.relabel.vasp.output import VaspOutputError
from dosml.relabel.vasp.projected_dos import read_dos
from dosml.relabel.vasp.vaspout import read_vaspout
from dosml.relabel.vasp.vasprun import dos_tables
from dosml.relabel.vasp.verify import Refusal

h5py = pytest.importorskip("h5py", reason="vaspout.h5 needs the cluster extra")


def to_h5(folder, *, converged: int | None) -> None:
    """Write the content of vasprun.xml in the layout of a real vaspout.h5 (see the Si file)."""
    output, (total, fields, partial) = dos_tables(folder / "vasprun.xml")
    n_atoms = len(output.symbols)
    with h5py.File(folder / "vaspout.h5", "w") as file:
        for tag, text in output.incar.items():
            value: object = text.encode()
            if text in {"T", "F"}:
                value = int(text == "T")
            else:
                with contextlib.suppress(ValueError):
                    value = float(text)
            file[f"input/incar/{tag}"] = value
        for axis, count in zip("xyz", output.kpoints or (), strict=True):
            file[f"input/kpoints/nkp{axis}"] = count
        file["input/potcar/content"] = (folder / "POTCAR").read_bytes()
        for part, number in zip(("major", "minor", "patch"), (6, 5, 0), strict=True):
            file[f"version/{part}"] = number
        file["results/positions/ion_types"] = [output.symbols[0].encode()]
        file["results/positions/number_ion_types"] = [n_atoms]
        file["results/positions/scale"] = 1.0
        steps = "intermediate/ion_dynamics"
        energies = [
            output.free_energy, output.energy_without_entropy, output.energy_sigma_0
        ]  # fmt: skip
        file[f"{steps}/energies"] = [energies]
        file[f"{steps}/energies_tags"] = [
            b"free energy    TOTEN   ", b"energy without entropy ", b"energy(sigma->0)       "
        ]  # fmt: skip
        file[f"{steps}/forces"] = output.forces[None]
        file[f"{steps}/stress"] = np.asarray(output.stress_kbar)[None]
        file[f"{steps}/lattice_vectors"] = output.cell[None]
        file[f"{steps}/position_ions"] = output.scaled_positions[None]
        file[f"{steps}/oszicar"] = [[1, 0.0], [output.electronic_steps, 0.0]]
        if converged is not None:
            file[f"{steps}/electronic_step_converged"] = [converged]
        levels = "results/electron_eigenvalues"
        file[f"{levels}/fermiweights"] = np.zeros((1, 2, output.n_bands))
        file[f"{levels}/nelectrons"] = output.n_electrons
        file[f"{levels}/nb_tot"] = output.n_bands
        dos = "results/electron_dos"
        file[f"{dos}/efermi"] = output.fermi_level
        file[f"{dos}/energies"] = total[0, :, 0]
        file[f"{dos}/dos"] = total[:, :, 1]
        assert partial is not None
        file[f"{dos}/dospar"] = partial.transpose(1, 0, 3, 2)
        file["results/projectors/lchar"] = [field.encode() for field in fields]


@pytest.fixture
def job(study):
    job = find_jobs(study)[0]
    run_stand_in(job.folder)
    return job


def test_both_files_give_the_same_label(job):
    from_xml = read_label(job)
    to_h5(job.folder, converged=0)
    (job.folder / "vasprun.xml").unlink()
    from_h5 = read_label(job)
    assert isinstance(from_xml, Label)
    assert isinstance(from_h5, Label)
    assert from_h5.facts["source"] == "vaspout.h5"
    assert from_h5.facts["vasp_version"] == "6.5.0"
    for name in ("free_energy", "fermi_level", "n_electrons"):
        assert getattr(from_h5, name) == getattr(from_xml, name)
    np.testing.assert_array_equal(from_h5.forces, from_xml.forces)
    np.testing.assert_array_equal(from_h5.stress, from_xml.stress)
    np.testing.assert_allclose(from_h5.dos.d, from_xml.dos.d)
    np.testing.assert_allclose(from_h5.dos.d_m, from_xml.dos.d_m)


@pytest.mark.parametrize(
    ("converged", "words"), [(1, "did not converge"), (None, "does not say whether")]
)
def test_convergence_must_be_said(job, converged, words):
    to_h5(job.folder, converged=converged)
    (job.folder / "vasprun.xml").unlink()
    outcome = read_label(job)
    assert isinstance(outcome, Refusal)
    assert outcome.kind == "not converged"
    assert words in outcome.reason


def test_a_file_of_any_name_is_known_by_its_content(job):
    to_h5(job.folder, converged=0)
    whole = read_dos(job.folder / "vasprun.xml")
    path = (job.folder / "vaspout.h5").rename(job.folder / "bands_vasprun.xml")
    np.testing.assert_allclose(read_dos(path).d, whole.d)


def test_the_whole_file_of_two_is_taken(job):
    to_h5(job.folder, converged=0)
    xml = job.folder / "vasprun.xml"
    xml.write_bytes(xml.read_bytes()[:5000])
    label = read_label(job)
    assert isinstance(label, Label)
    assert label.facts["source"] == "vaspout.h5"


def test_damaged_and_unreadable(job, monkeypatch):
    path = job.folder / "vaspout.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n rest of it is lost")
    with pytest.raises(VaspOutputError, match="cut off or damaged"):
        read_vaspout(path)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(EngineMissingError, match=r"\.\[cluster\]"):
        read_vaspout(path)
