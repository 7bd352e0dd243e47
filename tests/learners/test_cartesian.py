"""Cartesian force fields: networks, losses, training, files; contracts have their own suite."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from helpers.sgp_data import alloy, molecule, rattled
from safetensors.torch import load_file, save_file

from dosml.errors import InputError, LearnerError
from dosml.learners.cartesian import training as training_module
from dosml.learners.cartesian.basis import Monomials, Radial
from dosml.learners.cartesian.batches import TableBuilder, join
from dosml.learners.cartesian.ictp import Powers
from dosml.learners.cartesian.jobs import Job, run_job
from dosml.learners.cartesian.losses import weak_loss
from dosml.learners.cartesian.models import CartesianModels
from dosml.learners.cartesian.potential import Answer, Potential
from dosml.learners.cartesian.products import Products, chosen_graphs
from dosml.learners.cartesian.settings import CaceSettings, IctpSettings
from dosml.learners.cartesian.training import Progress, Training
from dosml.learners.registry import learner_entry, load_model, make_learner
from dosml.relabel.dataset import LabelSet
from dosml.theory.cartesian import moments, monomials_to
from dosml.theory.irreducible_tensors import legendre_factor, stf_power

CACE = CaceSettings(cutoff=4.0, n_max=4, channels=4, l_max=2, nu=4, epochs=5)
ICTP = IctpSettings(cutoff=4.0, n_max=4, channels=4, rank=2, epochs=5)
BOTH = pytest.mark.parametrize("settings", [CACE, ICTP], ids=["cace", "ictp"])
CPU = torch.device("cpu")


def potential(settings, n_species: int = 1) -> Potential:
    torch.manual_seed(0)
    return Potential(settings, n_species, 18.0, 1.3)


def labelled(count: int = 6):
    """Rattled copper with the energies, forces and stresses of effective medium theory."""
    frames, energies, forces, stresses = [], [], [], []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress())
        atoms.calc = None
        frames.append(atoms)
    return frames, LabelSet(np.array(energies), forces, np.array(stresses))


def unit_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_monomials_and_tensors_of_bonds() -> None:
    n = unit_vectors(9)
    powers = np.array(monomials_to(4))
    wanted = np.prod(n[:, None, :] ** powers, axis=2)
    np.testing.assert_allclose(Monomials(4)(torch.as_tensor(n)).numpy(), wanted, atol=1e-13)
    found = Powers(4)(torch.as_tensor(n)).numpy()
    for rank in range(5):
        scale = np.sqrt((2 * rank + 1) / legendre_factor(rank))
        mine = found[:, rank * rank : (rank + 1) ** 2]
        np.testing.assert_allclose(mine, stf_power(n, rank) * scale, atol=1e-12)
        np.testing.assert_allclose((mine**2).mean(axis=1), 1.0, atol=1e-12)


def test_radial_functions_end_smoothly() -> None:
    radial = Radial(4.0, 5)
    r = torch.tensor([2.0, 3.999, 4.0, 4.1], dtype=torch.float64)
    values = radial(r, torch.ones_like(r)).detach()
    n = torch.arange(1, 6, dtype=torch.float64)
    x = 0.5
    end = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
    wanted = (2 / 4.0) ** 0.5 * torch.sin(n * torch.pi * x) / 2.0 * end
    torch.testing.assert_close(values[0], wanted)
    assert float(values[1].abs().max()) < 1e-8
    assert not values[2:].any()
    assert not radial(r, torch.zeros_like(r)).any()


@pytest.mark.parametrize("rings", [True, False])
def test_products_are_the_multigraphs(rings: bool) -> None:
    graphs = chosen_graphs(4, 3, rings=rings)
    rng = np.random.default_rng(1)
    found = np.stack([moments(unit_vectors(7), rng.normal(size=7), 3) for _ in range(4)])
    values = Products(graphs, 3)(torch.as_tensor(found.T)).numpy()
    flat = [graph for order in graphs for graph in order]
    assert len(flat) == len(values) == (17 if rings else 11)
    for graph, row in zip(flat, values, strict=True):
        np.testing.assert_allclose(row, [graph.evaluate(one, 3) for one in found], rtol=1e-10)


@BOTH
def test_frames_do_not_see_each_other(settings) -> None:
    frames = [rattled(seed=1), molecule(), bulk("Cu", a=3.0)]
    builder = TableBuilder(4.0, [29])
    model = potential(settings)
    together = model(builder.build(frames))
    joined = model(join([builder.build([frame]) for frame in frames]))
    apart = [model(builder.build([frame])) for frame in frames]
    for other in (
        joined,
        Answer(*(torch.cat([getattr(one, k) for one in apart]) for k in vars(together))),
    ):
        for name, value in vars(together).items():
            torch.testing.assert_close(getattr(other, name), value, rtol=1e-10, atol=1e-11)


@BOTH
def test_energy_grows_with_the_cell_and_forces_vanish_in_sum(settings) -> None:
    frame = rattled(seed=2)
    builder, model = TableBuilder(4.0, [29]), potential(settings)
    one, twice = (model(builder.build([f])) for f in (frame, frame * (1, 2, 1)))
    torch.testing.assert_close(twice.energies, 2 * one.energies)
    torch.testing.assert_close(twice.forces[: len(frame)], one.forces, atol=1e-10, rtol=1e-8)
    assert float(one.forces.sum(dim=0).abs().max()) < 1e-10


@BOTH
def test_mirrored_frames_have_the_same_energy(settings) -> None:
    frame = alloy(1)
    mirrored = frame.copy()
    mirrored.set_cell(frame.cell.array * [-1, 1, 1], scale_atoms=True)
    builder, model = TableBuilder(4.0, [22, 29]), potential(settings, 2)
    one, other = (model(builder.build([f])) for f in (frame, mirrored))
    torch.testing.assert_close(other.energies, one.energies)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(other.forces, one.forces * flip, atol=1e-9, rtol=1e-8)


@BOTH
def test_an_atom_alone_has_its_baseline(settings) -> None:
    frames, labels = labelled(5)
    alone = bulk("Cu", cubic=True)[[0]]
    alone.set_cell([12, 12, 12])
    labels = LabelSet(np.append(labels.energies, 3.21), [*labels.forces, np.zeros((1, 3))])
    learner = make_learner(settings.name, settings.model_dump(exclude={"preset"}))
    said = learner.fit([*frames, alone], [labels]).predict([alone])[0]
    assert said.energies[0] == pytest.approx(3.21, abs=1e-6)
    assert not said.forces[0].any()


class Quadratic(Potential):
    """E = sum over frames of x.K.x / 2 of the bonds' first vectors: the second order alone."""

    def energies(self, vectors, table):
        atoms = (vectors * table.filled[:, :, None]).square().sum(dim=(1, 2)) / 2
        return atoms.new_zeros(len(table.sizes)).index_add(0, table.frame, atoms)


