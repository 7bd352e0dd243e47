"""What there is, on the command line: engines and learners with their options."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import InputError
from dosml.learners.registry import learner_entry, learner_names
from dosml.relabel.engines.registry import engine_entry, engine_names


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("command", "names", "entry"),
    [("engines", engine_names(), engine_entry), ("learners", learner_names(), learner_entry)],
)
def test_every_name_is_listed_and_every_option_shown(command, names, entry) -> None:
    listed = run(command)
    for name in names:
        assert f"\n{name:<12}{entry(name).help}" in f"\n{listed}"
        shown = run(command, "show", name)
        for option in entry(name).options.model_fields:
            assert f"-option {option}=..." in shown
    assert "ase:MODULE:FUNCTION" in listed


def test_a_name_that_is_not_there_is_refused() -> None:
    result = CliRunner().invoke(app, ["engines", "show", "nonsense"])
    assert isinstance(result.exception, InputError)
