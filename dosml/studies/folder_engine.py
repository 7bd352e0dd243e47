"""The engine that made the labels of a folder, found again to make more of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dosml.campaign import RECORD
from dosml.errors import InputError
from dosml.records import CampaignRecord, find_record
from dosml.relabel.engines.registry import engine_options, make_engine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine


def engine_of(
    data: Dataset,
    folder: Path | None,
    name: str | None = None,
    own: Mapping[str, Any] | None = None,
) -> Engine:
    """Make the engine of a dataset's labels again, and see that it is the same.

    Parameters
    ----------
    data
        Labels with their provenance.
    folder
        The campaign that they are of, whose record knows the engine's options; None where there is
        none.
    name, own
        Engine and its options where the user gives them; None: those of the folder.

    Raises
    ------
    InputError
        If the engine is not known, or labels of another kind.
    EngineError
        If it cannot be used here.
    """
    record = None if folder is None else find_record(folder / RECORD, CampaignRecord)
    known: Mapping[str, Any] = {} if record is None else record.run
    engine_name = name or str(data.provenance.engine)
    if engine_name == "unknown":
        raise InputError(
            "the labels do not say which engine made them: name it with --engine (and its options "
            "with --engine-option)"
        )
    options = dict(known.get("engine_options", {}).get(engine_name, {}))
    shared = {"preset": known.get("preset"), "kpoints": _kpoints(known.get("kpoints"))}
    engine = make_engine(
        engine_name, engine_options(engine_name, shared, {**options, **(own or {})}), data.elements
    )
    for setting in data.electronic:
        engine.check(setting)
    told, mine = dict(data.provenance.protocol), engine.fingerprint()
    if told and told != mine:
        differ = sorted(key for key in {*told, *mine} if told.get(key) != mine.get(key))
        raise InputError(
            f"the engine {engine_name} as it is here would label in another way than the labels "
            f"were made: {differ[0]} is {mine.get(differ[0])}, was {told.get(differ[0])}; give the "
            "engine's options as they were (--engine-option), or label anew with a scan"
        )
    return engine


def _kpoints(text: object) -> tuple[int, ...] | None:
    """Give a grid of a record, where it is one: a record may also say "by spacing"."""
    if isinstance(text, str) and re.fullmatch(r"\d+x\d+x\d+", text):
        return tuple(int(part) for part in text.split("x"))
    return None