def weak(model, table, form, move, forces=None) -> float:
    said = model(table, train=True)
    return float(weak_loss(model, table, said, forces, (move, -0.5 * move), form).detach())


def test_what_weak_supervision_leaves_of_an_exact_potential() -> None:
    """Of a quadratic one the second order: that of u, of u - v, and none of what is antithetic."""
    torch.manual_seed(0)
    model = Quadratic(CACE, 1, 18.0, 1.0)
    builder = TableBuilder(4.0, [29])
    table = builder.build([rattled(seed=1)])
    move = 0.05 * torch.randn(len(table.species), 3, dtype=torch.float64)
    moved = table.displaced(move).vectors - table.vectors
    second = float(moved.square().sum() / 2) / len(table.species)
    assert weak(model, table, "one-sided", move) == pytest.approx(second**2, rel=1e-9)
    # E(r) - u.F(r) and E(r + v) + (v - u).F(r + v) at v = -u/2: u.K.u/2 times 0 and (3/2)^2
    assert weak(model, table, "two-point", move) == pytest.approx(
        (second * 1.5**2 - second) ** 2, rel=1e-9
    )
    assert weak(model, table, "antithetic", move) == pytest.approx(0.0, abs=1e-20)
    # twice the atoms: the same, as each is divided by their number
    twice = builder.build([rattled(seed=1) * (2, 1, 1)])
    assert weak(model, twice, "one-sided", move.repeat(2, 1)) == pytest.approx(second**2, rel=1e-6)


