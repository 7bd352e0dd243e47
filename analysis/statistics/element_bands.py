"""The d band of every element of a scan of an alloy or compound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.table import measure_all
from dosml.theory.dos import of_element

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.scan import ScanData

#: What is told of each band: entries of `dosml.analysis.measures.table.MEASURES`.
BAND_COLUMNS = (
    "sigma_ev",
    "electrons_per_atom_shift",
    "d_band_center_ev",
    "d_band_width_ev",
    "d_band_filling",
    "n_d_fermi_bare_states_per_ev_atom",
    "d_sharpness_bare_states_per_ev2_atom",
    "chi_4_unsmeared_states2_per_ev_atom2",
)


def element_bands(scan: ScanData) -> pd.DataFrame | None:
    """Measure the d-DOS of each element at each setting.

    Parameters
    ----------
    scan
        Its DOS tell the elements apart.

    Returns
    -------
    pandas.DataFrame or None
        Columns "element" and `BAND_COLUMNS`, elements in alphabetical order; None where there are
        not two elements at least, one of them with a d band.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for setting in scan.settings:
        dos = setting.dos
        for symbol in () if dos is None else sorted(dos.d_by_element):
            assert dos is not None
            values = measure_all(
                of_element(dos, symbol), setting.smearing, scan.windows, skip_unresolved=True
            )
            rows.append(
                {
                    "element": symbol,
                    "sigma_ev": setting.width,
                    "electrons_per_atom_shift": setting.shift,
                    **{name: values[name] for name in BAND_COLUMNS[2:]},
                }
            )
    return pd.DataFrame(rows).sort_values("element", kind="stable") if rows else None
