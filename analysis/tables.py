"""The results table as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def write_tables(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write results.csv and results.parquet, each whole or not at all.

    Parameters
    ----------
    table
        From `dosml.analysis.study.summarise`.
    folder
        Where to; made if it does not exist.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    csv, parquet = folder / "results.csv", folder / "results.parquet"
    with whole_file(csv) as partial:
        table.to_csv(partial, index=False)
    with whole_file(parquet) as partial:
        table.to_parquet(partial, index=False)
    return [csv, parquet]
