"""Machines that lack a home, a folder for caches or one for temporary files."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from dosml.surroundings import settle_caches, settle_home


@pytest.fixture
def nobody(monkeypatch):
    """Be a user without HOME whom the machine does not know."""

    def unknown(_: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    # `settle_home` sets it: setenv first, so that it is put back afterwards
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("HOME")


@pytest.mark.usefixtures("nobody")
def test_an_unknown_user_has_the_root_folder_for_a_home() -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    settle_home()
    assert Path.home() == Path("/")


def test_a_home_is_left_alone(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settle_home()
    assert os.environ["HOME"] == "/home/somebody"


@pytest.mark.parametrize("writable", [True, False])
def test_caches_go_where_they_can_be_written(monkeypatch, tmp_path, writable: bool) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "none"))
    monkeypatch.setattr(os, "access", lambda *_: writable)
    settle_caches()
    if writable:
        assert "MPLCONFIGDIR" not in os.environ
    else:
        assert Path(os.environ["MPLCONFIGDIR"]).is_dir()
        # whoever set one wants it, writable or not
        monkeypatch.setenv("MPLCONFIGDIR", "/nowhere")
        settle_caches()
        assert os.environ["MPLCONFIGDIR"] == "/nowhere"


def test_a_command_needs_none_of_them(tmp_path) -> None:
    """No HOME, an unknown user and a TMPDIR that is missing."""
    code = (
        "import pwd, sys\n"
        "def unknown(_): raise KeyError('uid not found')\n"
        "pwd.getpwuid = unknown\n"
        "sys.argv = ['dosml', 'smear-scan', 'Cu', '--engine', 'xtb', '--dry-run']\n"
        "from dosml.cli import main; main()\n"
    )
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "PYTHONPATH"}}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**kept, "TMPDIR": str(tmp_path / "missing"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "subject   Cu" in result.stdout
