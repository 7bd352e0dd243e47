"""Saved models: the same predictions again, and nothing that could run code."""

import json
import zipfile

import numpy as np
import pytest
import torch
from helpers.sgp_data import alloy, toy_labels

from dosml.errors import LearnerError
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.settings import SgpSettings


@pytest.fixture(scope="module")
def models():
    frames = [alloy(n) for n in range(4)]
    settings = SgpSettings(cutoff=4.0, n_max=3, l_max=2, n_inducing=15)
    labels = [toy_labels(frames), toy_labels(frames, scale=0.5)]
    return SgpLearner(settings).fit(frames, labels)


@pytest.mark.parametrize("index", [0, 1])
def test_round_trip_is_exact(models, index, tmp_path):
    path = tmp_path / "model.npz"
    models.save(path, index)
    again = SgpModels.load(path)
    test = [alloy(8), alloy(9)]
    wanted = models.predict(test, uncertainties=True, force_uncertainties=True)[index]
    got = again.predict(test, uncertainties=True, force_uncertainties=True)[0]
    np.testing.assert_allclose(got.energies, wanted.energies, rtol=1e-13)
    np.testing.assert_allclose(got.stresses, wanted.stresses, rtol=1e-9, atol=1e-12)
    for name in ("forces", "uncertainties", "force_uncertainties"):
        for a, b in zip(getattr(got, name), getattr(wanted, name), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert again.facts()[0] == models.facts()[index]


def test_round_trip_of_the_joint_descriptor(tmp_path):
    frames, test = [alloy(n) for n in range(4)], [alloy(8)]
    common = {"cutoff": 4.0, "n_max": 3, "l_max": 2, "n_inducing": 15}
    settings = SgpSettings(**common, descriptor="B1+B2", pair_n_max=6, pair_weight=0.2)
    fitted = SgpLearner(settings).fit(frames, [toy_labels(frames)])
    fitted.save(tmp_path / "model.npz")
    again = SgpModels.load(tmp_path / "model.npz").predict(test, uncertainties=True)[0]
    wanted = fitted.predict(test, uncertainties=True)[0]
    np.testing.assert_allclose(again.forces[0], wanted.forces[0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(again.uncertainties[0], wanted.uncertainties[0], rtol=1e-9)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_model_from_a_gpu_loads_where_there_is_none(models, tmp_path):
    path = tmp_path / "model.npz"
    models.save(path)
    with np.load(path) as handle:
        arrays = dict(handle)
    head = json.loads(arrays["head"].tobytes())
    head["settings"]["device"] = "cuda"
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    np.savez(path, **arrays)
    test = [alloy(8)]
    assert SgpModels.load(path).predict(test)[0].energies == models.predict(test)[0].energies
    with pytest.raises(LearnerError, match="does not fit here"):
        SgpModels.load(path, device="cuda")


def test_file_is_one_zip_of_plain_arrays(models, tmp_path):
    path = tmp_path / "model.npz"
    models.save(path, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    for name in zipfile.ZipFile(path).namelist():
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays[name.removesuffix(".npy")].dtype != object


def test_wrong_files_are_refused(models, tmp_path):
    with pytest.raises(LearnerError, match="not a model"):
        SgpModels.load(tmp_path / "absent.npz")
    text = tmp_path / "text.npz"
    text.write_text("no model")
    with pytest.raises(LearnerError, match="not a model"):
        SgpModels.load(text)
    other = tmp_path / "other.npz"
    np.savez(other, a=np.ones(3))
    with pytest.raises(LearnerError, match="not a model"):
        SgpModels.load(other)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, head=np.array([{"format": "dosml-sgp"}], dtype=object))
    with pytest.raises(LearnerError, match="not a model"):
        SgpModels.load(pickled)
    path = tmp_path / "model.npz"
    models.save(path, 0)
    with np.load(path) as handle:
        arrays = {name: handle[name] for name in handle.files if name != "weights"}
    np.savez(path, **arrays)
    with pytest.raises(LearnerError, match="damaged"):
        SgpModels.load(path)
    arrays["head"] = np.frombuffer(b'{"format": "dosml-sgp", "version": 99}', dtype=np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(LearnerError, match="version 99"):
        SgpModels.load(path)


def test_save_errors(models, tmp_path):
    with pytest.raises(LearnerError, match="no model 2"):
        models.save(tmp_path / "model.npz", 2)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LearnerError, match="cannot write"):
        models.save(tmp_path / "file" / "model.npz", 0)


def not_finite(arrays):
    arrays["weights"][3] = np.nan


def short(arrays):
    arrays["spread"] = arrays["spread"][:-1]


def other_features(arrays):
    name = next(one for one in arrays if one.startswith("inducing_"))
    arrays[name] = arrays[name][:, :-1]


def no_noise(arrays):
    head = json.loads(arrays["head"].tobytes())
    head["hyperparameters"]["signal"] = float("nan")
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)


def a_list(arrays):
    arrays["head"] = np.frombuffer(b"[1, 2]", dtype=np.uint8)


@pytest.mark.parametrize("damage", [not_finite, short, other_features, no_noise, a_list])
def test_numbers_that_are_no_model_are_refused(models, tmp_path, damage):
    """A model of NaN would give no force at all, and with that no imaginary mode."""
    path = tmp_path / "model.npz"
    models.save(path, 0)
    with np.load(path) as handle:
        arrays = dict(handle)
    damage(arrays)
    np.savez(path, **arrays)
    with pytest.raises(LearnerError, match=r"model\.npz"):
        SgpModels.load(path)
