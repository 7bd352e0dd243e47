"""Finished campaign folders read back as plain tables, for a report that joins several of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.columns import result_columns
from dosml.analysis.measures.table import PRIMARY
from dosml.errors import InputError
from dosml.theory.response_index import D_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
_SYMBOL = re.compile(r"[A-Z][a-z]?")
#: What the last report of a campaign is made of, so that it can be written again when studies of
#: trainings come to it.
CONTENT = "report.json"


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
    """Read one finished campaign.

    Raises
    ------
    InputError
        If a file is missing, cannot be read, or lacks columns.
    """
    results = _table(folder / "results.csv")
    if results is None:
        raise InputError(f"{folder} holds no results.csv: it is not a finished campaign")
    # an older version may lack a measure, but never these
    needed = ("sigma_ev", "electrons_per_atom_shift", "smearing_scheme", "force_percent_error")
    missing = [name for name in needed if name not in results.columns]
    if missing or results.empty:
        raise InputError(
            f"{folder / 'results.csv'} lacks {', '.join(missing) or 'rows'}: it was not written "
            f"by dosml, or cut off"
        )
    results = results.reindex(columns=list(dict.fromkeys([*result_columns(), *results.columns])))
    response = results.get("d_response_unsmeared_states2_per_ev_atom2")
    if response is not None and results[PRIMARY].isna().all():
        # older versions wrote the integral only
        results[PRIMARY] = D_WEIGHTS[4] * response
    path = folder / "campaign.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        subject, settings, version = record["subject"], record["run"], record["dosml"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot read {path} ({error}): every campaign folder holds one, is this one?"
        ) from error
    content = _content(folder)
    return CampaignTables(
        metal=_metal(str(subject), content, folder),
        folder=folder,
        results=results,
        angular=_table(folder / "angular_resolution.csv"),
        dos=_table(folder / "d_dos.csv"),
        settings=dict(settings),
        version=str(version),
        warning=str(content.get("engine_warning", "")),
        limits=tuple(str(line) for line in content.get("given_limits", ())),
    )


def _content(folder: Path) -> dict[str, Any]:
    """Read what the report is made of; nothing where an older version wrote none."""
    path = folder / CONTENT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): run the scan again") from error
    return found if isinstance(found, dict) else {}


def differences(campaigns: Sequence[CampaignTables]) -> list[str]:
    """Say in which settings campaigns that are to be compared differ, one line each."""
    lines = []
    for key in COMPARED:
        by_value: dict[str, list[str]] = {}
        for campaign in campaigns:
            value = _value_words(campaign.settings.get(key))
            by_value.setdefault(value, []).append(campaign.metal)
        if len(by_value) > 1:
            text = "; ".join(f"{value} for {', '.join(who)}" for value, who in by_value.items())
            lines.append(
                f"The campaigns differ in {key.replace('_', ' ')}: {text}. Part of the difference "
                f"between these metals may come from that."
            )
    return lines


def _value_words(value: object) -> str:
    if value is None:
        return "not given (the default)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _metal(subject: str, content: Mapping[str, Any], folder: Path) -> str:
    if _SYMBOL.fullmatch(subject):
        return subject
    if "formula" in content:
        return str(content["formula"])
    raise InputError(
        f"{folder} is a scan of {subject} without {CONTENT}: what metal it is cannot be told; "
        "continue it with the command that began it"
    )


def _table(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
