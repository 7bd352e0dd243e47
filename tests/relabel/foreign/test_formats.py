"""Files of others: names of labels, units and signs, MTP and ML_AB, duplicates, odd frames."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import units
from helpers.foreign_files import frames, ml_ab_text, mtp_text, with_keys

from dosml.errors import FrameError
from dosml.relabel.foreign.collect import ImportOptions, collect, role_of, tier_of
from dosml.relabel.foreign.extxyz_keys import Keys

KB = 0.1 * units.GPa
VASP = [0, 1, 2, 5, 3, 4]


@pytest.fixture(scope="module")
def copper():
    return frames("Cu", 16)


def written(path, given):
    ase.io.write(path, given, format="extxyz")
    return path


def check(data, given, *, stress=True) -> None:
    (labels,) = data.label_sets
    assert len(data.frames) == len(given)
    for k, one in enumerate(given):
        results = one.calc.results
        assert labels.energies[k] == pytest.approx(results["energy"], abs=1e-7)
        np.testing.assert_allclose(labels.forces[k], results["forces"], atol=1e-7)
        if stress:
            np.testing.assert_allclose(labels.stresses[k], results["stress"], atol=1e-7)
    assert data.stress == stress


@pytest.mark.parametrize(
    ("energy", "forces", "stress", "factor"),
    [
        ("REF_energy", "REF_forces", "REF_stress", 1.0),
        ("energy", "forces", "stress", 1.0),
        ("dft_energy", "dft_force", "dft_stress_GPa", 1 / units.GPa),
        ("free_energy", "force", "stress_kb", -1 / KB),
        ("Energy", "DFT_Forces", None, 1.0),
    ],
)
def test_labels_under_any_names_and_units(tmp_path, copper, energy, forces, stress, factor) -> None:
    path = written(tmp_path / "a.extxyz", with_keys(copper, energy, forces, stress, factor))
    found = collect([path], ImportOptions())
    check(found["Cu"], copper, stress=stress is not None)
    if factor != 1.0:
        assert "stresses are taken for" in found["Cu"].notes[0]


def test_stress_in_the_order_and_sign_of_vasp(tmp_path, copper) -> None:
    given = with_keys(copper, "energy", "forces", "vasp_stress_raw", -1 / KB)
    for one in given:
        one.info["vasp_stress_raw"] = one.info["vasp_stress_raw"][VASP]
    found = collect([written(tmp_path / "a.extxyz", given)], ImportOptions())
    check(found["Cu"], copper)
    assert "kB, compression positive, in the order xx yy zz xy yz zx" in found["Cu"].notes[0]


def test_a_user_who_knows_the_unit_is_believed(tmp_path, copper) -> None:
    given = with_keys(copper[:3], "energy", "forces", "stress", 1 / units.GPa)
    path = written(tmp_path / "a.extxyz", given)
    unknown = collect([path], ImportOptions())["Cu"]
    assert not unknown.stress  # three frames cannot tell
    assert "cannot be judged" in unknown.notes[0]
    check(collect([path], ImportOptions(stress_unit="GPa"))["Cu"], copper[:3])


def test_two_energies_are_asked_for(tmp_path, copper) -> None:
    given = with_keys(copper[:2], "energy_a", "forces")
    for one in given:
        one.info["energy_b"] = 0.0
    path = written(tmp_path / "a.extxyz", given)
    with pytest.raises(FrameError, match=r"frame 0 .* has energy_a, energy_b.*--energy-key"):
        collect([path], ImportOptions())
    check(collect([path], ImportOptions(Keys(energy="energy_a")))["Cu"], copper[:2], stress=False)


def test_a_file_without_forces_names_what_it_has(tmp_path, copper) -> None:
    given = with_keys(copper[:1], "energy", "push")
    path = written(tmp_path / "a.extxyz", given)
    with pytest.raises(FrameError, match=r"has no forces; it has push: name it with --forces-key"):
        collect([path], ImportOptions())


def test_a_label_that_is_no_number_is_named_with_file_and_frame(tmp_path, copper) -> None:
    given = [frame.copy() for frame in copper[:4]]
    for frame, old in zip(given, copper[:4], strict=True):
        frame.info["REF_energy"] = old.calc.results["energy"]
        frame.arrays["REF_forces"] = np.array(old.calc.results["forces"])
    given[2].arrays["REF_forces"][1, 0] = np.nan
    path = written(tmp_path / "copper.extxyz", given)
    with pytest.raises(FrameError, match=r"frame 2 of .*copper\.extxyz: a label is not a finite"):
        collect([path], ImportOptions())


def test_mtp_configurations(tmp_path, copper) -> None:
    path = tmp_path / "train.cfg"
    path.write_text(mtp_text(copper, ("Ag", "Cu")))
    check(collect([path], ImportOptions(types=("Ag", "Cu")))["Cu"], copper)
    with pytest.raises(FrameError, match=r"configuration 0 .*type 1, and 1 elements .*--types"):
        collect([path], ImportOptions(types=("Ag",)))
    path.write_text(mtp_text(copper, ("Ag", "Cu"))[:-40])
    with pytest.raises(FrameError, match="no END_CFG: the file is cut off"):
        collect([path], ImportOptions(types=("Ag", "Cu")))


def test_mtp_configurations_of_old_versions(tmp_path, copper) -> None:
    lines, inside = [], None
    for line in mtp_text(copper, ("Ag", "Cu")).splitlines():
        words = line.split()
        if words[:1] == ["AtomData:"]:
            atoms = copper[sum("AtomData" in one or "Atomic_data" in one for one in lines)]
            lines.append(" Atomic_data: id type direct_x direct_y direct_z fx fy fz relax")
            inside = iter(atoms.get_scaled_positions(wrap=False))
        elif inside is not None and (place := next(inside, None)) is not None:
            fractions = [f"{one:.12f}" for one in place]
            lines.append(" ".join([*words[:2], *fractions, *words[5:], "true"]))
        else:
            lines.append(line.replace("Supercell", "SuperCell"))
    path = tmp_path / "old.cfg"
    path.write_text("\n".join(lines))
    data = collect([path], ImportOptions(types=("Ag", "Cu")))["Cu"]
    check(data, copper)
    for frame, one in zip(data.frames, copper, strict=True):
        difference = frame.get_scaled_positions() - one.get_scaled_positions()
        np.testing.assert_allclose(difference - difference.round(), 0.0, atol=1e-8)


def test_an_alloy_is_one_dataset(tmp_path) -> None:
    mixed = frames("Cu", 12)
    for k, one in enumerate(mixed):
        one.symbols[: k % 4] = "Ag"
    path = tmp_path / "alloy.cfg"
    path.write_text(mtp_text(mixed, ("Ag", "Cu")))
    found = collect([path], ImportOptions(types=("Ag", "Cu")))
    assert list(found) == ["Ag-Cu"]
    assert len(found["Ag-Cu"].frames) == 12


def test_ml_ab(tmp_path, copper) -> None:
    path = tmp_path / "ML_AB"
    path.write_text(ml_ab_text(copper))
    check(collect([path], ImportOptions())["Cu"], copper)
    path.write_text("\n".join(ml_ab_text(copper).splitlines()[:-15]))
    with pytest.raises(FrameError, match="configuration 16 .* is the file cut off"):
        collect([path], ImportOptions())


def test_few_frames_keep_the_stress_that_the_format_tells(tmp_path, copper) -> None:
    path = tmp_path / "ML_AB"
    path.write_text(ml_ab_text(copper[:2]))
    check(collect([path], ImportOptions())["Cu"], copper[:2])


def test_a_twin_stays_where_it_is_held_out(tmp_path, copper) -> None:
    train = written(tmp_path / "Cu_train.xyz", copper[:6])
    test = written(tmp_path / "Cu_test.xyz", [copper[0], copper[7], copper[7]])
    data = collect([train, test], ImportOptions())["Cu"]
    assert (len(data.train), len(data.test)) == (5, 2)
    assert "2 frames stand twice and are dropped" in " ".join(data.notes)


def test_odd_frames_are_listed_and_kept(tmp_path, copper) -> None:
    given = with_keys(copper, "energy", "forces")
    given[3].arrays["forces"] = 100 * given[3].arrays["forces"]
    given[5].info["energy"] += 30.0
    data = collect([written(tmp_path / "a.extxyz", given)], ImportOptions())["Cu"]
    text = " ".join(data.notes)
    assert "1 frames have forces far from the others" in text
    assert "frame 3 of" in text
    energies = text.partition("frames have energies far from the others")[2]
    assert "frame 5 of" in energies
    assert len(data.frames) == len(copper)


@pytest.mark.parametrize(
    ("name", "role", "tier"),
    [
        ("Ti_melt_nequip_test.xyz", "test", "melt"),
        ("maml_Mo_Test.extxyz", "test", "all"),
        ("Cu_cold_train.xyz", "train", "cold"),
        ("contest.xyz", None, "all"),
    ],
)
def test_names_of_files_tell(tmp_path, name, role, tier) -> None:
    assert role_of(tmp_path / name) == role
    assert tier_of(tmp_path / name) == tier


@pytest.mark.reference_data
@pytest.mark.parametrize("metal", ["Mo", "Nb", "Ta"])
def test_real_stresses_in_kb_are_recognised(reference_data, metal) -> None:
    paths = sorted((reference_data / "mlff").glob(f"maml_{metal}_*.extxyz"))
    data = collect(paths, ImportOptions())[metal]
    assert (len(data.train), len(data.test)) == (200, 30)
    assert data.stress
    assert "kB, compression positive, in the order xx yy zz xy yz zx" in data.notes[0]
