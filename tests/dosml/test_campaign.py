"""The campaign folder: one run at a time, one subject, a log that keeps tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dosml.campaign import Campaign
from dosml.errors import CampaignLockedError, CampaignMismatchError, InputError

HOLD = """
import sys, time
from pathlib import Path
from dosml.campaign import Campaign
with Campaign(Path(sys.argv[1]), "Ti"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_two_runs_on_one_folder_are_refused_until_the_first_is_gone(tmp_path) -> None:
    folder = tmp_path / "study"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline().strip() == "locked"
        with (
            pytest.raises(CampaignLockedError, match=rf"process {first.pid} on "),
            Campaign(folder, "Ti"),
        ):
            pass
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with Campaign(folder, "Ti"):
        pass  # the kernel released the lock of the killed run


def test_another_subject_is_refused(tmp_path) -> None:
    with Campaign(tmp_path, "Ti"):
        pass
    with (
        pytest.raises(CampaignMismatchError, match="study of Ti, not of Cu"),
        Campaign(tmp_path, "Cu"),
    ):
        pass
    with Campaign(tmp_path, "Ti"):
        pass  # the refused run let go of the lock


def test_foreign_record_is_refused(tmp_path) -> None:
    (tmp_path / "campaign.json").write_text("{}")
    with (
        pytest.raises(CampaignMismatchError, match="not a campaign record"),
        Campaign(tmp_path, "Ti"),
    ):
        pass


def test_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="give another --out"),
        Campaign(tmp_path / "file" / "study", "Ti"),
    ):
        pass


def test_the_log_keeps_the_traceback(tmp_path) -> None:
    with pytest.raises(RuntimeError), Campaign(tmp_path, "Ti") as campaign:
        raise RuntimeError("broken on purpose")
    text = campaign.log_path.read_text()
    assert "Traceback" in text
    assert "broken on purpose" in text


def refuse(folder, *, work=False, error=InputError):
    with pytest.raises(error), Campaign(folder, "Ti") as campaign:
        campaign.record({"command": "train"})
        if work:
            (folder / "labels").mkdir()
        raise error("no")


def test_a_refused_run_leaves_no_folder_of_its_own(tmp_path) -> None:
    refuse(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    # what was computed, what was there before, and failures of another kind stay
    refuse(tmp_path / "worked", work=True)
    assert (tmp_path / "worked" / "dosml.log").exists()
    (tmp_path / "old").mkdir()
    refuse(tmp_path / "old")
    assert (tmp_path / "old" / "campaign.json").exists()
    refuse(tmp_path / "failed", error=RuntimeError)
    assert "RuntimeError" in (tmp_path / "failed" / "dosml.log").read_text()
