"""Finished campaign folders read back as plain tables, for a report that joins several of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict

from dosml.analysis.measures.columns import result_columns
from dosml.analysis.measures.table import PRIMARY, REDUCED
from dosml.errors import InputError
from dosml.records import (
    CAMPAIGN,
    RUN_AGAIN,
    CampaignRecord,
    Record,
    as_recorded,
    check_recorded,
    find_record,
    read_record,
)
from dosml.theory.response_index import D_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

#: Settings of a run that decide its numbers and should be the same in campaigns that are joined.
COMPARED = (
    "engine",
    "preset",
    "kpoints",
    "cell",
    "learner",
    "learner_preset",
    "sampler",
    "train",
    "test",
    "seed",
    "min_length",
    "cutoff",
    "n_max",
    "l_max",
    "inducing",
)
#: Columns of `results.csv` that an older version may not lack either, and that hold numbers in
#: every row.
_NUMBERS = ("sigma_ev", "electrons_per_atom_shift", "force_percent_error")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
#: What the last report of a campaign is made of, so that it can be written again when studies of
#: trainings come to it.
CONTENT = "report.json"


class FigureEntry(Record):
    """A figure of a report; its file relative to the folder of the report."""

    title: str
    caption: str
    png: str


class ReportContent(Record):
    """What the last report of a campaign is made of, as far as other programs of dosml ask."""

    model_config = ConfigDict(extra="allow")

    formula: str | None = None
    engine_warning: str = ""
    given_limits: list[str] = []  # noqa: RUF012 - pydantic copies it
    figures: list[FigureEntry] = []  # noqa: RUF012 - pydantic copies it
    learners: dict[str, Any] | None = None


@dataclass(frozen=True)
class CampaignTables:
    """What a finished campaign left behind.

    Attributes
    ----------
    metal
        Chemical symbol, or formula.
    folder
        Where it lies.
    results
        `results.csv`: one row per setting.
    angular
        `angular_resolution.csv`, or None.
    dos
        `d_dos.csv` (see `dosml.analysis.statistics.dos_table`), or None.
    settings
        What the run was asked for.
    version
        Version of dosml that wrote it.
    warning, limits
        What a reader must know of the labels, and what they cannot show, in the engine's words.
    """

    metal: str
    folder: Path
    results: pd.DataFrame
    angular: pd.DataFrame | None
    dos: pd.DataFrame | None
    settings: Mapping[str, object]
    version: str
    warning: str = ""
    limits: tuple[str, ...] = ()


def campaign_folders(paths: Sequence[Path]) -> list[Path]:
    """Campaign folders among the paths; a survey folder stands for the campaigns inside it.

    Raises
    ------
    InputError
        If a path is no folder or holds no finished campaign, or a campaign is named twice.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path} is not a folder: name campaign folders or a survey folder")
        inside = sorted(one.parent for one in path.glob("*/results.csv"))
        if (path / "results.csv").exists():
            found.append(path)
        elif inside:
            found += inside
        else:
            raise InputError(
                f"{path} holds no results.csv, and no folder in it does: it is not a finished "
                f"campaign. Continue it with the command that began it"
            )
    real = [path.resolve() for path in found]
    twice = sorted({str(path) for path in real if real.count(path) > 1})
    if twice:
        raise InputError(f"given twice: {', '.join(twice)}")
    return found


