"""Ladders in worker processes, with the real engine on small cells."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import LabelError
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.label import Label
from dosml.relabel.pool import label_frames, missing
from dosml.relabel.store import LabelStore
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTINGS = [ElectronicSetting(Smearing("fermi-dirac", width)) for width in (0.5, 2.0)]


def frames(count: int):
    out = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        out.append(canonical(atoms))
    return out


def test_all_labels_are_made_once_and_the_same_by_any_number_of_workers(tmp_path) -> None:
    engine = XtbEngine()
    listed = frames(3)
    stores = {}
    for workers in (1, 2):
        store = stores[workers] = LabelStore(tmp_path / str(workers), engine.fingerprint())
        seen: list[int] = []
        reports = list(
            label_frames(engine, store, listed, SETTINGS, workers=workers, on_progress=seen.append)
        )
        assert sorted(report.frame_id for report in reports) == sorted(map(frame_id, listed))
        assert all(len(report.made) == 2 and not report.failures for report in reports)
        assert seen[0] == 0
        assert seen[-1] <= 6
        assert not missing(store, listed, SETTINGS)
        # a second run has nothing to do
        again = label_frames(
            engine, store, listed, SETTINGS, workers=workers, on_progress=seen.append
        )
        assert list(again) == []
        assert seen[-1] == 6
    for frame in listed:
        for setting in SETTINGS:
            one, two = (stores[workers].get(frame_id(frame), setting) for workers in (1, 2))
            assert isinstance(one, Label)
            assert isinstance(two, Label)
            np.testing.assert_allclose(one.forces, two.forces, rtol=0, atol=1e-11)


def test_a_killed_worker_is_one_clear_error_and_the_rest_is_kept(tmp_path) -> None:
    engine = XtbEngine()
    store = LabelStore(tmp_path, engine.fingerprint())
    listed = frames(6)

    def kill_after_first(done: int) -> None:
        if done:
            for worker in multiprocessing.active_children():
                worker.kill()

    with pytest.raises(LabelError, match="worker process died"):
        list(label_frames(engine, store, listed, SETTINGS, workers=1, on_progress=kill_after_first))
    kept = sum(store.has(frame_id(frame), setting) for frame in listed for setting in SETTINGS)
    assert 1 <= kept < 12
