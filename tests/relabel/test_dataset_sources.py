"""Labelled data that somebody else made, and the set that ships."""

from __future__ import annotations

import json
import re

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import DosmlError, InputError
from dosml.reference_set import ship
from dosml.relabel.dataset import load, load_files, reference_dataset, reference_metals, save
from dosml.relabel.dataset.reference import FOLDER
from dosml.relabel.frames import frame_id
from dosml.theory.dband import d_band
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


def write_set(path, seed, *, count=4):
    rng = np.random.default_rng(seed)
    frames = []
    for n in range(count):
        atoms = bulk("Cu", cubic=True) if n % 2 else bulk("Os")
        atoms.rattle(0.05, seed=n)
        atoms.info["REF_energy"] = float(rng.normal())
        atoms.arrays["REF_forces"] = rng.normal(size=(len(atoms), 3))
        frames.append(atoms)
    path.parent.mkdir(exist_ok=True)
    ase.io.write(path, frames, format="extxyz")
    return frames


def doscar(path, n_atoms, *, fermi, height):
    """Write a rectangle of d states from -2 to 1 eV about the Fermi level, the first orbital's."""
    grid = np.linspace(-10, 10, 401)
    inside = (grid - fermi > -2) & (grid - fermi < 1)
    frame = f"  10.0  -10.0  401  {fermi}  1.0"
    lines = [f" {n_atoms} {n_atoms} 1 1", " 1", " 1", " CAR", " x", frame]
    rows = list(zip(grid, inside, strict=True))
    lines += [f" {e:.4f} {n_atoms * height * (on + 0.5)} 0.0" for e, on in rows]
    for _ in range(n_atoms):
        lines.append(frame)
        lines += [f" {e:.4f}" + " 0.1" * 4 + f" {height * on}" + " 0.0" * 4 for e, on in rows]
    path.write_text("\n".join(lines) + "\n")


