"""Dataset folders: what is written is read, and what does not fit is named."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

from dosml.errors import DosmlError, InputError, LabelError
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, dos_file, load, save
from dosml.relabel.dataset.spectra import MeanDos, common_grid, resample
from dosml.relabel.frames import canonical
from dosml.theory.dos import ElectronicDos, mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

GRID = np.linspace(-5, 5, 201)


def a_dos(seed: int, *, resolved: bool = True, grid=GRID) -> ElectronicDos:
    rng = np.random.default_rng(seed)
    d_m = np.exp(-((grid - rng.normal(size=(5, 1))) ** 2))
    d = d_m.sum(axis=0)
    return ElectronicDos(grid, d + 1, d, d_m if resolved else None, 0.1)


def made_up(*, count=5, dos=True, resolved=True, stress=True, roles=True, seed=0) -> Dataset:
    """Frames of titanium and copper, of 2 and 4 atoms, at two settings."""
    rng = np.random.default_rng(seed)
    frames = []
    for n in range(count):
        atoms = bulk("Ti") if n % 2 else bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed + n)
        frames.append(canonical(atoms))
        frames[-1].info |= {"tier": "300", "temperature_K": 300.5}
    sets = []
    for k, setting in enumerate(
        [
            ElectronicSetting(Smearing("cold", 0.2)),
            ElectronicSetting(Smearing("cold", 0.2), -1.5),
        ]
    ):
        parts = [a_dos(100 * k + n, resolved=resolved) for n in range(count)]
        sets.append(
            LabelSet(
                rng.normal(size=count) * 100,
                [rng.normal(size=(len(frame), 3)) for frame in frames],
                rng.normal(size=(count, 6)) * 1e-3 if stress else None,
                setting,
                dos=mean_dos(parts) if dos else None,
                dos_parts=parts if dos else None,
                facts={
                    "fermi_level_ev": list(rng.normal(size=count)),
                    "steps": list(range(count)),
                    "vasp_version": ["6.10"] * count,
                    "note": ["a, b", None, '"', "", "x"][:count],
                    "spin": [True] * count,
                },
            )
        )
    return Dataset(
        tuple(frames),
        tuple("test" if n % 3 == 2 else "train" for n in range(count)) if roles else (),
        tuple("300" if n % 2 else "melt 1" for n in range(count)),
        tuple(sets),
        Provenance("made up", "not real", ("a", "b"), {"x": "1.0"}, {"cutoff": 3.5, "k": [1, 2]}),
        dropped=("frame 9 at sigma_0.2: no", "frame 10"),
        dropped_settings=("sigma_7: none",),
    )


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(
    "kind", [{}, {"dos": False}, {"resolved": False}, {"stress": False}, {"roles": False}]
)
def test_what_is_written_is_read(tmp_path, kind, compact):
    made = made_up(**kind)
    assert save(made, tmp_path / "d", compact=compact) == tmp_path / "d"
    read = load(tmp_path / "d")
    assert read.content() == made.content()
    assert read.frame_ids == made.frame_ids
    assert (read.roles, read.tiers, read.names) == (made.roles, made.tiers, made.names)
    assert read.electronic == made.electronic
    assert replace(read.provenance, source="") == made.provenance
    assert (read.dropped, read.dropped_settings) == (made.dropped, made.dropped_settings)
    assert [frame.info["temperature_K"] for frame in read.frames] == [300.5] * 5
    for one, other in zip(read.label_sets, made.label_sets, strict=True):
        expected = dict(other.facts) | {"note": [text or None for text in other.facts["note"]]}
        assert one.facts == expected
        assert [type(value) for value in one.facts["steps"]] == [int] * 5
        if other.dos is None:
            assert one.dos is None
            assert one.dos_parts is None
            continue
        close = {"rtol": 1e-3 if compact else 1e-6, "atol": 1e-7}
        np.testing.assert_array_equal(one.dos.energies, other.dos.energies)
        assert one.dos.broadening == 0.1
        np.testing.assert_allclose(one.dos.total, other.dos.total, **close)
        np.testing.assert_allclose(one.dos.d, other.dos.d, **close)
        np.testing.assert_allclose(one.dos_parts[3].d, other.dos_parts[3].d, **close)
        if other.dos.d_m is None:
            assert one.dos.d_m is None
        else:
            np.testing.assert_allclose(one.dos_parts[3].d_m, other.dos_parts[3].d_m, **close)


def test_ase_and_pandas_read_the_parts(tmp_path):
    made = made_up()
    save(made, tmp_path)
    frames = ase.io.read(tmp_path / "sigma_0.2_electrons_-1.5.extxyz", index=":")
    labels = made.label_sets[1]
    for n, frame in enumerate(frames):
        assert frame.info["REF_energy"] == labels.energies[n]
        np.testing.assert_array_equal(frame.arrays["REF_forces"], labels.forces[n])
        np.testing.assert_array_equal(frame.info["REF_stress"], labels.stresses[n])
        assert str(frame.info["tier"]) == made.tiers[n]
        assert frame.info["split"] == made.roles[n]
    table = pd.read_csv(tmp_path / "labels.csv")
    assert len(table) == 10
    assert list(table["frame"]) == [*made.frame_ids, *made.frame_ids]
    assert set(table["electrons_per_atom_shift"]) == {0.0, -1.5}
    assert list(table["n_atoms"][:5]) == [4, 2, 4, 2, 4]
    with np.load(tmp_path / "sigma_0.2.dos.npz") as file:
        assert file["total_00000"].dtype == np.float32
        assert file["d_00000"].shape == (5, 5, len(GRID))


def test_dos_are_written_in_parts_and_read_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(dos_file, "FRAMES_PER_PART", 2)
    made = made_up()
    save(made, tmp_path)
    parts = load(tmp_path).label_sets[1].dos_parts
    assert len(parts) == 5
    for n in (4, 0, 1, 3):
        np.testing.assert_allclose(parts[n].d_m, made.label_sets[1].dos_parts[n].d_m, rtol=1e-6)
    part = load(tmp_path).take([4, 1]).label_sets[0].dos_parts
    np.testing.assert_allclose(part[0].d, made.label_sets[0].dos_parts[4].d, rtol=1e-6)
    with pytest.raises(IndexError):
        parts[5]


def test_a_mean_without_parts_survives(tmp_path):
    made = made_up()
    sets = [replace(one, dos_parts=None) for one in made.label_sets]
    save(replace(made, label_sets=tuple(sets)), tmp_path)
    read = load(tmp_path).label_sets[0]
    assert read.dos_parts is None
    np.testing.assert_allclose(read.dos.d, made.label_sets[0].dos.d, rtol=1e-6)


def test_saving_again_leaves_nothing_of_the_old_behind(tmp_path):
    made = made_up()
    save(made, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    save(made.take(label_sets=[1]), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("dataset.json", "labels.csv", "notes.txt"),
        *("sigma_0.2_electrons_-1.5.extxyz", "sigma_0.2_electrons_-1.5.dos.npz"),
    }
    # onto itself: the DOS are read from the file that is written anew
    save(load(tmp_path), tmp_path)
    assert load(tmp_path).content() == made.take(label_sets=[1]).content()


def test_equal_datasets_make_equal_files(tmp_path):
    for name in "ab":
        save(made_up(), tmp_path / name, compact=True)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_label_files_may_be_compressed_later(tmp_path):
    made = made_up()
    save(made, tmp_path)
    plain = tmp_path / "sigma_0.2.extxyz"
    (tmp_path / "sigma_0.2.extxyz.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert load(tmp_path).content() == made.content()


def test_stresses_can_be_left_out(tmp_path):
    save(made_up(), tmp_path)
    read = load(tmp_path, stress=False)
    assert not read.stress
    assert read.content() == made_up().take(stress=False).content()


def test_one_element_of_several(tmp_path):
    made = made_up()
    save(made, tmp_path)
    read = load(tmp_path, metal="Ti")
    assert read.elements == ("Ti",)
    assert read.frame_ids == (made.frame_ids[1], made.frame_ids[3])
    assert read.roles == ("train", "train")
    own = mean_dos([made.label_sets[0].dos_parts[n] for n in (1, 3)])
    np.testing.assert_allclose(read.label_sets[0].dos.d, own.d, rtol=1e-6)
    with pytest.raises(DosmlError, match="no frame of Os among 5 frames of Cu, Ti"):
        load(tmp_path, metal="Os")


# --- what does not fit ---------------------------------------------------------------------------


def edit_json(folder, change):
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rewrite_npz(path, **changed):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changed
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})


def accept(folder, name):
    """Make a changed file the one that the record tells of, so that its content is looked at."""
    for entry in json.loads((folder / "dataset.json").read_text())["label_sets"]:
        for kind in ("labels", "dos"):
            if entry[kind]["file"] == name:
                sha = hashlib.sha256((folder / name).read_bytes()).hexdigest()
                text = (folder / "dataset.json").read_text()
                (folder / "dataset.json").write_text(text.replace(entry[kind]["sha256"], sha))


def cut(folder):
    path = folder / "sigma_0.2.dos.npz"
    path.write_bytes(path.read_bytes()[:500])


def cut_and_accepted(folder):
    cut(folder)
    accept(folder, "sigma_0.2.dos.npz")


def not_finite(folder):
    path = folder / "sigma_0.2.dos.npz"
    with np.load(path) as file:
        d = file["d_00000"].copy()
    d[3, 2, 7] = np.inf
    rewrite_npz(path, d_00000=d)
    accept(folder, path.name)


def short_part(folder):
    path = folder / "sigma_0.2.dos.npz"
    with np.load(path) as file:
        rewrite_npz(path, total_00000=file["total_00000"][:4])
    accept(folder, path.name)


def other_count(folder):
    path = folder / "sigma_0.2.dos.npz"
    rewrite_npz(path, frames=np.array(4))
    accept(folder, path.name)


def no_part(folder):
    path = folder / "sigma_0.2.dos.npz"
    rewrite_npz(path, d_00000=None)
    accept(folder, path.name)


def no_table(folder):
    (folder / "labels.csv").unlink()


def no_labels(folder):
    (folder / "sigma_0.2.extxyz").unlink()


def moved_atom(folder):
    path = folder / "sigma_0.2.extxyz"
    path.write_text(path.read_text().replace("300.5", "301.5"))


def fewer_frames(folder):
    edit_json(folder, lambda content: content.update(frames=4))


def newer(folder):
    edit_json(folder, lambda content: content.update(format=2))


def no_provenance(folder):
    edit_json(folder, lambda content: content.pop("provenance"))


def no_json(folder):
    (folder / "dataset.json").write_text("{")


def swapped_frames(folder):
    path = folder / "sigma_0.2.extxyz"
    ase.io.write(path, ase.io.read(path, index=":")[::-1], format="extxyz")
    accept(folder, path.name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "sigma_0.2.dos.npz is not the file that .*dataset.json tells of"),
        (cut_and_accepted, "the DOS in .*sigma_0.2.dos.npz cannot be read"),
        (not_finite, "sigma_0.2.dos.npz, frame 3: the DOS is not finite"),
        (short_part, r"sigma_0.2.dos.npz, part 0: .*\(4, 201\).*expected 5 frames"),
        (other_count, "sigma_0.2.dos.npz holds the DOS of 4 frames, expected 5"),
        (no_part, "sigma_0.2.dos.npz cannot be read .*d_00000"),
        (no_table, "cannot read .*labels.csv"),
        (no_labels, "cannot read .*sigma_0.2.extxyz"),
        (moved_atom, "sigma_0.2.extxyz is not the file that"),
        (fewer_frames, "sigma_0.2.extxyz holds 5 frames, expected 4"),
        (newer, "has format 2, this dosml reads 1"),
        (no_provenance, "cannot read .*dataset.json .*provenance"),
        (no_json, "cannot read .*dataset.json .Invalid JSON"),
        (swapped_frames, "labels.csv: row 0 of sigma_0.2 is of frame"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    save(made_up(), tmp_path)
    damage(tmp_path)
    with pytest.raises(DosmlError, match=message):
        load(tmp_path)


def test_without_its_record_a_folder_is_one_that_somebody_else_made(tmp_path):
    made = made_up(roles=False)
    save(made, tmp_path)
    (tmp_path / "dataset.json").unlink()
    read = load(tmp_path)
    # the table still knows the settings, and the DOS are there; fewest electrons come first
    made = made.take(label_sets=[1, 0])
    assert read.electronic == made.electronic
    assert read.content() == made.content()
    np.testing.assert_allclose(read.label_sets[1].dos.d, made.label_sets[1].dos.d, rtol=1e-6)
    assert read.provenance.engine == "unknown"
    assert str(tmp_path) in read.provenance.warning


def test_names_that_are_no_file_names_are_refused(tmp_path):
    made = made_up()
    sets = (replace(made.label_sets[0], name="../x"), made.label_sets[1])
    with pytest.raises(InputError, match=re.escape("'../x'")):
        save(replace(made, label_sets=sets), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_full_record_of_every_label(tmp_path):
    """The table is one row per frame and setting, in the frames' order."""
    made = made_up()
    save(made, tmp_path)
    with (tmp_path / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["setting"] for row in rows] == ["sigma_0.2"] * 5 + ["sigma_0.2_electrons_-1.5"] * 5
    assert float(rows[7]["fermi_level_ev"]) == made.label_sets[1].facts["fermi_level_ev"][2]
    shutil.copy(tmp_path / "labels.csv", tmp_path / "old.csv")
    (tmp_path / "labels.csv").write_text((tmp_path / "old.csv").read_text() + "1,2\n")
    with pytest.raises(DosmlError, match="labels.csv"):
        load(tmp_path)