def test_weak_supervision_compares_with_labelled_forces() -> None:
    model = potential(CACE)
    table = TableBuilder(4.0, [29]).build([rattled(seed=1)])
    move = 0.01 * torch.randn(len(table.species), 3, dtype=torch.float64)
    own = model(table).forces
    assert weak(model, table, "antithetic", move, own) < 1e-8
    wrong = weak(model, table, "antithetic", move, own + 1.0)
    wanted = (2 * float(move.sum()) / 1.3 / len(table.species)) ** 2
    assert wrong == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("form", ["one-sided", "two-point", "antithetic"])
def test_every_form_trains(form) -> None:
    frames, labels = labelled(4)
    settings = CACE.model_copy(update={"weak": form, "force_weight": 0.0, "epochs": 2})
    job = Job(settings, (29,), tuple(frames), labels, None, 1)
    trained, _ = run_job(job)
    assert all(torch.isfinite(value).all() for value in trained.state.values())


class KilledError(Exception):
    """Stands for the end of a process."""


@BOTH
def test_a_killed_training_goes_on_to_the_same_end(settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(training_module, "KEEP_SECONDS", 0.0)
    frames, labels = labelled()
    uninterrupted = Training(settings, [29], frames, labels, None).run(lambda _: None)

    def kill(epoch: int) -> None:
        if epoch == 3:
            raise KilledError

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        Training(settings, [29], frames, labels, checkpoint).run(kill)
    seen: list[int] = []
    again = Training(settings, [29], frames, labels, checkpoint).run(seen.append)
    assert seen == [3, 4]
    for name, value in uninterrupted.state.items():
        torch.testing.assert_close(again.state[name], value)
    # one that was cut off is as if it were not there
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    seen.clear()
    Training(settings, [29], frames, labels, checkpoint).run(seen.append)
    assert seen == [0, 1, 2, 3, 4]


def test_finished_trainings_are_kept_and_damaged_ones_made_again(tmp_path) -> None:
    frames, labels = labelled()
    learner = make_learner("cace", CACE.model_dump(exclude={"preset"})).at(tmp_path)
    first = learner.fit(frames, [labels])
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
    told: list[tuple[str, int, int]] = []
    again = learner.fit(frames, [labels], progress=lambda *words: told.append(words))
    assert told == [("cace", 0, 5), ("cace", 5, 5)]  # nothing was trained
    assert again.facts() == first.facts()
    (folder / "model.safetensors").write_bytes(b"broken")
    third = learner.fit(frames, [labels])
    np.testing.assert_allclose(
        third.predict(frames)[0].energies, first.predict(frames)[0].energies, rtol=1e-12
    )


@pytest.mark.slow
def test_label_sets_are_trained_in_processes_of_their_own() -> None:
    frames, labels = labelled()
    sets = [labels, replace(labels, energies=labels.energies + 1.0)]
    options = CACE.model_dump(exclude={"preset"})
    alone = make_learner("cace", options, workers=1).fit(frames, sets)
    apart = make_learner("cace", options, workers=2).fit(frames, sets)
    for one, other in zip(alone.predict(frames), apart.predict(frames), strict=True):
        np.testing.assert_allclose(one.energies, other.energies, rtol=1e-10)


@BOTH
def test_files_that_are_wrong_are_named(settings, tmp_path) -> None:
    frames, labels = labelled(4)
    learner = make_learner(settings.name, settings.model_dump(exclude={"preset"}))
    models = learner.fit(frames, [labels])
    path = tmp_path / "model.safetensors"
    models.save(path, 0)
    with pytest.raises(LearnerError, match="there is no model 1"):
        models.save(path, 1)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as handle:
        metadata = handle.metadata()
    tensors = load_file(path)
    name = "potential.network.radial.waves"
    save_file({**tensors, name: tensors[name] * np.nan}, path, metadata=metadata)
    with pytest.raises(LearnerError, match="waves holds numbers that are not finite"):
        load_model(path)
    save_file({**tensors, name: tensors[name][:-1].clone()}, path, metadata=metadata)
    with pytest.raises(LearnerError, match="does not fit here"):
        load_model(path)
    save_file(tensors, path, metadata={**metadata, "version": "9"})
    with pytest.raises(LearnerError, match="version '9'; this version reads"):
        CartesianModels.load(path)


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="cannot be 'huge': choose one of default, quick"):
        make_learner("cace", {"preset": "huge"})
    with pytest.raises(InputError, match="hidden_rank 3 is above rank 2"):
        make_learner("ictp", {"hidden_rank": 3, "rank": 2})
    quick = make_learner("cace", {"preset": "quick", "l_max": 1})
    assert (quick.settings.epochs, quick.settings.l_max) == (30, 1)
    assert "epochs" in learner_entry("cace").options.model_fields
    with pytest.raises(InputError, match="'cuda:77' cannot be used here"):
        make_learner("cace", {"device": "cuda:77"})


