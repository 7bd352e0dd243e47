"""From stored labels to a dataset: what is kept, what is left out, and that it says so."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import DamagedFileError, LabelError
from dosml.relabel.dataset import Provenance, from_store, load, save
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.label import Label
from dosml.relabel.store import LabelStore
from dosml.theory.dos import ElectronicDos, mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTINGS = tuple(ElectronicSetting(Smearing("fermi-dirac", width)) for width in (0.2, 0.5, 1.0))


def some_frames(count=6):
    frames = []
    for n in range(count):
        atoms = bulk("Ti")
        atoms.rattle(0.05, seed=n)
        frames.append(canonical(atoms))
        frames[-1].info |= {"tier": "hot", "split": "test" if n == count - 1 else "train"}
    return frames


def a_label(seed, *, offset=0.0, dos=True) -> Label:
    rng = np.random.default_rng(seed)
    grid = np.linspace(-5, 5, 101) + offset
    d_m = rng.random((5, 101)).astype(np.float32).astype(float)
    return Label(
        free_energy=float(rng.normal()),
        forces=rng.normal(size=(2, 3)),
        stress=rng.normal(size=6),
        fermi_level=float(rng.normal()),
        n_electrons=24.0,
        top_occupation=1e-9,
        dos=ElectronicDos(grid, d_m.sum(axis=0) + 1, d_m.sum(axis=0), d_m, 0.1) if dos else None,
        facts={"seconds": 1.5, **({"attempts": 2} if seed % 2 else {})},
    )


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "labels", {"engine": "made up"})


@pytest.fixture
def frames():
    return some_frames()


def fill(store, frames, label=a_label):
    made = {}
    for k, setting in enumerate(SETTINGS):
        for n, frame in enumerate(frames):
            made[k, n] = label(10 * k + n)
            store.put(frame_id(frame), setting, made[k, n])
    return made


def test_everything_that_is_there_comes_along(store, frames, tmp_path):
    made = fill(store, frames)
    data = from_store(store, frames, SETTINGS, Provenance("made up", "no real numbers"))
    assert data.electronic == SETTINGS
    assert data.roles == ("train",) * 5 + ("test",)
    assert data.tiers == ("hot",) * 6
    assert data.provenance.engine == "made up"
    assert (data.dropped, data.dropped_settings) == ((), ())
    for k, labels in enumerate(data.label_sets):
        own = [made[k, n] for n in range(6)]
        np.testing.assert_allclose(labels.energies, [one.free_energy for one in own], atol=1e-8)
        np.testing.assert_allclose(labels.forces, [one.forces for one in own], atol=1e-8)
        np.testing.assert_allclose(labels.stresses, [one.stress for one in own], atol=1e-12)
        np.testing.assert_allclose(labels.dos.d_m, mean_dos([o.dos for o in own]).d_m, rtol=1e-6)
        np.testing.assert_allclose(labels.dos_parts[4].d, own[4].dos.d, rtol=1e-6)
        assert labels.facts["fermi_level_ev"] == [one.fermi_level for one in own]
        assert labels.facts["attempts"] == [one.facts.get("attempts") for one in own]
    read = load(save(data, tmp_path / "d"))
    assert read.content() == data.content()
    assert read.label_sets[1].facts == data.label_sets[1].facts


def test_grids_that_the_fermi_level_shifts_become_one(store, frames):
    made = {}

    def shifted(seed):
        made[seed] = a_label(seed, offset=0.037 * seed)
        return made[seed]

    fill(store, frames, shifted)
    data = from_store(store, frames, SETTINGS)
    grid = data.label_sets[0].dos.energies
    assert grid[0] == pytest.approx(-5 + 0.037 * 25, abs=0.1)
    assert grid[-1] == pytest.approx(5, abs=0.1)
    for k, labels in enumerate(data.label_sets):
        np.testing.assert_array_equal(labels.dos.energies, grid)
        own = [made[10 * k + n].dos for n in range(6)]
        by_hand = np.mean([np.interp(grid, one.energies, one.d) for one in own], axis=0)
        # the grid of the mean is found on the way: white noise shows the interpolation most
        assert np.abs(labels.dos.d - by_hand).mean() < 0.06
        np.testing.assert_allclose(
            labels.dos_parts[2].d, np.interp(grid, own[2].energies, own[2].d), atol=1e-5
        )


def test_a_frame_without_one_label_leaves_every_set(store, frames):
    fill(store, frames)
    store.label_path(frame_id(frames[1]), SETTINGS[1]).unlink()
    store.put_failure(frame_id(frames[1]), SETTINGS[1], LabelFailure("no convergence"))
    store.label_path(frame_id(frames[2]), SETTINGS[2]).write_bytes(b"half a file")
    store.label_path(frame_id(frames[4]), SETTINGS[0]).unlink()
    data = from_store(store, frames, SETTINGS)
    kept = [frames[n] for n in (0, 3, 5)]
    assert data.frame_ids == tuple(frame_id(one) for one in kept)
    assert data.dropped == (
        f"frame {frame_id(frames[1])} (hot) at sigma_0.5: no convergence",
        f"frame {frame_id(frames[2])} (hot) at sigma_1: no sound label, and no reason why",
        f"frame {frame_id(frames[4])} (hot) at sigma_0.2: no sound label, and no reason why",
    )
    own = [a_label(20 + n).dos for n in (0, 3, 5)]
    np.testing.assert_allclose(data.label_sets[2].dos.d, mean_dos(own).d, rtol=1e-6)


def test_a_setting_that_mostly_failed_goes_first(store, frames):
    fill(store, frames)
    for frame in frames[:4]:
        store.label_path(frame_id(frame), SETTINGS[1]).unlink()
        store.put_failure(frame_id(frame), SETTINGS[1], LabelFailure("no convergence"))
    data = from_store(store, frames, SETTINGS)
    assert data.electronic == (SETTINGS[0], SETTINGS[2])
    assert data.dropped_settings == ("sigma_0.5: no label for 4 of 6 frames: no convergence",)
    assert len(data.frames) == 6
    # of two settings none is left out: there would be nothing to compare
    data = from_store(store, frames, SETTINGS[:2])
    assert (len(data.frames), len(data.dropped), data.dropped_settings) == (2, 4, ())


def test_no_frame_with_all_labels_is_said(store, frames):
    with pytest.raises(LabelError, match="none of 6 frames has a label at every one of 3 settings"):
        from_store(store, frames, SETTINGS)


@pytest.mark.parametrize("stress", [None, np.full(6, np.nan)])
def test_engines_without_dos_or_stress(store, frames, tmp_path, stress):
    def bare(seed):
        return replace(a_label(seed, dos=False), stress=stress, fermi_level=float("nan"))

    fill(store, frames, bare)
    data = from_store(store, frames, SETTINGS)
    assert not data.stress
    assert all(one.dos is None and one.dos_parts is None for one in data.label_sets)
    assert "fermi_level_ev" not in data.label_sets[0].facts
    assert load(save(data, tmp_path / "d")).content() == data.content()
    # one DOS more does not make a mean over all frames
    store.put(frame_id(frames[0]), SETTINGS[0], a_label(1))
    assert from_store(store, frames, SETTINGS).label_sets[0].dos is None


def test_a_dos_that_has_gone_is_named(store, frames):
    fill(store, frames)
    parts = from_store(store, frames, SETTINGS).label_sets[1].dos_parts
    store.label_path(frame_id(frames[3]), SETTINGS[1]).unlink()
    with pytest.raises(LabelError, match=f"DOS of frame {frame_id(frames[3])} at sigma_0.5 has"):
        parts[3]


def test_a_label_that_is_damaged_after_it_was_looked_at_is_an_error(store, frames):
    """Dropping its frame would give other numbers than the undamaged run."""
    made = fill(store, frames)
    path = store.label_path(frame_id(frames[1]), SETTINGS[1])
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # a bit rots: size and time stamp stay
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DamagedFileError, match="run the same command again"):
        from_store(store, frames, SETTINGS)
    assert not path.exists()
    assert not store.has(frame_id(frames[1]), SETTINGS[1], 2)
    store.put(frame_id(frames[1]), SETTINGS[1], made[1, 1])
    assert len(from_store(store, frames, SETTINGS).frames) == 6