def read_campaign(folder: Path) -> CampaignTables:
    """Read one finished campaign, and check that it is as it was when it was finished.

    Raises
    ------
    InputError
        If a file is missing, was changed or cut off since, cannot be read, lacks columns, or a
        force error is no number.
    """
    if not (folder / "results.csv").exists():
        raise InputError(f"{folder} holds no results.csv: it is not a finished campaign")
    record = read_record(folder / CAMPAIGN, CampaignRecord)
    results = campaign_table(folder, "results.csv", record)
    if results is None:
        raise InputError(f"{folder} holds no results.csv: it is not a finished campaign")
    missing = [name for name in (*_NUMBERS, "smearing_scheme") if name not in results.columns]
    if missing or results.empty:
        raise InputError(
            f"{folder / 'results.csv'} lacks {', '.join(missing) or 'rows'}: it was not written "
            f"by dosml, or cut off"
        )
    _check_numbers(folder / "results.csv", results, _NUMBERS)
    results = results.reindex(columns=list(dict.fromkeys([*result_columns(), *results.columns])))
    response = results.get("d_response_unsmeared_states2_per_ev_atom2")
    if response is not None and results[PRIMARY].isna().all():
        # older versions wrote the integral only
        results[PRIMARY] = D_WEIGHTS[4] * response
    if results[REDUCED].isna().all() and "d_band_width_ev" in results:
        results[REDUCED] = results[PRIMARY] * results["d_band_width_ev"]
    content = report_content(folder, record) or ReportContent()
    dos = campaign_table(folder, "d_dos.csv", record)
    if dos is not None:
        _check_numbers(folder / "d_dos.csv", dos, dos.columns)
    return CampaignTables(
        metal=_metal(record.subject, content, folder),
        folder=folder,
        results=results,
        angular=campaign_table(folder, "angular_resolution.csv", record),
        dos=dos,
        settings=record.run,
        version=record.dosml,
        warning=content.engine_warning,
        limits=tuple(content.given_limits),
    )


def finished(folder: Path) -> bool:
    """Whether a campaign has results, and everything its record tells of is as it was."""
    record = find_record(folder / CAMPAIGN, CampaignRecord)
    names = {"results.csv", *(() if record is None else record.files)}
    return all(as_recorded(folder / name, folder, record) for name in names)


def report_content(folder: Path, record: CampaignRecord | None = None) -> ReportContent | None:
    """Read what the report of a campaign is made of; None where an older version wrote none.

    Parameters
    ----------
    folder
        The campaign.
    record
        Its record; read where it is not given.

    Raises
    ------
    InputError
        If the file cannot be read, or was changed since.
    """
    path = folder / CONTENT
    record = record or find_record(folder / CAMPAIGN, CampaignRecord)
    if not path.exists() and (record is None or CONTENT not in record.files):
        return None
    check_recorded(path, folder, record)
    return read_record(path, ReportContent)


def differences(campaigns: Sequence[CampaignTables]) -> list[str]:
    """Say in which settings campaigns that are to be compared differ; one line, or none."""
    parts = []
    for key in COMPARED:
        by_value: dict[str, list[str]] = {}
        for campaign in campaigns:
            value = _value_words(campaign.settings.get(key))
            by_value.setdefault(value, []).append(campaign.metal)
        if len(by_value) > 1:
            text = ", ".join(f"{value} for {' '.join(who)}" for value, who in by_value.items())
            parts.append(f"{key.replace('_', ' ')} ({text})")
    if not parts:
        return []
    return [
        (
            f"The campaigns differ in {'; '.join(parts)}. Part of the difference between these "
            "metals may come from that."
        )
    ]


def _value_words(value: object) -> str:
    if value is None:
        return "not given (the default)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _metal(subject: str, content: ReportContent, folder: Path) -> str:
    if _SYMBOL.fullmatch(subject):
        return subject
    if content.formula is not None:
        return content.formula
    raise InputError(
        f"{folder} is a scan of {subject} without {CONTENT}: what metal it is cannot be told; "
        "continue it with the command that began it"
    )


def campaign_table(
    folder: Path, name: str, record: CampaignRecord | None = None
) -> pd.DataFrame | None:
    """Read a table of a campaign; None where there is none.

    Parameters
    ----------
    folder
        The campaign.
    name
        Of the file, such as "results.csv".
    record
        Its record; read where it is not given.

    Raises
    ------
    InputError
        If the table cannot be read, or was changed or cut off since it was written.
    """
    import pandas as pd

    path = folder / name
    record = record or find_record(folder / CAMPAIGN, CampaignRecord)
    if not path.exists() and (record is None or name not in record.files):
        return None
    check_recorded(path, folder, record)
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): {RUN_AGAIN}") from error


def _check_numbers(path: Path, table: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a table that holds no number where there must be one."""
    for name in columns:
        values = table[name]
        if values.dtype.kind not in "fi" or not np.isfinite(values).all():
            raise InputError(f"{path}: {name} is not a finite number in every row; {RUN_AGAIN}")
