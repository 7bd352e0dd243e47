"""Damaged and hostile text ends in a result or a `DosmlError`, never in the last net.

Sound files are cut and changed word by word. The examples are the same in every run; to look
for new ones: pytest --hypothesis-profile=explore tests/cli/test_fuzz.py
"""

from __future__ import annotations

import contextlib
import math
import re
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from helpers.vasp_study import rattled, run_stand_in, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from dosml.errors import DosmlError
from dosml.relabel.dataset import load
from dosml.relabel.execution.settings import load_run_settings
from dosml.relabel.frames import read_frames
from dosml.relabel.vasp.aimd import sample_trajectory
from dosml.relabel.vasp.jobs import find_jobs, write_jobs
from dosml.relabel.vasp.projected_dos import read_dos
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.vasprun import read_vasprun
from dosml.studies.open_study import (
    CurveSettings,
    GridSettings,
    TrainSettings,
    load_study_settings,
)
from dosml.studies.scan_settings import (
    ElectronScanSettings,
    MapSettings,
    SmearScanSettings,
    load_scan_settings,
)

LABELS = """2
Lattice="2.5 0 0 0 2.5 0 0 0 5.0" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-7.5 \
REF_stress="0.1 0 0 0 0.1 0 0 0 0.1" tier=cold split=train pbc="T T T"
Cu 0.0 0.0 0.0 0.1 0.0 0.0
Cu 0.1 0.0 2.5 -0.1 0.0 0.0
2
Lattice="2.5 0 0 0 2.5 0 0 0 5.0" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-7.6 \
REF_stress="0.1 0 0 0 0.1 0 0 0 0.1" tier=warm split=test pbc="T T T"
Cu 0.0 0.1 0.0 0.0 0.2 0.0
Cu 0.0 0.0 2.6 0.0 -0.2 0.0
"""
#: What stands in place of a word.
ODD_WORDS = (
    *("", "nan", "inf", "-inf", "1e308", "-1", "0", "3", "1e999", "1000000000", "0x10", "1_0"),
    *("T", "F", "None", "Cu", "Xx", "X", "****", '"', "'", "=", "[[1,2],[3]]", "{}", "é", "\x00"),
    *("species:S:1", "pos:R:1000000000", "pos:I:3", "REF_forces:R:3", "Lattice=", "\ufeff"),
    *("<", ">", "&lol;", "</v>", "<v>", "</set>", "<calculation>", "<dos>", "<!-- ", "]]>", " r "),
)  # fmt: skip


def changed(text: str) -> st.SearchStrategy[str]:
    """Text with some words replaced and lines doubled or left out, and its end cut off."""
    words = re.findall(r"[^\s<>\"=]+|\s+|[<>\"=]", text)
    places = [n for n, word in enumerate(words) if word.strip()]
    lines = text.splitlines(keepends=True)
    edits = st.lists(st.tuples(st.sampled_from(places), st.sampled_from(ODD_WORDS)), max_size=3)
    drops = st.lists(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 2)), max_size=2)
    ends = st.one_of(st.just(None), st.integers(0, len(text)))

    def build(edits: list, drops: list, end: int | None) -> str:
        if drops:
            copies = dict.fromkeys(range(len(lines)), 1) | dict(drops)
            return "".join(line * copies[n] for n, line in enumerate(lines))[:end]
        new = list(words)
        for place, word in edits:
            new[place] = word
        return "".join(new)[:end]

    return st.builds(build, edits, drops, ends)


def ends_well(function, *arguments, **named) -> None:
    with contextlib.suppress(DosmlError):
        function(*arguments, **named)


fast = how(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@fast
@given(text=changed(LABELS))
def test_extxyz(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.extxyz"
    path.write_bytes(text.encode())
    ends_well(read_frames, path)
    ends_well(load, path, scheme="gaussian")


@how(fast, max_examples=50)
@given(
    content=st.binary(max_size=200), name=st.sampled_from(["a.extxyz", "a.xml", "a", "a.xyz.gz"])
)
def test_bytes(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    ends_well(read_frames, path)
    ends_well(load, path)
    ends_well(read_dos, path)


def _toml(value: object) -> str:
    """Write a value as TOML; strings hold no control characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


TEXTS = st.one_of(
    st.sampled_from(
        ["", "0.2,1.0", "0.2,,2", "-4:4", "1:0", "::", "sgp", "xtb", "~", "Cu", "1,2,3"]
    ),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=6),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        TEXTS,
        st.sampled_from([datetime(1979, 5, 27, 7, 32, tzinfo=UTC), date(1979, 5, 27), time(7, 32)]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)
MODELS = (SmearScanSettings, ElectronScanSettings, MapSettings)
STUDIES = (TrainSettings, CurveSettings, GridSettings)
KEYS = sorted({name for model in (*MODELS, *STUDIES) for name in model.model_fields})


@how(fast, max_examples=200)
@given(
    table=st.dictionaries(
        st.one_of(st.sampled_from([*KEYS, "slurm", "command", "executor"]), TEXTS.filter(bool)),
        VALUES,
        max_size=4,
    )
)
def test_toml(tmp_path: Path, table: dict[str, object]) -> None:
    path = tmp_path / "settings.toml"
    lines = [f"{_toml(str(key))} = {_toml(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    for model in MODELS:
        ends_well(load_scan_settings, model, {"target": "Cu"}, path)
    for study in STUDIES:
        ends_well(load_study_settings, study, {"targets": ("Cu",)}, path)
    ends_well(load_run_settings, path)


@pytest.fixture
def outputs(tmp_path, potcars) -> list[str]:  # noqa: ARG001 - the POTCARs must be there
    """Write what a VASP of two versions writes, with fewer lines."""
    texts = []
    frames = rattled("Ti", 1, repeat=(1, 1, 1))
    protocol = VaspProtocol(incar={"NEDOS": 12}, kspacing={"default": 2.0})
    write_jobs(tmp_path / "study", frames, settings(0.2), protocol, on_progress=lambda _: None)
    for version in ("6.4.2", "5.4.4"):
        for job in find_jobs(tmp_path / "study"):
            run_stand_in(job.folder, STAND_IN_VERSION=version)
            texts.append((job.folder / "vasprun.xml").read_text(encoding="latin-1"))
    return texts


@how(fast, max_examples=100)
@given(data=st.data())
def test_vasprun(tmp_path: Path, outputs: list[str], data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(outputs).flatmap(changed))
    path = tmp_path / "vasprun.xml"
    path.write_bytes(text.encode("latin-1", "replace"))
    ends_well(read_vasprun, path)
    ends_well(read_dos, path)
    ends_well(sample_trajectory, path, drop_fs=0, every_fs=1, unfinished=True)
