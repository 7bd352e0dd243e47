"""`dosml body-order`: engines, models and scans, with potentials that take no time."""

from __future__ import annotations

import sys

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

import dosml
from dosml.cli import app
from dosml.errors import InputError, LearnerError
from dosml.progress import Reporter
from dosml.relabel.clusters import draw_clusters
from dosml.relabel.hydrogen import LABELS, hydrogen_dataset
from dosml.settings import join_settings
from dosml.studies.body_order import body_order
from dosml.studies.body_order_settings import BodyOrderSettings
from dosml.terminal import make_console

#: A pair potential whose depth is the width, and a square root of a pair sum.
MODULE = """
import os
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Pairs(Calculator):
    implemented_properties = ["energy", "forces"]
    root = False
    def __init__(self, depth):
        super().__init__()
        self.depth = depth
    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        with open(os.environ["PAIRS_LOG"], "a") as log:
            log.write(f"{len(self.atoms)}\\n")
        if os.environ.get("PAIRS_FAIL") == str(len(self.atoms)):
            raise RuntimeError("no such luck")
        p = self.atoms.positions
        v = p[:, None] - p
        d = np.linalg.norm(v, axis=2) + 1e9 * np.eye(len(p))
        w = np.exp(-d)
        scale = self.depth * np.ones(len(p))
        if self.root:
            sums = np.sqrt(w.sum(axis=1))
            energy = -self.depth * sums.sum()
            scale = np.where(sums > 0, 0.5 * self.depth / np.maximum(sums, 1e-300), 0.0)
        else:
            energy = -0.5 * self.depth * w.sum()
            scale = 0.5 * scale
        slope = (scale[:, None] + scale) * w / d
        forces = -(slope[:, :, None] * v).sum(axis=1)
        self.results = {"energy": energy - 5.0 * len(p), "forces": forces}

class Root(Pairs):
    root = True

def pairs(setting):
    return Pairs(setting.smearing.width)

def root(setting):
    return Root(setting.smearing.width)
"""


@pytest.fixture
def potentials(tmp_path, monkeypatch):
    """A folder with the module, which is left as it was afterwards; gives the log of its work."""
    (tmp_path / "pair_potential.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRS_LOG", str(tmp_path / "log"))
    kept = list(sys.path)
    yield tmp_path / "log"
    sys.path[:] = kept
    sys.modules.pop("pair_potential", None)


def quiet() -> Reporter:
    return Reporter(make_console(quiet=True))


def study(target, **options):
    options = {name: str(one) if name == "frames" else one for name, one in options.items()}
    given = {"workers": 1, "target": str(target), **options}
    return body_order(
        join_settings(BodyOrderSettings, given, None, required=None, nothing=""), quiet()
    )


def run(*words):
    return CliRunner().invoke(app, ["body-order", *map(str, words)])


def clusters(path, sizes=(5,), count=4):
    frames = draw_clusters(sizes, count, density=0.05, shortest=1.2, seed=0)
    ase.io.write(path, [Atoms("Cu" + str(len(f)), f.positions) for f in frames], format="extxyz")
    return path


