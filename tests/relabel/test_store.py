"""Label files: whole or absent, never stale, damaged ones made again."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from dosml.errors import DiskSpaceError, LabelError
from dosml.files import whole_file
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.label import Label
from dosml.relabel.store import CHECKED, LabelStore
from dosml.theory.dos import ElectronicDos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTING = ElectronicSetting(Smearing("fermi-dirac", 0.2))


@pytest.fixture
def label() -> Label:
    rng = np.random.default_rng(0)
    grid = np.linspace(-5, 5, 101)
    d_m = rng.random((5, 101))
    return Label(
        free_energy=-1.5,
        forces=rng.normal(size=(4, 3)),
        stress=rng.normal(size=6),
        fermi_level=-3.25,
        n_electrons=44.0,
        top_occupation=1e-9,
        dos=ElectronicDos(grid, d_m.sum(axis=0) + 1, d_m.sum(axis=0), d_m, 0.1),
        facts={"attempts": 2, "seconds": 1.5},
    )


def test_a_label_comes_back_as_it_went_in(tmp_path, label) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    assert store.get("a", SETTING) is None
    store.put("a", SETTING, label)
    again = store.get("a", SETTING)
    assert isinstance(again, Label)
    assert again.free_energy == label.free_energy
    np.testing.assert_array_equal(again.forces, label.forces)
    np.testing.assert_array_equal(again.stress, label.stress)
    assert again.facts == label.facts
    np.testing.assert_allclose(again.dos.d_m, label.dos.d_m, rtol=1e-6)
    np.testing.assert_allclose(again.dos.energies, label.dos.energies, atol=1e-12)


@pytest.mark.parametrize(
    "other",
    [
        (LabelStore, {"engine": "xtb", "tblite": "9"}, SETTING),
        (LabelStore, {"engine": "xtb"}, ElectronicSetting(Smearing("fermi-dirac", 0.21))),
        (LabelStore, {"engine": "xtb"}, ElectronicSetting(Smearing("gaussian", 0.2))),
        (LabelStore, {"engine": "xtb"}, ElectronicSetting(Smearing("fermi-dirac", 0.2), -1.0)),
    ],
)
def test_a_changed_setting_never_reads_a_stale_label(tmp_path, label, other) -> None:
    LabelStore(tmp_path, {"engine": "xtb"}).put("a", SETTING, label)
    store_type, fingerprint, setting = other
    assert store_type(tmp_path, fingerprint).get("a", setting) is None


def test_a_damaged_file_is_made_again(tmp_path, label) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put("a", SETTING, label)
    path = store.label_path("a", SETTING)
    path.write_bytes(path.read_bytes()[:200])
    assert store.get("a", SETTING) is None
    assert not store.has("a", SETTING)


@pytest.mark.parametrize(
    ("without", "sound"),
    [
        ((), True),
        (("stress",), True),  # an engine that has none
        (("dos_grid", "dos_broadening", "dos_total", "dos_d", "dos_d_m"), True),
        (("dos_total",), False),
        (("forces",), False),
        (("free_energy",), False),
    ],
)
def test_what_counts_as_a_label(tmp_path, label, without, sound) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    path = store.label_path("a", SETTING)
    path.parent.mkdir(parents=True)
    arrays = {name: one for name, one in label.to_arrays().items() if name not in without}
    np.savez_compressed(path, **arrays)
    assert store.has("a", SETTING) == sound
    if not sound:
        assert store.get("a", SETTING) is None  # reading agrees


def test_failures_are_kept_until_forgotten(tmp_path, label) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put_failure("a", SETTING, LabelFailure("no convergence"))
    assert store.get("a", SETTING) == LabelFailure("no convergence")
    assert store.has("a", SETTING)
    store.forget_failures("a", SETTING)
    assert not store.has("a", SETTING)
    store.put_failure("a", SETTING, LabelFailure("no convergence"))
    store.put("a", SETTING, label)
    assert isinstance(store.get("a", SETTING), Label)


def test_a_writer_that_dies_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]  # noqa: PTH208 - hidden files count


def test_full_disk_is_named(tmp_path) -> None:
    with (
        pytest.raises(DiskSpaceError, match="finished work is kept"),
        whole_file(tmp_path / "x.npz"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def few(arrays):
    arrays["forces"] = arrays["forces"][:2]


def not_finite(arrays):
    arrays["forces"][1, 2] = np.nan


def no_energy(arrays):
    arrays["free_energy"] = np.array(np.inf)


def flat(arrays):
    arrays["forces"] = arrays["forces"].ravel()


def dark(arrays):
    arrays["dos_d"][3] = np.nan


def short_dos(arrays):
    arrays["dos_total"] = arrays["dos_total"][:-1]


def facts_of_a_list(arrays):
    arrays["facts"] = np.array("[1]")


@pytest.mark.parametrize(
    "damage", [few, not_finite, no_energy, flat, dark, short_dos, facts_of_a_list]
)
def test_a_file_with_wrong_numbers_is_no_label(tmp_path, label, damage) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put("a", SETTING, label)
    arrays = label.to_arrays()
    arrays = {name: np.array(values) for name, values in arrays.items()}
    damage(arrays)
    np.savez_compressed(store.label_path("a", SETTING), **arrays)
    store = LabelStore(tmp_path, {"engine": "xtb"})  # a new run
    assert store.count(SETTING) == (1 if damage is few else 0)  # it does not know the frame
    assert not store.has("a", SETTING, 4)
    assert store.get("a", SETTING, 4) is None
    assert not store.label_path("a", SETTING).exists()


def test_a_label_is_read_once_and_then_known(tmp_path, label, monkeypatch) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    for name in "abc":
        store.put(name, SETTING, label)
    opened = []
    monkeypatch.setattr(LabelStore, "_read", lambda *asked: opened.append(asked[1]))
    store = LabelStore(tmp_path, {"engine": "xtb"})
    assert store.count(SETTING) == 3
    assert all(store.has(name, SETTING, 4) for name in "abc")
    for path in tmp_path.glob("*/*.npz"):  # as `cp -r` leaves them
        os.utime(path, ns=(1, 1))
    assert store.count(SETTING) == 3
    assert opened == []
    assert not store.has("a", SETTING, 5)
    # the same size and another content
    path = store.label_path("b", SETTING)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    assert not store.has("b", SETTING, 4)
    assert opened == ["b"]


@pytest.mark.parametrize("content", [b"", b"a 1 2\nb x y z w\n\n", b"\xff\x00", None])
def test_what_is_remembered_may_be_lost(tmp_path, label, content) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put("a", SETTING, label)
    path = store.setting_folder(SETTING) / CHECKED
    path.unlink()
    if content is None:
        (tmp_path / "precious").write_text("precious")
        path.symlink_to(tmp_path / "precious")
    else:
        path.write_bytes(content)
    store = LabelStore(tmp_path, {"engine": "xtb"})
    assert store.has("a", SETTING, 4)
    store.remember(SETTING)
    if content is None:
        assert (tmp_path / "precious").read_text() == "precious"
    else:
        assert LabelStore(tmp_path, {"engine": "xtb"}).count(SETTING) == 1
        assert f"a {store.label_path('a', SETTING).stat().st_size} " in path.read_text("latin-1")


def test_a_label_that_cannot_be_opened_is_not_made_again(tmp_path, label) -> None:
    """An answer such as "too many open files" says nothing about the label."""
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put("a", SETTING, label)
    path = store.label_path("a", SETTING)
    path.unlink()
    path.mkdir()
    with pytest.raises(LabelError, match="cannot read the label .*directory"):
        LabelStore(tmp_path, {"engine": "xtb"}).get("a", SETTING)
    assert path.is_dir()


def test_numbers_that_are_no_label_are_not_stored(tmp_path, label) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    with pytest.raises(ValueError, match="forces: not all values are finite"):
        store.put("a", SETTING, replace(label, forces=label.forces * np.nan))
    assert not store.has("a", SETTING)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"reason": 1}'])
def test_a_failure_that_cannot_be_read_is_none(tmp_path, text) -> None:
    store = LabelStore(tmp_path, {"engine": "xtb"})
    store.put_failure("a", SETTING, LabelFailure("no"))
    store.failure_path("a", SETTING).write_text(text)
    assert not store.has("a", SETTING)
    assert store.get("a", SETTING) is None
