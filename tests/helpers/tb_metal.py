"""A made-up metal: every function of the model is there, none of its numbers is a published one."""

from __future__ import annotations

import numpy as np

from dosml.relabel.engines.tb.model import TbParameters
from dosml.relabel.engines.tb.nrl import with_short_range

#: At 5 Bohr: hopping (Ry) and overlap of the ten bonds, and q^2 (1/Bohr).
HOPPING = [-0.07, 0.09, 0.13, -0.02, -0.05, -0.07, 0.03, -0.06, 0.035, -0.006]
OVERLAP = [0.10, -0.11, -0.12, 0.06, 0.05, 0.07, -0.05, 0.03, -0.03, 0.01]
DECAYS = [0.5, 0.5, 0.45, 0.6, 0.65, 0.7, 0.75, 0.9, 1.0, 1.1]


def table(values: list[float]) -> np.ndarray:
    """Rows with all four powers of R and the value at R = 5 Bohr."""
    rows = []
    for value, decay in zip(values, DECAYS, strict=True):
        polynomial = value * np.exp(5 * decay) * np.array([0.6, 0.05, 0.004, 0.0004])
        rows.append([*polynomial, np.sqrt(decay)])
    return np.array(rows)


def made_up_parameters() -> TbParameters:
    """Titanium by name only, with a short cutoff."""
    onsite = [[0.1, 0.2, 4.0, -9.0, 90.0], [0.6, -0.3, 9.0, 30.0, 40.0], [0.1, 0.1, 1.0, 5.0, 20.0]]
    made_up = TbParameters(
        symbol="Ti",
        electrons=5.0,
        cutoff_radius=9.0,
        cutoff_width=0.4,
        decay=1.05,
        onsite=np.array(onsite),
        hopping=table(HOPPING),
        overlap=table(OVERLAP),
        source="made up",
    )
    return with_short_range(made_up)
