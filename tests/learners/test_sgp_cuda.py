"""The same model on a GPU, to rounding."""

import numpy as np
import pytest
import torch
from helpers.sgp_data import alloy, toy_labels

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.settings import SgpSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")

COMMON = {"cutoff": 4.0, "n_max": 4, "l_max": 3, "n_inducing": 30}


@pytest.mark.parametrize("zeta", [1, 2, 3])
def test_gpu_and_cpu_agree(zeta, tmp_path):
    frames, test = [alloy(n) for n in range(6)], [alloy(8), alloy(9)]
    labels = [toy_labels(frames), toy_labels(frames, scale=0.5)]
    # one set of hyperparameters: two optimisations end up at slightly different places
    given = {"signal": 2.0, "energy_noise": 0.01, "force_noise": 0.02, "stress_noise": 0.001}
    options = {**COMMON, **given, "zeta": zeta, "max_iterations": 0, "jitter": 1e-8}
    models = {
        device: SgpLearner(SgpSettings(**options, device=device)).fit(frames, labels)
        for device in ("cpu", "cuda")
    }
    origins = [models[d].shared.inducing.origins for d in models]
    for a, b in zip(*origins, strict=True):
        np.testing.assert_array_equal(a, b)
    facts = [models[d].facts() for d in models]
    for a, b in zip(*facts, strict=True):
        assert a["log_likelihood"] == pytest.approx(b["log_likelihood"], rel=1e-6)
    wanted, got = (
        models[d].predict(test, uncertainties=True, force_uncertainties=True) for d in models
    )
    for a, b in zip(wanted, got, strict=True):
        np.testing.assert_allclose(a.energies, b.energies, atol=1e-6)
        np.testing.assert_allclose(a.stresses, b.stresses, atol=1e-8)
        for name in ("forces", "uncertainties", "force_uncertainties"):
            for x, y in zip(getattr(a, name), getattr(b, name), strict=True):
                np.testing.assert_allclose(x, y, atol=1e-5)
    # trained on the GPU, used on the CPU
    models["cuda"].save(tmp_path / "model.npz")
    again = SgpModels.load(tmp_path / "model.npz", device="cpu")
    np.testing.assert_allclose(again.predict(test)[0].energies, got[0].energies, atol=1e-6)


def test_optimisation_and_single_precision_on_the_gpu():
    frames, test = [alloy(n) for n in range(6)], [alloy(8)]
    labels = [toy_labels(frames)]
    double = SgpLearner(SgpSettings(**COMMON, device="cuda")).fit(frames, labels)
    single = SgpLearner(SgpSettings(**COMMON, device="cuda", dtype="float32")).fit(frames, labels)
    a, b = (m.predict(test)[0].forces[0] for m in (double, single))
    assert np.abs(a - b).max() < 0.02 * np.abs(a).max()
