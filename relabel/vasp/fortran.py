"""Numbers as Fortran prints them: fields of fixed width that may touch, overflow or lack an E.

Where a number is too wide for its field, Fortran fills the field with asterisks; an exponent of
three digits takes the place of its E (`0.123-105`); a field that is full leaves no blank before it
(`0.1234-12.5000`). Every table of VASP's text files goes through `table`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NUMBER = re.compile(rb"([-+]?(?:\d+\.?\d*|\.\d+))(?:[EeDdQq]([-+]?\d+)|([-+]\d{3}))?")
#: One token of a row without blanks; an exponent without E has three digits, and ends there.
_TOKEN = re.compile(
    rb"\*+|[-+]?(?:nan|inf(?:inity)?)|"
    rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDdQq][-+]?\d{1,3}|[-+]\d{3}(?![\d.]))?",
    re.IGNORECASE,
)
_NOT_A_NUMBER = re.compile(rb"\*+|[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_PLAIN = b"0123456789eE+-. \t\r\n"
#: Every digit as 0, every sign as -, every blank as a space: what touches shows in two letters.
_KINDS = bytes.maketrans(b"123456789+\t\r\n", b"000000000-   ")


def number(field: bytes | str) -> float:
    """Value of one field; nan where it overflowed (asterisks) or is no finite number.

    Raises
    ------
    ValueError
        If the field holds something else.
    """
    text = (field.encode() if isinstance(field, str) else field).strip()
    match = _NUMBER.fullmatch(text)
    if match is None:
        if _NOT_A_NUMBER.fullmatch(text):
            return float("nan")
        raise ValueError(f"{text.decode(errors='replace')!r} is not a number")
    value = float(match[1] + b"e" + (match[2] or match[3] or b"0"))
    return value if np.isfinite(value) else float("nan")


def table(rows: Sequence[bytes], columns: int | None = None) -> NDArray[np.float64]:
    """Rows of a table of one format as numbers.

    Parameters
    ----------
    rows
        The rows' text, as printed.
    columns
        Fields of a row; without it, what most rows have.

    Returns
    -------
    values
        Shape (len(rows), columns); nan where a field overflowed.

    Raises
    ------
    ValueError
        If a row cannot be divided into so many fields.
    """
    if not rows:
        raise ValueError("a table has no rows")
    joined = b"\n".join(rows)
    plain = _is_plain(joined)
    if columns is None:
        columns = len(rows[0].split()) if plain else _columns(rows)
    if plain:
        # text mode of numpy is several times faster than float() on every word
        values = np.fromstring(joined, dtype=np.float64, sep=" ")
        if values.size == len(rows) * columns:
            return values.reshape(len(rows), columns)
    return _by_row(rows, columns)


def _is_plain(text: bytes) -> bool:
    """Whether all numbers are between blanks, and nothing but digits, signs, dots and E is there.

    A search with regular expressions would take longer than the reading.
    """
    if text.translate(None, _PLAIN):
        return False
    kinds = text.translate(_KINDS)
    if b"0-" in kinds or b".-" in kinds:
        return False
    return b".." not in kinds.translate(None, b"0-eE")


def _columns(rows: Sequence[bytes]) -> int:
    counts = Counter(max(len(row.split()), len(_TOKEN.findall(row))) for row in rows)
    return counts.most_common(1)[0][0]


def _by_row(rows: Sequence[bytes], columns: int) -> NDArray[np.float64]:
    ends = _field_ends(rows, columns)
    values = np.empty((len(rows), columns))
    for place, row in enumerate(rows):
        for fields in (row.split(), _sliced(row, ends), _TOKEN.findall(row)):
            if len(fields) != columns:
                continue
            try:
                values[place] = [number(field) for field in fields]
            except ValueError:
                continue
            break
        else:
            shown = row.decode(errors="replace").strip()[:80]
            raise ValueError(f"the row {shown!r} does not hold {columns} numbers")
    return values


def _field_ends(rows: Sequence[bytes], columns: int) -> list[int]:
    """Where fields end, from the first row that blanks divide; empty where none is divided."""
    for row in rows:
        words = list(re.finditer(rb"\S+", row))
        if len(words) == columns and all(_NUMBER.fullmatch(word[0]) for word in words):
            return [word.end() for word in words]
    return []


def _sliced(row: bytes, ends: list[int]) -> list[bytes]:
    """Fields by width; none where the row is not of these widths."""
    if not ends or len(row.rstrip()) != ends[-1]:
        return []
    return [row[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
