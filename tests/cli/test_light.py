"""Plans and reports read no more than they need: torch costs a second and 200 MiB."""

import subprocess
import sys

import pytest
from helpers.made_up_campaigns import write_campaign

#: One process runs all commands: what one of them reads, the others cannot take away.
PROGRAM = """
import sys
from dosml.cli import main

for words in sys.argv[1].split("; "):
    sys.argv = ["dosml", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
    assert "torch" not in sys.modules, words
"""
PLAN = "--dry-run --engine xtb --train 2 --test 2"


@pytest.mark.parametrize(
    "commands",
    [
        f"smear-scan Cu {PLAN}; map Cu {PLAN}; survey Cu Ti {PLAN}; smear-scan my.extxyz {PLAN}",
        "report metals --out joined",
        "data list; info; cite; train --help",
    ],
)
def test_no_torch(crystals, tmp_path, commands):
    crystals(tmp_path / "my.extxyz", 4)
    if "report" in commands:
        for metal in ("Ti", "Cu"):
            write_campaign(tmp_path / "metals" / metal, metal)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, commands],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
