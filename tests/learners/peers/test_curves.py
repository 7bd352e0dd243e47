"""Training curves from logs of real trainings: eight-atom cells of copper, 12 epochs each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dosml.analysis.report.training_section import training_section
from dosml.learners.peers.adapters import ADAPTERS
from dosml.studies.training_curves import training_curves, write_training_curves
from dosml.trainings import Training

LOGS = Path(__file__).parent / "logs"
FORCE = "force_rmse_validation_ev_per_angstrom"
# first and last force RMSE of the watched frames in eV/Å, as the logs print them
KNOWN = {
    "nequip": (0.2786744, 0.1512416),
    "mace": (0.8073204, 0.1170804),
    "soap-bpnn": (0.75545, 0.16194),
}


class Quiet:
    def __init__(self):
        self.said = []

    def warn(self, text):
        self.said.append(text)


def training(name, place):
    """A training in the store at `place` whose log is one of the real ones."""
    shutil.copytree(LOGS / name, place / "trainings" / "one", dirs_exist_ok=True)
    facts = ({"training": "one"},)
    return Training(("sigma_0.2",), (), facts, place / "model", {"learner": name}, ".zip")


@pytest.mark.parametrize("name", KNOWN)
def test_a_log_gives_every_epoch(name):
    rows = ADAPTERS[name].curve(LOGS / name)
    assert [row["epoch"] for row in rows] == list(range(12))
    assert (rows[0][FORCE], rows[-1][FORCE]) == pytest.approx(KNOWN[name], rel=1e-5)
    assert all(row["loss_training"] > 0 for row in rows)


def test_the_step_losses_of_mace_are_averaged_over_an_epoch():
    first = ADAPTERS["mace"].curve(LOGS / "mace")[0]
    lines = next((LOGS / "mace" / "results").iterdir()).read_text().splitlines()
    losses = [float(line.split(",")[0].split()[1]) for line in lines if '"epoch": 0' in line
              and '"opt"' in line]  # fmt: skip
    assert first["loss_training"] == pytest.approx(sum(losses) / len(losses))


def test_a_training_that_was_continued_counts_once(tmp_path):
    shutil.copytree(LOGS / "nequip", tmp_path, dirs_exist_ok=True)
    log = tmp_path / "run" / "log"
    shutil.copytree(log / "version_0", log / "version_1")
    assert len(ADAPTERS["nequip"].curve(tmp_path)) == 12


def test_the_report_tells_the_best_epoch_and_what_fell_to_the_end(tmp_path):
    reporter = Quiet()
    parts = [training(name, tmp_path / name) for name in KNOWN]
    (section,) = write_training_curves(tmp_path, parts, reporter)
    assert reporter.said == []
    table = section["table"]
    assert [row[0]["text"] for row in table["rows"]] == list(KNOWN)
    assert table["rows"][0][-1]["text"] == "151.2"  # meV/Å
    assert "still fell when training ended: " in section["warnings"][0]
    (figure,) = section["figures"]
    assert figure["source"].startswith("data:image/svg+xml")
    assert (tmp_path / "training_curves.csv").is_file()


def test_a_curve_that_rose_again_is_not_said_to_fall(tmp_path):
    part = training("nequip", tmp_path)
    rising = training_curves([part], Quiet())
    rising[FORCE] = rising["epoch"] + 1.0
    write_training_curves(tmp_path, [part], Quiet())
    name = tmp_path / "figures" / "training_curves.png"
    figure = type("Figure", (), {"title": "", "caption": "", "png": name})
    section = training_section(rising, figure, file="x.csv")
    assert section["warnings"] == []
    assert section["table"]["rows"][0][3]["text"] == "1"  # the first epoch was the best


def test_a_damaged_log_is_told_and_left_out(tmp_path):
    part = training("soap-bpnn", tmp_path)
    (path,) = (tmp_path / "trainings" / "one").glob("outputs/*/*/train.csv")
    path.write_text(path.read_text()[:-20] + "\n")
    reporter = Quiet()
    assert write_training_curves(tmp_path, [part], reporter) == []
    assert "the training curve of soap-bpnn, sigma_0.2 is left out" in reporter.said[0]


def test_a_learner_without_epochs_has_no_curve(tmp_path):
    part = Training(("a",), (), ({"learner": "sgp"},), tmp_path, {"learner": "sgp"}, ".npz")
    assert write_training_curves(tmp_path, [part], Quiet()) == []
