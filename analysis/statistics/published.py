"""Published force errors and d-band centres: a test bed for the correlation, to be read with care.

The force errors were read from scanned figures and carry a confidence; the d-band centres of three
sources differ by definition. Sources stand at the head of the two tables beside this file.
"""

from __future__ import annotations

from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING

from dosml.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: The three published d-band centres, columns of `published_table`.
D_BAND_CENTERS = (
    "d_band_center_ruban1997_ev",
    "d_band_center_vojvodic2014_ev",
    "d_band_center_vijay2022_ev",
)


def published_force_errors() -> pd.DataFrame:
    """Read the force % errors of Owen et al. (2024): metal, protocol, model, value, confidence."""
    return _read("published_force_errors.csv")


def published_metals() -> pd.DataFrame:
    """Read d-band centres, melting temperatures and force MAV of the 27 metals."""
    return _read("published_metals.csv")


def published_table(protocol: str = "all tiers", model: str = "NequIP") -> pd.DataFrame:
    """Join force errors of one protocol and model with what is published about the metals.

    Parameters
    ----------
    protocol
        "all tiers", "cold to warm" or "cold to melt".
    model
        "NequIP" or "FLARE B2".

    Returns
    -------
    pandas.DataFrame
        One row per metal with a legible force error; `confidence` says how legible.

    Raises
    ------
    InputError
        If there is no such combination.
    """
    errors = published_force_errors()
    chosen = errors[(errors["protocol"] == protocol) & (errors["model"] == model)]
    if chosen.empty:
        known = errors[["protocol", "model"]].drop_duplicates().itertuples(index=False)
        raise InputError(
            f"no published force errors for {protocol!r} with {model!r}; there are "
            + ", ".join(f"{p!r} with {m!r}" for p, m in known)
        )
    return chosen.merge(published_metals(), on="metal", validate="one_to_one")


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    text = (files("dosml.analysis.statistics") / name).read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text), comment="#")
