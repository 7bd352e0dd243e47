"""What makes the sgp fast changes no number: factors, threads, frames in parts."""

import numpy as np
import pytest
import torch
from helpers.sgp_data import alloy, molecule, rattled, toy_labels
from helpers.sgp_dense import fit

from dosml.learners.sgp import kernel, model
from dosml.learners.sgp.descriptor import Descriptor
from dosml.learners.sgp.geometry import PairBuilder
from dosml.learners.sgp.kernel import Inducing, factorised, kernel_rows
from dosml.learners.sgp.on_threads import on_threads

CPU = torch.device("cpu")
#: Many environments for few features, whose singular values fall below `THIN`.
WIDE = {"n_max": 6, "l_max": 3}


def environments(count=12, species=(29,), frames=None):
    descriptor = Descriptor("B2", 4.0, **WIDE, n_species=len(species), degree_decay=0.05)
    builder = PairBuilder(4.0, 3, species, device=CPU)
    batch = builder.build(frames or [rattled(seed=n, stdev=0.02) for n in range(count)])
    return descriptor, batch, descriptor.environments(batch)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_factors_are_the_descriptors_but_for_what_is_dropped():
    _, _, envs = environments()
    factors = factorised(envs.values)
    assert factors is not None
    rank, n_features = factors.basis.shape
    assert rank < n_features
    torch.testing.assert_close(
        factors.basis @ factors.basis.T, torch.eye(rank, dtype=torch.float64), rtol=0, atol=1e-12
    )
    # the dropped singular values and no more
    miss = torch.linalg.matrix_norm(factors.coefficients @ factors.basis - envs.values, 2)
    values = torch.linalg.svdvals(envs.values)
    assert float(miss) == pytest.approx(float(values[rank]), rel=0.1, abs=1e-13)
    assert float(values[rank]) <= kernel.THIN * float(values[0]) < float(values[rank - 1])


def test_no_factors_where_they_save_nothing():
    assert factorised(torch.rand((30, 20), dtype=torch.float64)) is None
    # full rank
    assert factorised(torch.rand((200, 20), dtype=torch.float64)) is None


@pytest.mark.parametrize("zeta", [1, 2, 3])
def test_kernel_rows_by_factors_are_those_of_the_descriptors(zeta):
    descriptor, batch, envs = environments()
    origins = (np.zeros((len(envs.values), 2), dtype=int),)
    thin = Inducing((envs.values,), origins).thinned()
    assert thin.factors[0] is not None
    plain = Inducing(thin.descriptors, origins)
    with_factors, without = (
        kernel_rows(
            descriptor,
            batch,
            inducing,
            zeta,
            stress=True,
            dtype=torch.float64,
            chunk_elements=100_000,
        )
        for inducing in (thin, plain)
    )
    for name in ("energies", "forces", "stresses"):
        one, other = getattr(with_factors, name), getattr(without, name)
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13 * float(other.abs().max()))


def test_a_model_with_factors_is_the_model_without(monkeypatch):
    frames = [rattled(seed=n, stdev=0.02) for n in range(12)]
    options = {**WIDE, "cutoff": 4.0, "degree_decay": 0.05, "n_inducing": 380, "jitter": 1e-8}
    options["selection_tolerance"] = 0
    given = {"max_iterations": 0, "signal": 2.0, "energy_noise": 0.05, "force_noise": 0.03}
    labels = [toy_labels(frames, stress=False)]
    thin = fit(frames, labels, **options, **given)
    assert thin.shared.inducing.factors[0] is not None
    monkeypatch.setattr(kernel, "factorised", lambda _: None)
    plain = fit(frames, labels, **options, **given)
    facts = [models.facts()[0]["log_likelihood"] for models in (thin, plain)]
    assert facts[0] == pytest.approx(facts[1], rel=1e-9)
    test = [rattled(seed=40, stdev=0.03)]
    one, other = (models.predict(test)[0].forces[0] for models in (thin, plain))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-7 * np.abs(other).max())


@pytest.mark.usefixtures("two_threads")
def test_work_on_threads_keeps_the_order_and_the_callers_threads():
    seen = []

    def work(number):
        seen.append(torch.get_num_threads())
        return number * number

    assert list(on_threads(work, iter(range(7)), 2)) == [(n, n * n) for n in range(7)]
    assert seen == [1] * 7
    assert torch.get_num_threads() == 2
    assert list(on_threads(lambda n: -n, range(3), 1)) == [(0, 0), (1, -1), (2, -2)]


@pytest.mark.usefixtures("two_threads")
def test_kernel_rows_do_not_depend_on_the_number_of_threads():
    descriptor, batch, envs = environments()
    inducing = Inducing((envs.values[::20],), (np.zeros((20, 2), dtype=int),))

    def rows(_):
        return kernel_rows(
            descriptor, batch, inducing, 2, stress=True, dtype=torch.float64, chunk_elements=50_000
        ).forces

    several = [found for _, found in on_threads(rows, range(3), 2)]
    torch.set_num_threads(1)
    for one in several:
        torch.testing.assert_close(one, rows(0), rtol=0, atol=0)


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_a_thread_is_the_callers():
    def work(number):
        if number == 3:
            raise ValueError("the fourth")
        return number

    with pytest.raises(ValueError, match="the fourth"):
        list(on_threads(work, range(6), 2))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("frame", "species"), [(rattled() * (2, 1, 1), [29]), (alloy(), [22, 29]), (molecule(), [29])]
)
def test_parts_of_a_frame_hold_all_its_pairs(frame, species):
    builder = PairBuilder(4.0, 2, species, device=CPU)
    whole = builder.build([frame, frame])
    parts = list(builder.parts([frame, frame], 0, 7))
    assert [n for atoms, _ in parts for n in range(2 * len(frame))[atoms]] == list(
        range(2 * len(frame))
    )
    centres = torch.cat([part.centre + atoms.start for atoms, part in parts])
    torch.testing.assert_close(centres, whole.centre)
    for name in ("neighbour", "vectors", "harmonics", "harmonic_gradients", "species", "frame"):
        joined = torch.cat([getattr(part, name) for _, part in parts])
        torch.testing.assert_close(joined, getattr(whole, name), rtol=0, atol=0)
    torch.testing.assert_close(whole.of_pairs(whole.by_centre(whole.vectors)), whole.vectors)


def test_a_frame_in_parts_is_predicted_as_a_whole(monkeypatch):
    frames = [alloy(n) for n in range(3)]
    models = fit(frames, [toy_labels(frames, stress=True)], n_inducing=20)
    large = [alloy(5) * (2, 1, 1), alloy(6)]
    monkeypatch.setattr(model, "_ATOMS_AT_A_TIME", {"cpu": 10_000})
    whole = models.predict(large)[0]
    monkeypatch.setattr(model, "_ATOMS_AT_A_TIME", {"cpu": 5})
    parts = models.predict(large)[0]
    np.testing.assert_allclose(parts.energies, whole.energies, rtol=1e-12)
    np.testing.assert_allclose(parts.stresses, whole.stresses, atol=1e-12)
    for one, other in zip(parts.forces, whole.forces, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)