def test_a_pair_potential_takes_two_bodies(potentials, tmp_path):
    frames = clusters(tmp_path / "clusters.extxyz")
    done = run(
        "ase:pair_potential:pairs", "--frames", frames, "--sigma", "0.5,1.5", "--out", "pairs",
        "--workers", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "95 % of the binding energy 2.00 to 2.00 (+0.00" in " ".join(done.output.split())
    table = pd.read_csv("pairs/clusters.csv")
    assert (table["effective_body_order"] == 2).all()
    assert (table["effective_force_order"] == 2).all()
    orders = pd.read_csv("pairs/body_orders.csv")
    assert orders[orders["order"] > 2]["energy_ev"].abs().max() < 1e-10
    assert orders[orders["order"] >= 2]["sum_error_ev_per_atom"].abs().max() < 1e-10
    assert orders[orders["order"] >= 2]["force_sum_error_ev_per_angstrom"].max() < 1e-10
    # energies are proportional to the width here
    two = orders[orders["order"] == 2].pivot_table(
        index="cluster", columns="sigma_ev", values="energy_ev"
    )
    np.testing.assert_allclose(two[1.5] / two[0.5], 3.0)
    report = tmp_path.joinpath("pairs", "report.html").read_text(encoding="utf-8")
    assert "How many bodies does ase:pair_potential:pairs need?" in report
    # every part once: two settings share a task, not a calculation
    assert len(potentials.read_text().split()) == 2 * 4 * (2**5 - 1)


def test_what_is_computed_is_not_computed_again(potentials, tmp_path):
    frames = clusters(tmp_path / "clusters.extxyz")
    first = study("ase:pair_potential:root", frames=frames, out="root")
    n = len(potentials.read_text().split())
    assert n == 4 * 31
    again = study("ase:pair_potential:root", frames=frames, out="root")
    assert len(potentials.read_text().split()) == n
    pd.testing.assert_frame_equal(again.orders, first.orders)
    files = sorted(tmp_path.glob("root/energies/*/*.npz"))
    assert len(files) == 4
    # damaged, missing and half written are one state; a new width leaves the old labels alone
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].unlink()
    third = study("ase:pair_potential:root", frames=frames, out="root")
    assert len(potentials.read_text().split()) == n + 2 * 31
    pd.testing.assert_frame_equal(third.orders, first.orders)
    study("ase:pair_potential:root", frames=frames, out="root", sigma=(0.2, 1.0))
    assert len(potentials.read_text().split()) >= n + 2 * 31 + 4 * 31


@pytest.mark.usefixtures("potentials")
def test_workers_give_the_same_numbers(tmp_path):
    frames = clusters(tmp_path / "clusters.extxyz", count=2)
    one = study("ase:pair_potential:root", frames=frames, out="one")
    two = study("ase:pair_potential:root", frames=frames, out="two", workers=2)
    pd.testing.assert_frame_equal(one.orders, two.orders)


@pytest.mark.usefixtures("potentials")
def test_environments_are_cut_from_periodic_frames():
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.1, seed=1)
    ase.io.write("cu.extxyz", [crystal], format="extxyz")
    result = study("ase:pair_potential:root", frames="cu.extxyz", size=(4, 6), count=3, out="env")
    assert set(result.clusters["n_atoms"]) == {4, 6}
    assert len(result.clusters) == 6
    # a root of a pair sum needs more bodies the more neighbours there are
    means = result.clusters.groupby("n_atoms")["effective_body_order"].mean()
    assert means[6] >= means[4] > 2


@pytest.mark.usefixtures("potentials")
def test_large_clusters_are_truncated_or_sampled(tmp_path):
    frames = clusters(tmp_path / "large.extxyz", sizes=(14,), count=1)
    with pytest.raises(InputError, match=r"2\^14 - 1 parts, at most 12 atoms"):
        study("ase:pair_potential:pairs", frames=frames, out="no")
    assert not (tmp_path / "no").exists()
    cut = study("ase:pair_potential:pairs", frames=frames, max_order=2, out="cut")
    assert list(cut.orders["order"]) == [1, 2]
    assert cut.orders["sum_error_ev_per_atom"].iloc[-1] == pytest.approx(0, abs=1e-10)
    drawn = study("ase:pair_potential:pairs", frames=frames, max_order=3, samples=40, out="drawn")
    two, three = drawn.orders.iloc[1], drawn.orders.iloc[2]
    assert two["standard_error_ev"] > 0
    exact = float(cut.orders["energy_ev"].iloc[1])
    assert abs(two["energy_ev"] - exact) < 5 * two["standard_error_ev"]
    assert abs(three["energy_ev"]) < 1e-9  # no three-body term, so no scatter
    huge = clusters(tmp_path / "huge.extxyz", sizes=(40,), count=1)
    with pytest.raises(InputError, match="at most 20000 are meant"):
        study("ase:pair_potential:pairs", frames=huge, max_order=6, out="no")


