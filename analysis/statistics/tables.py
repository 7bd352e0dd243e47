"""Tables as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def write_tables(table: pd.DataFrame, folder: Path, name: str = "results") -> list[Path]:
    """Write a table as CSV and parquet, each whole or not at all.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.scan.summarise`, or another table of findings.
    folder
        Where to; made if it does not exist.
    name
        Name of the files without suffix.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
    with whole_file(csv) as partial:
        table.to_csv(partial, index=False)
    with whole_file(parquet) as partial:
        table.to_parquet(partial, index=False)
    return [csv, parquet]