# --- grids ---------------------------------------------------------------------------------------


def test_mean_of_dos_on_different_grids():
    """Straight lines are interpolated exactly, so the mean is known on the common grid."""
    mean, grids = MeanDos(), []
    for n, (low, high, count) in enumerate(
        [(-5.013, 5.0, 500), (-4.0, 6.02, 502), (-4.5, 4.9, 471)]
    ):
        grid = np.linspace(low, high, count)
        grids.append(grid)
        line = 20.0 + n + (n + 1) * grid
        mean.add(ElectronicDos(grid, 2 * line, line, np.tile(line / 5, (5, 1))))
    found = mean.mean()
    assert len(mean) == 3
    step = max(grid[1] - grid[0] for grid in grids)
    assert found.step == pytest.approx(step)
    assert found.energies[0] == pytest.approx(-4.0, abs=step)
    assert found.energies[-1] == pytest.approx(4.9, abs=step)
    np.testing.assert_allclose(found.d, 21 + 2 * found.energies, rtol=1e-9)
    np.testing.assert_allclose(found.d_m.sum(axis=0), found.d)
    np.testing.assert_allclose(found.total, 2 * found.d)


def test_grids_without_overlap_are_refused():
    with pytest.raises(InputError, match="no energies in common: -5 to -1 and 1 to 5 eV"):
        common_grid(np.linspace(-5, -1, 50), np.linspace(1, 5, 50))


