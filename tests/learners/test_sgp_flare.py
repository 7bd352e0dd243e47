"""Parity with FLARE: same frames, hyperparameters and inducing environments.

Needs the environment of `dosml env create flare`, or another interpreter with FLARE, named in
DOSML_FLARE_PYTHON. FLARE's Python interface has no B1, so B2 is compared.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from helpers.sgp_data import alloy, rattled, toy_labels

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings

pytestmark = pytest.mark.peer
HYPERS = (2.0, 0.05, 0.03, 0.002)
DRIVER = Path(__file__).parents[2] / "benchmarks" / "flare_driver.py"


@pytest.fixture(scope="module")
def run_flare():
    spec = importlib.util.spec_from_file_location("flare_driver", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    python = module.flare_python()
    if python is None:
        pytest.skip("FLARE is not here: dosml env create flare")
    return lambda *args, **options: module.run_flare(python, *args, **options)


@pytest.mark.parametrize("zeta", [1, 2, 3])
@pytest.mark.parametrize("system", ["copper", "alloy", "small cell"])
def test_parity(run_flare, tmp_path, system, zeta):
    if system == "copper":
        train = [rattled(seed=n, stdev=0.15)[: 32 - n] for n in range(4)]
        test = [rattled(seed=9, stdev=0.15)[:31], rattled(seed=10, stdev=0.2)]
    elif system == "alloy":
        train, test = [alloy(n) for n in range(6)], [alloy(7), alloy(8)]
    else:
        train = [rattled("Cu", 1, 0.1, n)[[0, 1, 2]] for n in range(8)]
        test = [rattled("Cu", 1, 0.1, 20), rattled("Cu", 1, 0.1, 21)[[0, 1]]]
    # FLARE wraps atoms into the cell: do so before, for the same rounding of its images
    for frame in (*train, *test):
        frame.wrap()
    labels = toy_labels(train)
    settings = SgpSettings(
        cutoff=4.5,
        n_max=5,
        l_max=3,
        degree_decay=1.0,
        zeta=zeta,
        n_inducing=40,
        jitter=1e-8,
        max_iterations=0,
        signal=HYPERS[0],
        energy_noise=HYPERS[1],
        force_noise=HYPERS[2],
        stress_noise=HYPERS[3],
    )
    models = SgpLearner(settings).fit(train, [labels])
    flare = run_flare(
        tmp_path,
        models,
        train,
        labels,
        test,
        hyperparameters=HYPERS,
        variances=True,
        descriptors=True,
    )
    ours = models.predict(test, force_uncertainties=True)[0]

    # descriptors, element by element; FLARE groups atoms by species
    descriptor, builder = models.shared.descriptor(), models.shared.pair_builder()
    blocks = iter(range(100))
    for frame in test:
        envs = descriptor.environments(builder.build([frame]))
        raw = (envs.values * envs.norms[:, None]).numpy()
        for number in models.shared.species:
            theirs = flare[f"descriptor_{next(blocks)}"]
            np.testing.assert_allclose(
                raw[frame.numbers == number], theirs, rtol=1e-10, atol=1e-10 * np.abs(raw).max()
            )

    pairs = list(zip(models.models[0].baseline.numpy(), models.shared.species, strict=True))
    offset = [sum(b * np.sum(frame.numbers == z) for b, z in pairs) for frame in test]
    np.testing.assert_allclose(ours.energies - offset, flare["energies"], atol=1e-6)
    np.testing.assert_allclose(np.concatenate(ours.forces), flare["forces"], atol=1e-6)
    scale = np.abs(flare["stresses"]).max()
    np.testing.assert_allclose(ours.stresses, flare["stresses"], atol=1e-6 * scale)
    np.testing.assert_allclose(
        np.concatenate(ours.force_uncertainties) ** 2,
        flare["force_variances"],
        rtol=1e-4,
        atol=1e-6 * HYPERS[0] ** 2,
    )
    likelihood = models.facts()[0]["log_likelihood"]
    assert likelihood == pytest.approx(float(flare["log_likelihood"]), rel=1e-6)
