"""Label noise: the value, what is kept of it on disk, and engines on denser grids."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import InputError
from dosml.relabel.dataset import (
    Dataset,
    FrameNoise,
    LabelNoise,
    LabelSet,
    load,
    reference_dataset,
    reference_metals,
    save,
)
from dosml.relabel.engines.ase_calculator import ase_engine
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.engines.registry import default_engine
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

RNG = np.random.default_rng(3)
FORCES = [RNG.normal(size=(2, 3)), RNG.normal(size=(4, 3))]
DENSER = [FORCES[0] + 0.1 * RNG.normal(size=(2, 3)), FORCES[1] + 0.3]


@pytest.fixture
def noise() -> LabelNoise:
    pairs = zip(("ti", "cu"), FORCES, DENSER, strict=True)
    return LabelNoise(tuple(FrameNoise.between(*one) for one in pairs))


@pytest.fixture
def data(noise) -> Dataset:
    frames = [canonical(bulk("Ti")), canonical(bulk("Cu", cubic=True))]
    own = tuple(
        replace(one, frame=name)
        for one, name in zip(noise.frames, Dataset.of(frames, [_labels()]).frame_ids, strict=True)
    )
    bare = replace(_labels(), name="bare", setting=None)
    return Dataset.of(frames, [replace(_labels(), noise=LabelNoise(own)), bare])


def _labels() -> LabelSet:
    setting = ElectronicSetting(Smearing("gaussian", 0.2))
    return LabelSet(np.array([1.0, 2.0]), FORCES, setting=setting)


def test_it_is_the_mean_over_all_components(noise) -> None:
    before = np.concatenate(FORCES).ravel()
    change = np.abs(np.concatenate(DENSER).ravel() - before)
    assert noise.ev_per_angstrom == pytest.approx(change.mean())
    assert noise.percent == pytest.approx(100 * change.mean() / np.abs(before).mean())


def test_it_survives_saving_and_taking_and_is_no_part_of_the_content(data, tmp_path) -> None:
    save(data, tmp_path / "data")
    read = load(tmp_path / "data")
    assert read.label_sets[0].noise == data.label_sets[0].noise
    assert read.label_sets[1].noise is None
    assert data.take([0]).label_sets[0].noise == data.label_sets[0].noise
    blank = tuple(replace(one, noise=None) for one in data.label_sets)
    assert replace(data, label_sets=blank).content() == data.content()


def test_each_metal_has_its_own(data) -> None:
    both = data.label_sets[0].noise
    for symbol, part in zip(("Ti", "Cu"), both.frames, strict=True):
        assert data.of_element(symbol).label_sets[0].noise == LabelNoise((part,))
    only_copper = replace(data.label_sets[0], noise=LabelNoise(both.frames[1:]))
    left = replace(data, label_sets=(only_copper,)).of_element("Ti")
    assert left.label_sets[0].noise is None


def test_a_record_without_it_is_read_and_a_spoilt_one_is_not(data, tmp_path) -> None:
    record = save(data, tmp_path / "data") / "dataset.json"
    text = record.read_text()
    assert '"noise": {' in text
    record.write_text(text.replace('"noise": {', '"noisy": {'))
    assert load(tmp_path / "data").label_sets[0].noise is None
    record.write_text(text.replace('"difference"', '"diference"'))
    with pytest.raises(InputError, match="not a record that can be read"):
        load(tmp_path / "data")


def test_forces_on_the_denser_grid_survive_and_spoilt_ones_do_not(data, tmp_path) -> None:
    record = save(data, tmp_path / "data") / "dataset.json"
    noise = load(tmp_path / "data").label_sets[0].noise
    for given, one in zip(DENSER, noise.forces().values(), strict=True):
        np.testing.assert_allclose(one, given, atol=1e-6)
    content = json.loads(record.read_text())
    frame = content["label_sets"][0]["noise"]["frames"][0]
    good = frame["forces"]
    spoilt = (good[:1], good[0], ["1 2"] * 2, ["1 2 nan"] * 2, ["1 2 x"] * 2, [[1, 2, 3]] * 2, 7)
    for bad in spoilt:
        frame["forces"] = bad
        record.write_text(json.dumps(content))
        with pytest.raises(InputError, match="not a record that can be read"):
            load(tmp_path / "data")
    # records of before have numbers only
    del frame["forces"]
    record.write_text(json.dumps(content))
    assert len(load(tmp_path / "data").label_sets[0].noise.forces()) == 1


def test_the_shipped_labels_tell_what_was_measured() -> None:
    grids = {"Ti": (3, 1, 1, 3), "Os": (3, 1, 1, 3), "Cu": (3, 1, 0, 3), "Au": (3, 0, 0, 3)}
    for metal, counts in grids.items():
        data = reference_dataset(metal)
        for labels, count in zip(data.label_sets, counts, strict=True):
            noise = labels.noise
            assert (0 if noise is None else len(noise.frames)) == count
            if noise is not None:
                assert noise.grid.startswith("5 x 5 x 5")
                assert len(noise.forces()) == (count if count > 1 else 0)
    for metal in set(reference_metals()) - set(grids):
        for labels in reference_dataset(metal).label_sets:
            assert len(labels.noise.forces()) == 3
            assert labels.noise.grid == "one more k-point in every direction"
    titanium = reference_dataset("Ti").label_sets[0].noise
    assert titanium.ev_per_angstrom == pytest.approx(0.0341, abs=1e-4)


@pytest.mark.parametrize("metal", reference_metals())
def test_the_shipped_noise_is_that_of_the_shipped_forces(metal) -> None:
    data = reference_dataset(metal)
    for labels in data.label_sets:
        frames = () if labels.noise is None else labels.noise.frames
        for one in frames:
            number = data.frame_ids.index(one.frame)
            own = labels.forces[number]
            assert one.size == pytest.approx(np.abs(own).mean())
            if one.forces is not None:
                assert number in data.test
                assert one.difference == pytest.approx(np.abs(one.forces - own).mean(), abs=1e-6)


def test_denser_grids() -> None:
    frame = canonical(bulk("Ti") * (2, 2, 1))
    for engine in (GpawEngine("laptop"), GpawEngine("laptop", kpoints=(3, 3, 3))):
        denser = engine.denser(frame)
        assert denser.kpoints == (4, 4, 4)
        assert denser.preset == "laptop"
    assert XtbEngine().denser(frame) is None
    assert ase_engine("emt", "made up", _nothing).make(None).denser(frame) is None


def _nothing(setting):
    raise AssertionError(setting)


def test_the_default_follows_the_metal(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dosml.relabel.engines.tb.model.SHIPPED", tmp_path)
    found = default_engine(["Cu"])
    assert (found.name, found.reason) == (
        "xtb",
        "the default for Cu (tb ships no parameters for Cu)",
    )
    (tmp_path / "Cu.json").write_text("{}")
    assert default_engine(["Cu"]).name == "tb"
    assert default_engine(["Cu"]).reason == "the default for Cu"
    both = default_engine(["Zr", "Cu"])
    assert (both.name, both.reason) == (
        "xtb",
        "the default for Cu, Zr (tb ships no parameters for Zr)",
    )
