"""One way to print: text is data, numbers stay whole, and no terminal ends a run."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pandas as pd
import pytest

from dosml.analysis.report.terminal import swap_terminal
from dosml.cli.tables import training_table
from dosml.progress import Reporter
from dosml.terminal import Output, make_console, new_table, one_line, show

ROOT = Path(__file__).parents[2]
#: The module that prints, and programs that run where it is not.
PRINTERS = ("dosml/terminal.py", "dosml/learners/peers/workers/", "dosml/cli/net.py")


@pytest.fixture
def screen(monkeypatch):
    """Standard output of an encoding: screen("ascii"), and what was written to it."""

    def make(encoding="utf-8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)

        def written() -> str:
            stream.flush()
            return stream.buffer.getvalue().decode(encoding)

        return written

    return make


def test_text_is_never_markup(screen) -> None:
    written = screen()
    reporter = Reporter()
    names = ["Cu[fcc].extxyz", "run[/red].extxyz", "[bold]x[/bold]", ":smile: ~ $x$", "Cu@300K"]
    for name in names:
        reporter.say(name)
        reporter.warn(name)
        with reporter.bar(name, 1) as update:
            update(1)
    table = new_table(title="[x] [/y]")
    table.add_column("[/y]")
    for name in names:
        table.add_row(name)
    reporter.show(table)
    for name in names:
        # a bar shows itself only once in a pipe
        assert written().count(name) >= 3


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "cp1251"])
def test_characters_degrade(screen, encoding: str) -> None:
    written = screen(encoding)
    reporter = Reporter()
    reporter.say("σ = 0.2 eV, 3.5 meV/Å, Ti–Os, 50 000 µeV, файл 铜.extxyz")
    table = new_table("force error at σ")
    table.add_column("σ\neV", no_wrap=True)
    table.add_row("0.2")
    reporter.show(table)
    with reporter.bar("σ", 1) as update:
        update(1)
    assert "0.2" in written()
    if encoding == "ascii":
        assert written().startswith("s = 0.2 eV, 3.5 meV/A, Ti-Os, ")
        assert r"\u94dc.extxyz" in written()


def test_a_terminal_that_goes_away_ends_no_run() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    stream = Output(Gone())
    print("one", file=stream)
    print("two", file=stream)
    stream.end()
    assert isinstance(stream.failure, BrokenPipeError)
    nowhere = Output(None)
    print("one", file=nowhere)
    nowhere.end()
    assert nowhere.failure is None


def test_one_line_shows_control_characters() -> None:
    assert one_line("a\tb\x1b[31mred\x07 \u202egnp.exe  two  blanks") == (
        r"a\tb\x1b[31mred\x07 \u202egnp.exe  two  blanks"
    )
    assert one_line("  indented\n  and broken \n") == "  indented and broken"


SWAP = pd.DataFrame(
    {
        "case": ["gold with the electrons of osmium"],
        "force_percent_error": [12.3],
        "force_percent_error_low": [10.1],
        "force_percent_error_high": [14.7],
        "force_mae_ev_per_angstrom": [0.123],
        "force_mav_ev_per_angstrom": [1.25],
        "d_band_center_ev": [-3.21],
        "d_electrons_of_ten": [9.6],
        "n_times_ten_minus_n": [3.8],
        "chi_4_states2_per_ev_atom2": [0.37],
    }
)
TRAINING = pd.DataFrame(
    {
        "label_set": ["a_label_set_with_a_very_long_name_of_somebody_else"],
        "learner": ["sgp"],
        "n_train": [1200],
        "force_percent_error": [12.3],
        "force_percent_error_low": [10.1],
        "force_percent_error_high": [14.7],
        "force_mae_ev_per_angstrom": [0.0456],
        "energy_mae_ev_per_atom": [0.00789],
        "cpu_seconds": [98.7],
    }
)


def test_a_narrow_column_is_not_left_out(screen, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    written = screen()
    table = new_table("title", "a caption of many words that is wrapped")
    for heading in "abcdefghij":
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(*"12345", *(str(10**k) for k in range(5)))
    show(make_console(), table)
    (row,) = (line for line in written().splitlines() if "10000" in line)
    assert row.split() == [*"12345", "1", "10", "100", "1000", "10000"]


@pytest.mark.parametrize(
    ("table", "numbers"),
    [
        (lambda: swap_terminal(SWAP), "12.3 (10.1-14.7)|0.123|1.25|-3.21|9.6|3.8|0.37"),
        (lambda: training_table(TRAINING, ["learner"]), "1200|12.3 (10.1-14.7)|45.6|7.89|98.7"),
    ],
    ids=["swap", "training"],
)
def test_numbers_are_whole_in_a_pipe_of_40_columns(
    screen, monkeypatch, table, numbers: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    written = screen()
    show(make_console(), table())
    for number in numbers.split("|"):
        assert number in written()
    assert "…" not in written()
    for column in table().columns:  # none is left out
        for heading in str(column.header).split():
            assert heading in written()
    # only as wide as the numbers need
    assert max(map(len, written().splitlines())) < 100


def test_only_the_terminal_prints() -> None:
    """Whoever prints in another way forgets one of the rules above."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("only in a checkout: the wheel has no source tree")
    ways = {"print", "typer.echo", "typer.secho", "rich.print", "Console", "console.print"}
    ways |= {"self.console.print", "reporter.console.print"}
    found = []
    for room in ("dosml", "theory", "relabel", "analysis"):
        for path in sorted((ROOT / room).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if where.startswith(PRINTERS):
                continue
            found += [
                f"{where}:{node.lineno}"
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ways
            ]
    assert not found
