"""Label sets from single files: what is read, and what is refused."""

import gzip
import lzma

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import FrameError, InputError
from dosml.relabel.dataset import label_files, load_files
from dosml.relabel.frames import frame_id


def labelled(count=6, *, seed=0, tiers=("cold", "melt"), stress="voigt"):
    rng = np.random.default_rng(seed)
    frames = []
    for n in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += 0.1 * rng.normal(size=(4, 3))
        atoms.info["REF_energy"] = -3.5 * 4 + 0.01 * n
        atoms.arrays["REF_forces"] = rng.normal(size=(4, 3))
        full = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]]) * 1e-3
        if stress == "voigt":
            atoms.info["REF_stress"] = np.arange(1, 7) * 1e-3
        elif stress == "full":
            atoms.info["REF_stress"] = full
        if tiers:
            atoms.info["tier"] = tiers[n % len(tiers)]
        frames.append(atoms)
    return frames


def write(path, frames):
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.mark.parametrize("form", ["voigt", "full"])
def test_labels_are_read_as_they_were_written(tmp_path, form):
    frames = labelled(stress=form)
    data = load_files([write(tmp_path / "a.extxyz", frames)])
    labels = data.label_sets[0]
    assert data.names == ("a",)
    assert data.tiers == ("cold", "melt") * 3
    np.testing.assert_allclose(labels.energies, [f.info["REF_energy"] for f in frames])
    np.testing.assert_allclose(labels.forces, [f.arrays["REF_forces"] for f in frames], atol=1e-8)
    # ase's Voigt order: xx yy zz yz xz xy
    np.testing.assert_allclose(labels.stresses, np.tile(np.arange(1, 7) * 1e-3, (6, 1)))
    assert load_files([tmp_path / "a.extxyz"], stress=False).label_sets[0].stresses is None


def test_several_label_sets_of_the_same_frames(tmp_path):
    frames = labelled()
    write(tmp_path / "a.extxyz", frames)
    for frame in frames:
        frame.info["REF_energy"] *= 2
    write(tmp_path / "b.extxyz", frames)
    data = load_files([tmp_path / "a.extxyz", tmp_path / "b.extxyz"])
    np.testing.assert_allclose(data.label_sets[1].energies, 2 * data.label_sets[0].energies)
    part = data.take([4, 1], [1])
    assert part.names == ("b",)
    assert [frame_id(f) for f in part.frames] == [frame_id(data.frames[n]) for n in (4, 1)]
    np.testing.assert_array_equal(part.label_sets[0].energies, data.label_sets[1].energies[[4, 1]])
    np.testing.assert_array_equal(part.label_sets[0].forces[0], data.label_sets[1].forces[4])
    np.testing.assert_array_equal(part.label_sets[0].stresses, data.label_sets[1].stresses[[4, 1]])


def test_content_follows_frames_and_labels(tmp_path):
    frames = labelled()
    first = load_files([write(tmp_path / "a.extxyz", frames)]).content()
    assert load_files([tmp_path / "a.extxyz"]).content() == first
    frames[3].info["REF_energy"] += 1e-6
    assert load_files([write(tmp_path / "a.extxyz", frames)]).content() != first
    frames[3].info["REF_energy"] -= 1e-6
    frames[3].positions[0, 0] += 1e-4
    assert load_files([write(tmp_path / "a.extxyz", frames)]).content() != first


def no_energy(frames):
    del frames[2].info["REF_energy"]


def no_forces(frames):
    del frames[2].arrays["REF_forces"]


def no_stress(frames):
    del frames[2].info["REF_stress"]


def not_finite(frames):
    frames[2].arrays["REF_forces"][1, 1] = np.nan


def no_number(frames):
    frames[2].info["REF_energy"] = [1.0, 2.0]


def a_word(frames):
    frames[2].info["REF_energy"] = "low"


def true(frames):
    frames[2].info["REF_energy"] = True


def far_energy(frames):
    frames[2].info["REF_energy"] = 1e300


def far_force(frames):
    frames[2].arrays["REF_forces"][3, 0] = 2e6


def far_stress(frames):
    frames[2].info["REF_stress"] = np.full(6, 1e200)


def whole_forces(frames):
    frames[2].arrays["REF_forces"] = np.array([["a", "b", "c"]] * 4)


def odd_split(frames):
    for n, frame in enumerate(frames):
        frame.info["split"] = "valid" if n == 2 else "train"


def half_split(frames):
    frames[2].info["split"] = "test"


def coinciding(frames):
    frames[2].positions[1] = frames[2].positions[3]


