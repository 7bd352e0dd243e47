"""`labels.csv`: one row per frame and label set, with what an engine tells beside the labels."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from dosml.errors import LabelError
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from dosml.relabel.dataset.label_set import LabelSet
    from dosml.relabel.dataset.value import Dataset

#: Columns that say which label a row is of; all others are facts.
KEYS = (
    *("frame", "tier", "role", "setting", "scheme", "sigma_ev", "electrons_per_atom_shift"),
    "n_atoms",
)
#: Files with the DOS of frames whose folder has no `SETTING.dos.npz`, relative to the folder.
DOS_FILE = "dos_file"

Row = dict[str, str]


def fact_columns(label_sets: Iterable[LabelSet]) -> list[str]:
    """Names of the facts in all label sets, in the order of their first appearance."""
    return list(dict.fromkeys(name for labels in label_sets for name in labels.facts))


def text_columns(label_sets: Sequence[LabelSet]) -> list[str]:
    """Facts that are texts, which a reader must not take for numbers (version 6.10)."""
    return [
        name
        for name in fact_columns(label_sets)
        if any(isinstance(one, str) for labels in label_sets for one in labels.facts.get(name, ()))
    ]


def write_table(path: Path, dataset: Dataset) -> int:
    """Write the table, and count its rows.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    facts = fact_columns(dataset.label_sets)
    count = 0
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*KEYS, *facts])
        for labels in dataset.label_sets:
            setting = labels.setting
            of_setting = (
                ("", "", "")
                if setting is None
                else (
                    setting.smearing.scheme,
                    float(setting.smearing.width),
                    float(setting.electrons_per_atom_shift),
                )
            )
            columns = [labels.facts.get(name) for name in facts]
            for n, frame in enumerate(dataset.frames):
                role = dataset.roles[n] if dataset.roles else ""
                keys = (dataset.frame_ids[n], dataset.tiers[n], role, labels.name, *of_setting)
                values = [None if column is None else column[n] for column in columns]
                writer.writerow([_text(one) for one in (*keys, len(frame), *values)])
                count += 1
    return count


def _text(value: Any) -> str:
    """Text that reads back as the same value."""
    if value is None:
        return ""
    plain = value.item() if hasattr(value, "item") else value
    return repr(plain) if isinstance(plain, float) else str(plain)


def read_table(path: Path) -> list[Row]:
    """Read a table.

    Raises
    ------
    LabelError
        If it cannot be read, or a row has fewer or more values than there are columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for number, values in enumerate(reader, 1):
                if len(values) != len(header):
                    raise LabelError(
                        f"row {number} of {path} has {len(values)} values, expected "
                        f"{len(header)} ({', '.join(header)})"
                    )
                rows.append(dict(zip(header, values, strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"cannot read {path} ({type(error).__name__}: {error})") from error
    return rows


def facts_of(rows: Sequence[Row], texts: Iterable[str] = ()) -> dict[str, list[Any]]:
    """Facts of one label set from its rows, columns without any value left out.

    Parameters
    ----------
    rows
        In the frames' order.
    texts
        Columns to be taken as they stand; of others the narrowest type that fits all values is
        taken: whole number, number, truth, text.
    """
    as_text = set(texts)
    facts = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        if name in KEYS or name == DOS_FILE or not any(values):
            continue
        facts[name] = [one or None for one in values] if name in as_text else _typed(values)
    return facts


def _typed(values: Sequence[str]) -> list[Any]:
    for kind in (int, float, _truth):
        try:
            return [kind(one) if one else None for one in values]
        except ValueError:
            continue
    return [one or None for one in values]


def _truth(text: str) -> bool:
    if text not in {"True", "False"}:
        raise ValueError(text)
    return text == "True"
