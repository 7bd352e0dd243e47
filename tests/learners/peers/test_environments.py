"""Environments: whole or not there, locked, found by the learners that need them."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from dosml.errors import EnvironmentBuildError, EnvironmentMissingError, InputError
from dosml.learners.peers import environments
from dosml.learners.peers.adapters import ADAPTERS
from dosml.learners.registry import learner_names, make_learner, option_names


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DOSML_ENVIRONMENTS", str(tmp_path / "envs"))
    return tmp_path / "envs"


@pytest.fixture
def builds(monkeypatch):
    """Record the commands of a build instead of running them; `venv` gives a Python."""
    commands = []

    def run(command, _log, _variables=None):
        commands.append([str(word) for word in command])
        if commands[-1][1:3] == ["-m", "venv"]:
            python = Path(commands[-1][3]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(environments, "_run", run)
    return commands


def test_missing_environment_names_the_command(folder) -> None:
    with pytest.raises(EnvironmentMissingError, match="`dosml env create metatrain`"):
        make_learner("soap-bpnn")
    assert not folder.exists()


def test_create_records_versions_and_comes_once(folder, builds) -> None:
    said = []
    made = environments.create("nequip", say=said.append)
    assert made.folder == folder / "nequip"
    assert made.versions["pip"]
    assert environments.find("nequip") == made
    torch = next(words for words in builds if words[-1] == "torch")
    assert environments.TORCH_CPU_INDEX in torch
    count = len(builds)
    assert environments.create("nequip", say=said.append) == made
    assert len(builds) == count
    assert environments.remove("nequip") == folder / "nequip"
    assert environments.find("nequip") is None
    assert environments.remove("nequip") is None


@pytest.mark.usefixtures("builds")
def test_a_killed_create_leaves_nothing_that_looks_complete(folder, monkeypatch) -> None:
    whole = environments._record
    monkeypatch.setattr(
        environments, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        environments.create("mace", say=lambda _: None)
    assert (folder / "mace" / "bin" / "python").exists()
    assert environments.find("mace") is None
    with pytest.raises(EnvironmentMissingError):
        environments.require("mace")
    monkeypatch.setattr(environments, "_record", whole)
    said = []
    environments.create("mace", say=said.append)
    assert "not complete" in said[0]
    assert environments.find("mace") is not None


def test_a_failing_step_is_told_with_its_log(folder) -> None:
    folder.mkdir()
    log = folder / "create.log"
    with pytest.raises(EnvironmentBuildError, match=r"ERROR: no such thing.*create\.log"):
        environments._run(
            [sys.executable, "-c", "import sys; print('ERROR: no such thing'); sys.exit(3)"],
            log,
            None,
        )


@pytest.mark.parametrize("name", [*environments.RECIPES, "torch"])
def test_locks_pin_everything_exactly(name) -> None:
    text = (files("dosml.learners.peers") / "locks" / f"{name}.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+]+(; .*)?", line), line
    held = {re.split("==", line)[0].lower().replace("_", "-"): line for line in lines}
    if name in environments.RECIPES:
        assert "torch" not in held, "torch.txt pins it, by platform"
        first = environments.RECIPES[name].packages[0]
        assert first in held or name == "flare"  # mir-flare is compiled


def test_mace_and_nequip_need_different_e3nn() -> None:
    locks = files("dosml.learners.peers") / "locks"
    assert "e3nn==0.4.4\n" in (locks / "mace.txt").read_text()
    assert "e3nn==0.6.0\n" in (locks / "nequip.txt").read_text()


def test_names() -> None:
    assert environments.environment_name("pet") == "metatrain"
    with pytest.raises(InputError, match="no environment named 'cace'"):
        environments.environment_name("cace")
    ours = {"sgp", "cace", "ictp"}
    assert set(environments.ENVIRONMENT_OF) == set(ADAPTERS) == set(learner_names()) - ours
    assert "l_max" in option_names("nequip")
    assert "l_max" not in option_names("pet")
    with pytest.raises(InputError, match="no learner named 'race'"):
        option_names("race")