@pytest.mark.usefixtures("potentials")
def test_a_part_without_an_energy_is_told(tmp_path, monkeypatch):
    frames = clusters(tmp_path / "clusters.extxyz", sizes=(3, 4), count=2)
    monkeypatch.setenv("PAIRS_FAIL", "4")
    done = run("ase:pair_potential:pairs", "--frames", frames, "--out", "part", "--workers", 1)
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.split())
    assert "cluster 0 of Cu (4 atoms) is left out, 1 of 15 parts have no energy" in words
    assert "no such luck" in words
    monkeypatch.setenv("PAIRS_FAIL", "1")
    with pytest.raises(dosml.errors.LabelError, match="no cluster could be expanded"):
        study("ase:pair_potential:pairs", frames=frames, out="none")


def small_model(path):
    """The sgp on a few clusters of hydrogen, saved."""
    from dosml.learners.registry import make_learner

    data = hydrogen_dataset(0.1)
    part = data.take(data.train[:30])
    learner = make_learner("sgp", {"descriptor": "B1", "cutoff": 5.0, "n_max": 4})
    learner.fit(part.frames, part.label_sets).save(path, 0)
    return path


@pytest.mark.usefixtures("potentials")
def test_a_saved_model_is_expanded(tmp_path):
    model = small_model(tmp_path / f"{LABELS}.npz")
    done = run(
        model, "--frames", "hydrogen", "--metals", "H 0.02 Å⁻³,H 0.1 Å⁻³", "--size", 4,
        "--count", 2, "--out", "model", "--workers", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv("model/clusters.csv")
    assert len(table) == 4
    orders = pd.read_csv("model/body_orders.csv")
    sums = orders.groupby(["subject", "cluster"])["energy_ev"].sum()
    last = orders[orders["order"] == 4]
    assert last["sum_error_ev_per_atom"].abs().max() < 1e-10
    assert np.isfinite(sums).all()


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    out = tmp_path_factory.mktemp("bodies") / "scan"
    return dosml.smear_scan(
        "Cu", engine="tb", cell="small", kpoints=(1, 1, 1), sigma=(0.2, 2.0), train=6, test=3,
        cutoff=4.0, n_max=3, l_max=2, inducing=20, workers=1, out=out,
    )  # fmt: skip


def test_a_scan_gives_engine_and_models_of_every_setting(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = study(scan.folder, size=(3,), count=4, out="scan")
    assert set(zip(result.summary["source"], result.summary["setting"], strict=True)) == {
        ("tb", "sigma_0.2"), ("tb", "sigma_2"), ("sgp", "sigma_0.2"), ("sgp", "sigma_2"),
    }  # fmt: skip
    assert set(result.parts["part_atoms"]) == {1, 2, 3}
    assert set(result.parts["setting"]) == {"sigma_0.2", "sigma_2"}
    assert result.summary["chi_4_states2_per_ev_atom2"].notna().sum() == 2  # the engine's
    report = scan.report.read_text(encoding="utf-8")
    assert "Body orders" in report
    assert "Body orders against smearing" in report
    # a model in a scan's folder finds the frames of the scan
    model = scan.models.files["sigma_2"]
    alone = study(model, size=(3,), count=2, out="alone")
    assert list(alone.clusters["source"]) == [model.parent.name] * 2


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("nothing", {"frames": "reference"}, "nothing is no file, no folder of a scan and no"),
        ("tb", {}, "tb brings no frames: name some with --frames"),
        ("tb", {"frames": "reference", "metals": ("Xx",)}, "the frames are of"),
        ("tb", {"frames": "reference", "sigma": (-1.0,)}, "--sigma takes widths above zero"),
        ("tb", {"frames": "reference", "sigma": (1e9,)}, "widths end at 50 eV"),
        ("tb", {"frames": "reference", "size": (1,)}, "--size takes numbers of atoms from 2"),
        ("tb", {"frames": "reference", "size": (13,)}, r"2\^13 - 1 parts"),
        ("tb", {"frames": "reference", "electrons": (99.0,)}, "--electrons takes numbers up to"),
        ("tb", {"frames": "reference", "share": 1.0}, "--share"),
        ("tb", {"frames": "reference", "count": 0}, "--count"),
        ("tb", {"frames": "reference", "vacuum": 1}, "--vacuum"),
        ("tb", {"frames": "reference", "cutoff": 4.0}, "--cutoff is for the target hydrogen"),
        ("tb", {"frames": "reference", "samples": 5, "max_order": 12}, "smaller --max-order"),
        ("xtb", {"frames": "reference", "scheme": "cold"}, "smears with fermi-dirac only"),
        ("tb", {"frames": "hydrogen"}, "ships no parameters for H|no parameters for H"),
        ("hydrogen", {"learner": ("nobody",)}, "nobody"),
        ("hydrogen", {"metals": ("Ti",)}, "has H 0.02 Å⁻³, H 0.1 Å⁻³, H 0.3 Å⁻³: name one"),
    ],
)
def test_what_cannot_be_done_is_refused_before_there_is_a_folder(
    tmp_path, monkeypatch, target, options, words
):
    monkeypatch.chdir(tmp_path)
    from dosml.studies.hydrogen import hydrogen_study

    with pytest.raises(dosml.errors.DosmlError, match=words):
        settings = join_settings(
            BodyOrderSettings, {"target": target, **options}, None, required=None, nothing=""
        )
        (hydrogen_study if target == "hydrogen" else body_order)(settings, quiet())
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("potentials")
def test_from_python_frames_are_given_as_they_are():
    frames = draw_clusters((4,), 2, density=0.05, shortest=1.2, seed=0)
    result = dosml.body_order("ase:pair_potential:pairs", frames=frames, workers=1, out="python")
    assert (result.clusters["effective_body_order"] == 2).all()
    assert result.sentences[0].startswith("ase:pair_potential:pairs, sigma_0.2, H, 4 atoms: 95 %")