def short_stress(frames):
    frames[2].info["REF_stress"] = np.arange(5.0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_energy, "frame 2 of .* has no REF_energy .*it has REF_forces, REF_stress, tier"),
        (no_forces, "frame 2 of .* has no REF_forces"),
        (no_stress, "frame 2 of .* has no REF_stress, frame 0 has one: .*--no-stress"),
        (not_finite, "frame 2 of .*: REF_forces is not finite"),
        (short_stress, "frame 2 of .*: REF_stress is .*expected 6"),
        (no_number, r"frame 2 of .*: REF_energy is array\(.*expected a number in eV"),
        (a_word, "frame 2 of .*: REF_energy is 'low', expected a number in eV"),
        (true, "frame 2 of .*: REF_energy is (np.)?True.*, expected a number in eV"),
        (far_energy, "frame 2 of .*: REF_energy per atom is 2.5e.299 eV, more than 1e.07 is no l"),
        (far_force, "frame 2 of .*, atom 3: REF_forces is 2e.06 eV/Å, more than 1e.04 is no label"),
        (far_stress, "frame 2 of .*: REF_stress is 1e.200 eV/Å.3, more than"),
        (whole_forces, "frame 2 of .*: REF_forces holds .*'a'.*, expected numbers"),
        (odd_split, "frame 2 of .* is marked split=valid, expected train, val or test"),
        (half_split, "frame 2 of .* is marked .*, frame 0 of .* is not: mark all frames, or none"),
        (coinciding, "frame 2 of .*: atoms 1 and 3 are 0.00 Å apart"),
    ],
)
def test_broken_labels_are_named(tmp_path, damage, message):
    frames = labelled()
    damage(frames)
    with pytest.raises(FrameError, match=message):
        load_files([write(tmp_path / "a.extxyz", frames)])


def test_label_sets_of_different_frames_are_refused(tmp_path):
    files = [write(tmp_path / f"{n}.extxyz", labelled(seed=n)) for n in range(2)]
    with pytest.raises(FrameError, match="do not hold the same frames"):
        load_files(files)


def test_compressed_files_bear_the_same_name(tmp_path):
    plain = load_files([write(tmp_path / "sigma_0.2.extxyz", labelled())], scheme="cold")
    for ending, module in (("gz", gzip), ("xz", lzma)):
        path = tmp_path / f"sigma_0.2.extxyz.{ending}"
        path.write_bytes(module.compress((tmp_path / "sigma_0.2.extxyz").read_bytes()))
        read = load_files([path], scheme="cold")
        assert read.content() == plain.content()
        assert read.names == ("sigma_0.2",)
        assert read.electronic == plain.electronic


def test_targets(tmp_path):
    campaign = tmp_path / "campaign"
    (campaign / "label_sets").mkdir(parents=True)
    for name in ("sigma_2", "sigma_0.2"):
        write(campaign / "label_sets" / f"{name}.extxyz", labelled())
    assert [path.stem for path in label_files([campaign])] == ["sigma_0.2", "sigma_2"]
    own = write(tmp_path / "sigma_2.extxyz", labelled())
    assert label_files([own]) == [own]
    with pytest.raises(InputError, match="two label sets are named 'sigma_2'"):
        label_files([campaign, own])
    assert label_files([tmp_path]) == [own]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no label sets"):
        label_files([tmp_path / "empty"])
    with pytest.raises(InputError, match="no label set at"):
        label_files([tmp_path / "missing.extxyz"])


@pytest.mark.parametrize(
    ("marks", "train", "test"),
    [
        (("train", "test", "train", "train", "test", "train"), (0, 2, 3, 5), (1, 4)),
        # validation frames train where others are held out, else they are what is held out
        (("train", "val", "test", "val", "test", "train"), (0, 1, 3, 5), (2, 4)),
        (("train", "val", "train", "val", "train", "train"), (0, 2, 4, 5), (1, 3)),
        ((), (), ()),
    ],
)
def test_marks_become_roles(tmp_path, marks, train, test):
    frames = labelled()
    for frame, mark in zip(frames, marks or [None] * 6, strict=True):
        if mark:
            frame.info["split"] = mark
    data = load_files([write(tmp_path / "a.extxyz", frames)])
    assert data.train == train
    assert data.test == test


def test_twins_across_a_split_are_named_as_they_stand_in_the_file(tmp_path):
    frames = labelled()
    frames[5].positions = frames[1].positions
    path = write(tmp_path / "a.extxyz", frames)
    part = load_files([path]).take([1, 2, 3, 5])
    with pytest.raises(InputError, match=f"frame 1 of {path} and frame 5 of {path} are identical"):
        part.with_roles([3])
