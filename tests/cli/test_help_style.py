"""Help in one style: a default for every option, no value for a flag, one type for one name."""

from __future__ import annotations

from collections import defaultdict

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dosml.cli import app
from dosml.cli.help_style import split_default


def options(command=None, name=""):
    """Every option of every command, with the name of the command."""
    command = command or get_command(app)
    for part, one in getattr(command, "commands", {}).items():
        yield from options(one, f"{name} {part}".strip())
    for one in command.params if name else ():
        if one.param_type_name == "option":
            yield name, one


def test_every_option_says_its_default_once():
    for name, option in options():
        if option.is_flag or option.required:
            continue
        where = f"dosml {name} {option.opts[0]}"
        assert option.help.count("default: ") == 1, where
        assert "Default" not in option.help, where
        words, default = split_default(option)
        assert words.endswith("."), where
        assert default, where
        assert not default.endswith("."), where


@pytest.mark.parametrize(
    "command", ["smear-scan", "dos", "phonons", "relabel inputs", "env create"]
)
def test_the_help_shows_it(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = CliRunner().invoke(app, [*command.split(), "--help"]).output
    assert "[default: " in text
    assert "<bool>" not in text
    assert "[dim]" not in text


def test_a_literal_and_a_said_default_look_alike(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = CliRunner().invoke(app, ["dos", "--help"]).output
    assert "[default: -2 2]" in text
    assert "[default: -10 10, or what the file covers of it]" in text
    assert "[default: none]" in text


def test_an_option_has_one_type_everywhere():
    kinds = defaultdict(lambda: defaultdict(list))
    for name, option in options():
        kind = (str(option.type_descriptor.annotation), option.multiple, option.is_flag)
        kinds[option.opts[0]][kind, option.metavar].append(name)
    assert not {name: dict(found) for name, found in kinds.items() if len(found) > 1}