def test_files_that_are_none_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.npz").write_bytes(b"no model")
    with pytest.raises(LearnerError):
        study(tmp_path / "model.npz", frames="reference")
    (tmp_path / "frames.extxyz").write_text("no frames")
    done = run("tb", "--frames", "frames.extxyz")
    assert done.exit_code == 2 or isinstance(done.exception, dosml.errors.DosmlError)
    ase.io.write("atoms.extxyz", [Atoms("Cu"), Atoms("Cu", [[0, 0, 1.0]])], format="extxyz")
    with pytest.raises(InputError, match="single atoms, which have no body orders"):
        study("tb", frames="atoms.extxyz")


def test_hydrogen_is_studied_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from dosml.studies.hydrogen import hydrogen_study

    settings = join_settings(
        BodyOrderSettings,
        {"target": "hydrogen", "count": 1, "workers": 1, "inducing": 60, "n_max": 3, "out": "h",
         "learner_options": {"sgp": {"l_max": 2, "max_iterations": 5}}},
        None,
        required=None,
        nothing="",
    )  # fmt: skip
    result = hydrogen_study(settings, quiet())
    assert set(result.summary["source"]) == {"full CI", "sgp B1", "sgp B2"}
    errors = pd.read_csv("h/errors.csv")
    # trained on three densities and tested on three, all sizes and small ones
    whole = errors[errors["n_atoms"].isna()]
    assert len(whole) == 2 * 3 * 3 * 2
    own = whole[whole["trained_on"] == whole["tested_on"]]
    assert (own["force_rmse_ev_per_angstrom"] < own["force_rms_ev_per_angstrom"]).all()
    exact = result.orders[result.orders["source"] == "full CI"]
    assert exact["force_sum_error_ev_per_angstrom"].isna().all()
    report = tmp_path.joinpath("h", "report.html").read_text(encoding="utf-8")
    assert "Which force field finds the body orders of hydrogen?" in report
    assert result.sentences[0].startswith("Lowest energy RMSE on held-out clusters")
