"""The driver over metals, with the scan of a metal replaced by one that takes no time."""

import json

import pytest
from helpers.made_up_campaigns import write_campaign
from typer.testing import CliRunner

import dosml.studies.scan
from dosml.cli import app
from dosml.errors import DiskSpaceError, InputError, LabelError, UnknownElementError
from dosml.progress import Reporter
from dosml.relabel.engines.tb import engine as tb_engine
from dosml.relabel.engines.tb.model import shipped_metals
from dosml.studies.survey import SMALL, finished_before, run_survey, survey_plans


def plans(tmp_path, metals="Ti Cu Au Pd", small=False, config=None, **options):
    return survey_plans(metals.split(), options, config, small=small, folder=tmp_path / "study")


@pytest.fixture
def scans(monkeypatch):
    """Metals whose scan was started; `fail` holds what they raise."""

    class Scans:
        def __init__(self):
            self.started, self.fail = [], {}

        def run(self, plan, _reporter):
            metal = plan.settings.target
            self.started.append(metal)
            if metal in self.fail:
                raise self.fail[metal]
            write_campaign(plan.folder, metal, sigmas=plan.settings.sigma)

    scans = Scans()
    monkeypatch.setattr(dosml.studies.scan, "run_scan", scans.run)
    return scans


@pytest.mark.usefixtures("scans")
def test_every_metal_has_a_campaign_folder_in_the_study(tmp_path):
    chosen = plans(tmp_path)
    outcomes = run_survey(chosen, tmp_path / "study", Reporter())
    assert [o.target for o in outcomes] == ["Ti", "Cu", "Au", "Pd"]
    assert [o.folder for o in outcomes] == [
        tmp_path / "study" / m for m in ("Ti", "Cu", "Au", "Pd")
    ]
    assert all((o.folder / "results.csv").exists() for o in outcomes)


def test_what_is_done_is_not_touched_and_what_changed_is_done_again(tmp_path, scans):
    run_survey(plans(tmp_path), tmp_path / "study", Reporter())
    outcomes = run_survey(plans(tmp_path, workers=1), tmp_path / "study", Reporter())
    assert all(o.reused for o in outcomes)
    assert len(scans.started) == 4
    more = plans(tmp_path, "Ti Cu Au Pd Mo")
    run_survey(more, tmp_path / "study", Reporter())
    assert scans.started[4:] == ["Mo"]
    run_survey(plans(tmp_path, "Ti", seed=1), tmp_path / "study", Reporter())
    assert scans.started[5:] == ["Ti"]
    (tmp_path / "study" / "Cu" / "results.csv").unlink()
    assert finished_before(plans(tmp_path, "Cu")[0]) is None


def test_metals_of_one_survey_have_one_engine(tmp_path, monkeypatch):
    """A metal whose parameters are taken away gives all the next engine."""
    assert [plan.source.engine.name for plan in plans(tmp_path, "Ti Pd")] == ["tb", "tb"]
    left = [metal for metal in shipped_metals() if metal != "Pd"]
    monkeypatch.setattr(tb_engine, "shipped_metals", lambda: left)
    assert [plan.source.engine.name for plan in plans(tmp_path, "Ti")] == ["tb"]
    joined = plans(tmp_path, "Ti Pd")
    assert [plan.source.engine.name for plan in joined] == ["xtb", "xtb"]
    assert all("Pd" in plan.source.choice for plan in joined)


@pytest.mark.parametrize("error", [LabelError("no label\n converged"), RuntimeError("pool broke")])
def test_a_metal_that_fails_is_named_and_the_others_go_on(tmp_path, scans, error):
    scans.fail = {"Cu": error}
    outcomes = run_survey(plans(tmp_path), tmp_path / "study", Reporter())
    assert scans.started == ["Ti", "Cu", "Au", "Pd"]
    failed = [o for o in outcomes if o.failure]
    assert [o.target for o in failed] == ["Cu"]
    assert "\n" not in failed[0].failure
    scans.fail = {}
    run_survey(plans(tmp_path), tmp_path / "study", Reporter())
    assert scans.started[4:] == ["Cu"]


def test_a_full_disk_ends_the_study(tmp_path, scans):
    scans.fail = {"Cu": DiskSpaceError("no space left")}
    with pytest.raises(DiskSpaceError):
        run_survey(plans(tmp_path), tmp_path / "study", Reporter())
    assert scans.started == ["Ti", "Cu"]


def test_small_gives_way_to_what_the_user_gives(tmp_path):
    config = tmp_path / "study.toml"
    config.write_text("test = 5\n")
    one = plans(tmp_path, "Ti", small=True, config=config, sigma="0.3,0.6")[0].settings
    assert (one.sigma, one.train, one.test) == ((0.3, 0.6), SMALL["train"], 5)
    assert plans(tmp_path, "Ti")[0].settings.train == 27


def test_nothing_starts_before_every_metal_is_checked(tmp_path):
    with pytest.raises(InputError, match="Ti given twice"):
        plans(tmp_path, "Ti Cu Ti")
    with pytest.raises(UnknownElementError):
        plans(tmp_path, "Ti Xx")
    with pytest.raises(InputError, match="--sigma"):
        plans(tmp_path, sigma="0.2,-1")
    assert not (tmp_path / "study").exists()


def test_the_command_reports_what_it_has_and_names_what_failed(tmp_path, scans):
    scans.fail = {"Cu": LabelError("no label converged")}
    out = tmp_path / "study"
    result = CliRunner().invoke(app, ["survey", "Ti", "Cu", "Au", "--small", "--out", str(out)])
    assert result.exit_code == 1
    assert "Cu has no result: no label converged" in result.stdout
    assert "does the d-DOS predict learnability? Undecided. 2 metals" in result.stdout
    assert "Cu has no result" in (out / "report.html").read_text(encoding="utf-8")
    assert json.loads((out / "campaign.json").read_text())["run"]["targets"] == ["Ti", "Cu", "Au"]
    again = CliRunner().invoke(app, ["report", str(out), "--out", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "report.html").exists()


def test_the_plan_writes_nothing(tmp_path):
    out = tmp_path / "study"
    result = CliRunner().invoke(
        app, ["survey", "Ti", "Cu", "--engine", "xtb", "--small", "--dry-run", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "Cu: to do" in result.stdout
    assert "42 with the engine xtb" in result.stdout
    assert not out.exists()