def test_the_same_grid_is_left_alone():
    one = a_dos(1)
    assert resample(one, GRID + 1e-6) is one
    mean = MeanDos()
    for seed in range(3):
        mean.add(a_dos(seed))
    np.testing.assert_allclose(mean.mean().d, mean_dos([a_dos(s) for s in range(3)]).d)
    mean.add(a_dos(3, resolved=False))
    assert mean.mean().d_m is None


def test_label_sets_are_brought_to_one_grid(tmp_path):
    made = made_up()
    shifted = [a_dos(n, grid=GRID + 0.013 * (n + 1)) for n in range(5)]
    sets = (made.label_sets[0], replace(made.label_sets[1], dos=None, dos_parts=shifted))
    together = replace(made, label_sets=sets).with_mean_dos()
    first, second = together.label_sets
    np.testing.assert_array_equal(first.dos.energies, second.dos.energies)
    np.testing.assert_array_equal(second.dos_parts[4].energies, first.dos.energies)
    expected = np.interp(first.dos.energies, shifted[4].energies, shifted[4].d)
    np.testing.assert_allclose(second.dos_parts[4].d, expected)
    save(together, tmp_path)
    read = load(tmp_path).label_sets[1]
    np.testing.assert_allclose(read.dos.d, second.dos.d, rtol=1e-5, atol=1e-6)


def test_label_sets_that_do_not_fit_are_refused():
    made = made_up()
    with pytest.raises(LabelError, match="two label sets are named 'sigma_0.2'"):
        replace(made, label_sets=(made.label_sets[0], made.label_sets[0]))
    with pytest.raises(LabelError, match="4 DOS, expected 5"):
        parts = made.label_sets[0].dos_parts[:4]
        replace(made, label_sets=(replace(made.label_sets[0], dos_parts=parts),))