def complete_dos(path, n_atoms, *, fermi, height):
    """Write the same as pymatgen would."""
    grid = np.linspace(-10, 10, 401)
    inside = ((grid - fermi > -2) & (grid - fermi < 1)) * height
    names = ["s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "dx2"]
    part = {
        name: {"densities": {"1": list(inside if name == "dxy" else 0 * grid)}} for name in names
    }
    held = {
        "@class": "CompleteDos",
        "efermi": fermi,
        "energies": list(grid),
        "densities": {"1": list(n_atoms * (inside + 0.5 * height))},
        "pdos": [part] * n_atoms,
        "structure": {"sites": [{"species": [{"element": "Cu"}]}] * n_atoms},
    }
    path.write_text(json.dumps(held))


@pytest.fixture
def foreign(tmp_path):
    """Two metals at three settings, extxyz only."""
    folder = tmp_path / "theirs"
    for seed, name in enumerate(("sigma_0.2", "sigma_1", "sigma_0.2_electrons_-1")):
        write_set(folder / f"{name}.extxyz", seed)
    return folder


def test_names_of_files_give_the_settings(foreign):
    read = load(foreign, scheme="gaussian")
    assert read.electronic == (
        ElectronicSetting(Smearing("gaussian", 0.2), -1.0),
        ElectronicSetting(Smearing("gaussian", 0.2)),
        ElectronicSetting(Smearing("gaussian", 1.0)),
    )
    assert read.elements == ("Cu", "Os")
    assert read.roles == ()
    assert read.tiers == ("all",) * 4
    assert not read.stress
    assert all(one.dos is None for one in read.label_sets)
    with pytest.raises(InputError, match="unknown smearing scheme"):
        load(foreign, scheme="boltzmann")


def test_without_a_scheme_the_settings_are_unknown(foreign):
    read = load(foreign)
    assert read.names == ("sigma_0.2_electrons_-1", "sigma_0.2", "sigma_1")
    with pytest.raises(InputError, match="give --scheme, or write dataset.json"):
        _ = read.electronic
    single = load(foreign / "sigma_1.extxyz", scheme="cold")
    assert single.electronic == (ElectronicSetting(Smearing("cold", 1.0)),)
    assert load_files([foreign / "sigma_1.extxyz"]).content() == single.content()


def test_the_table_may_tell_the_settings_and_facts(foreign):
    rows = ["setting,scheme,sigma_ev,electrons_per_atom_shift,seconds,code"]
    for name, width, shift in (("sigma_0.2", 0.2, 0), ("sigma_0.2_electrons_-1", 0.2, -1)):
        rows += [f"{name},cold,{width},{shift},{1.5 * n},abinit" for n in range(4)]
    (foreign / "labels.csv").write_text("\n".join(rows))
    (foreign / "sigma_1.extxyz").unlink()
    read = load(foreign)
    assert read.electronic == (
        ElectronicSetting(Smearing("cold", 0.2), -1.0),
        ElectronicSetting(Smearing("cold", 0.2)),
    )
    assert read.label_sets[0].facts == {
        "seconds": [0.0, 1.5, 3.0, 4.5],
        "code": ["abinit"] * 4,
    }


@pytest.mark.parametrize("key", ["none", "number", "id"])
def test_dos_come_from_the_files_that_the_table_names(foreign, key, tmp_path):
    """Four files of three kinds with other Fermi levels, the mean on a common grid."""
    frames = load(foreign).frames
    (foreign / "dos").mkdir()
    rows = ["setting,frame,dos_file"]
    fermi = (0.0, 1.013, -2.5, 0.3)
    for n, frame in enumerate(frames):
        write, name = (doscar, f"DOSCAR.{n}") if n < 2 else (complete_dos, f"{n}.json")
        write(foreign / "dos" / name, len(frame), fermi=fermi[n], height=n + 1.0)
        for setting in ("sigma_0.2", "sigma_1", "sigma_0.2_electrons_-1"):
            named = {"none": "", "number": n, "id": frame_id(frame)}[key]
            rows.append(f"{setting},{named},dos/{name}")
    if key != "none":
        rows[1:] = rows[:0:-1]  # found by frame, in any order
    (foreign / "labels.csv").write_text("\n".join(rows))
    read = load(foreign, scheme="cold")
    for labels in read.label_sets:
        mean = labels.dos
        assert mean.energies[0] == pytest.approx(-7.5, abs=0.06)
        assert mean.energies[-1] == pytest.approx(8.987, abs=0.06)
        # heights 1 ... 4 have the mean 2.5, the rectangle is 3 eV wide
        inside = np.abs(mean.energies + 0.5) < 1.4
        outside = np.abs(mean.energies + 0.5) > 1.6
        np.testing.assert_allclose(mean.d[inside], 2.5)
        np.testing.assert_allclose(mean.d[outside], 0, atol=1e-12)
        np.testing.assert_allclose(mean.total[inside], 1.5 * 2.5)
        np.testing.assert_allclose(mean.d_m[0], mean.d)
        one = labels.dos_parts[2]
        np.testing.assert_array_equal(one.energies, mean.energies)
        np.testing.assert_allclose(one.d[inside], 3.0)
        assert labels.facts == {}
    # kept in dosml's own format they need their files no longer
    save(read, tmp_path / "ours")
    again = load(tmp_path / "ours")
    np.testing.assert_allclose(again.label_sets[0].dos.d, read.label_sets[0].dos.d, rtol=1e-6)
    osmium = load(foreign, metal="Os")
    assert osmium.label_sets[0].dos.d.max() == pytest.approx(2.0)  # heights 1 and 3


NO_SETTING = ["dos_file"] + ["x"] * 12
TOO_FEW = ["setting,dos_file", "sigma_1,x"]
SOME_WITHOUT = ["setting,dos_file"] + [f"sigma_1,{'' if n == 2 else 'x'}" for n in range(4)]
ABSENT = ["setting,dos_file"] + ["sigma_1,DOSCAR_absent"] * 4


def other_cell(folder):
    doscar(folder / "DOSCAR", 2, fermi=0.0, height=1.0)
    return ["setting,dos_file"] + ["sigma_1,DOSCAR"] * 4


def no_projections(folder):
    text = " 2 2 0 1\n 1\n 1\n CAR\n x\n 1 -1 3 0.0 1.0\n -1 1 0\n 0 1 0\n 1 1 0\n"
    (folder / "DOSCAR").write_text(text)
    return ["setting,dos_file"] + ["sigma_1,DOSCAR"] * 4


TWICE = ["setting,frame,dos_file"] + ["sigma_1,0,x"] * 4
TWO_SCHEMES = ["setting,scheme,sigma_ev"] + [f"sigma_1,{'cold' if n else 'x'},1" for n in range(4)]
RAGGED = ["setting,dos_file", "sigma_1"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (NO_SETTING, r"has no column setting, and there are 3 label sets"),
        (TOO_FEW, "has 1 rows of sigma_1, expected one for each of its 4 frames"),
        (SOME_WITHOUT, "frame 2 of sigma_1 has no dos_file, others have one"),
        (ABSENT, "the DOS of frame 0 .*DOSCAR_absent"),
        (other_cell, "frame 1 .* is of 2 atoms, the frame has 4"),
        (no_projections, "frame 0 .*has no projected DOS"),
        (TWICE, "the column frame holds neither the ids"),
        (TWO_SCHEMES, "sigma_1 has rows of several settings"),
        (RAGGED, "row 1 of .*labels.csv has 1 values, expected 2"),
    ],
)
def test_tables_that_do_not_fit_are_named(foreign, table, message):
    rows = table(foreign) if callable(table) else table
    (foreign / "labels.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DosmlError, match=message):
        load(foreign)


def test_folders_of_campaigns_and_studies(foreign, tmp_path):
    for name in ("label_sets", "collected"):
        campaign = tmp_path / f"with_{name}"
        campaign.mkdir()
        save(load(foreign, scheme="cold"), campaign / name)
        assert load(campaign).content() == load(foreign).content()
        assert load(campaign).provenance.source == str(foreign)
    old = tmp_path / "old"
    (old / "label_sets").mkdir(parents=True)
    write_set(old / "label_sets" / "sigma_2.extxyz", 0)
    assert load(old).names == ("sigma_2",)
    study = tmp_path / "study"
    (study / "jobs").mkdir(parents=True)
    with pytest.raises(InputError, match="run dosml relabel collect"):
        load(study)
    with pytest.raises(InputError, match="holds no label sets"):
        load(study / "jobs")
    with pytest.raises(InputError, match="no labelled data at"):
        load(tmp_path / "nowhere")


# --- the set that ships --------------------------------------------------------------------------

METALS = reference_metals()
#: Metals with 40 + 12 frames at four smearings; the others have 24 + 12 at two.
LARGE = {"Ti", "Os", "Cu", "Au"}


def test_shipped_set_is_complete_and_converged() -> None:
    assert set(METALS) >= LARGE
    for metal in METALS:
        data = reference_dataset(metal)
        assert data.elements == (metal,)
        widths = [0.2, 0.5, 1.0, 2.0] if metal in LARGE else [0.2, 1.0]
        assert [one.smearing.width for one in data.electronic] == widths
        assert {one.smearing.scheme for one in data.electronic} == {"methfessel-paxton-1"}
        n_train, n_test = len(data.train), len(data.test)
        assert (n_train, n_test) == ((40, 12) if metal in LARGE else (24, 12))
        assert len(set(data.frame_ids)) == len(data.frames) == n_train + n_test
        assert set(data.tiers) == {"cold", "warm", "hot"}
        assert data.stress
        assert data.provenance.engine == "gpaw"
        assert data.provenance.protocol["method"] == "PBE"
        assert "PBE from GPAW" in data.provenance.warning
        for labels in data.label_sets:
            for forces in labels.forces:
                # no net force: what is left is the plane-wave grid's
                assert np.abs(forces.sum(axis=0)).max() < 0.15
            assert np.abs(labels.facts["top_occupation"]).max() < 1e-4


def test_shipped_numbers_are_those_of_the_calculation() -> None:
    """The first label of titanium as GPAW gave it (energy, force, stress, Fermi level)."""
    data = reference_dataset("Ti")
    labels = data.label_sets[0]
    assert data.frame_ids[0] == "4bc59860c229ac9b"
    assert labels.energies[0] == pytest.approx(-50.853987152328905, abs=1e-8)
    np.testing.assert_allclose(labels.forces[0][0], [0.18425327, 0.08752851, 0.14542232])
    assert labels.stresses[0][0] == pytest.approx(0.04173438690169225)
    assert labels.facts["fermi_level_ev"][0] == 8.3618075
    assert labels.facts["scf_steps"][0] == 12
    assert labels.dos.broadening == 0.1


def test_published_order_of_the_d_bands_by_filling_and_centre() -> None:
    centres = {
        metal: d_band(reference_dataset(metal).label_sets[0].dos, window=(-10.0, 10.0)).centre
        for metal in METALS
    }
    # Ti above Os above Cu and Au, relative to the Fermi level
    assert centres["Ti"] > centres["Os"] > max(centres["Cu"], centres["Au"])


def test_the_reference_needs_a_metal_that_it_has() -> None:
    listed = ", ".join(METALS)
    with pytest.raises(InputError, match=re.escape(f"has no Re, it has {listed}")):
        load("reference", metal="Re")
    with pytest.raises(InputError, match="name one metal"):
        load("reference")
    assert load("reference", metal="Cu", stress=False).content() != (
        reference_dataset("Cu").content()
    )


def test_the_set_can_be_made_from_what_a_scan_leaves(tmp_path):
    made = reference_dataset("Cu")
    save(made, tmp_path / "campaign" / "label_sets")
    assert ship(tmp_path / "campaign", tmp_path / "set") == tmp_path / "set" / "Cu"
    again = load(tmp_path / "set" / "Cu")
    assert again.content() == made.content()
    assert again.label_sets[0].dos.step == pytest.approx(0.05)
    # DOS of the set are in half precision already: nothing is lost a second time
    np.testing.assert_array_equal(
        again.label_sets[2].dos_parts[9].d_m, made.label_sets[2].dos_parts[9].d_m
    )
    size = sum(path.stat().st_size for path in (tmp_path / "set" / "Cu").iterdir())
    shipped = sum(path.stat().st_size for path in (FOLDER / "Cu").iterdir())
    assert size == pytest.approx(shipped, rel=0.01)
    with pytest.raises(InputError, match="labels of one metal"):
        ship(write_and_give(tmp_path / "theirs"), tmp_path / "set")


def write_and_give(folder):
    write_set(folder / "sigma_1.extxyz", 0)
    return folder


@pytest.mark.slow
def test_one_label_is_reproduced() -> None:
    pytest.importorskip("gpaw", reason="GPAW is not installed (make gpaw)")
    from dosml.relabel.engines.gpaw import GpawEngine
    from dosml.relabel.label import Label

    data = reference_dataset("Cu")
    label = GpawEngine("laptop").label(data.frames[0], data.electronic[-1])
    assert isinstance(label, Label)
    np.testing.assert_allclose(label.forces, data.label_sets[-1].forces[0], atol=1e-3)
    assert label.free_energy == pytest.approx(data.label_sets[-1].energies[0], abs=1e-3)