def test_frames_without_neighbours_or_volume_are_refused() -> None:
    frames, labels = labelled(3)
    with pytest.raises(LearnerError, match=r"neighbour within 1\.0 Å: raise cutoff"):
        make_learner("cace", {"cutoff": 1.0}).fit(frames, [labels])
    frames[1].pbc = False
    with pytest.raises(LearnerError, match="stress labels need frames that are periodic"):
        make_learner("cace").fit(frames, [labels])


def test_the_learning_rate_falls_without_progress_and_at_the_end() -> None:
    settings = CACE.model_copy(
        update={"epochs": 10, "lr_patience": 1, "lr_factor": 0.5, "cool_down": 0.2, "patience": 9}
    )
    progress = Progress()
    assert progress.note(1.0, settings)
    rates = []
    for _ in range(8):
        assert not progress.note(2.0, settings)
        rates.append(progress.learning_rate(settings) / settings.learning_rate)
    assert rates == pytest.approx([1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625 * 0.5])
    assert not progress.ended(settings)
    assert not progress.note(2.0, settings)
    assert progress.ended(settings)
    by_time = settings.model_copy(update={"seconds": 10.0})
    assert Progress(epoch=1, seconds=9.0).learning_rate(by_time) == pytest.approx(0.005)
    assert Progress(epoch=1, seconds=10.0, best_epoch=1).ended(by_time)


def test_plans_do_not_need_torch() -> None:
    code = (
        "import sys; from dosml.learners.registry import make_learner; "
        "one = make_learner('cace', {'nu': 2}); one.fingerprint(); one.effort(2); "
        "print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "False"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@BOTH
def test_gpu_and_cpu_agree(settings) -> None:
    frames, labels = labelled()
    found = []
    for device in ("cpu", "cuda"):
        options = {**settings.model_dump(exclude={"preset"}), "device": device, "dtype": "float64"}
        found.append(make_learner(settings.name, options).fit(frames, [labels]).predict(frames)[0])
    np.testing.assert_allclose(found[0].energies, found[1].energies, atol=1e-6)
    np.testing.assert_allclose(found[0].forces[0], found[1].forces[0], atol=1e-6)
