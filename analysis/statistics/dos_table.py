"""The d-DOS curves of a scan as one table, for other reports and other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.measures.dos_curves import smeared_dos

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.scan import ScanData

#: Step of the table: finer than the broadening of any engine here (0.1 eV), coarser than its grid.
_STEP_EV = 0.05

_COLUMNS = (
    "sigma_ev",
    "electrons_per_atom_shift",
    "energy_ev",
    "d_bare_states_per_ev_atom",
    "d_smeared_states_per_ev_atom",
    "total_bare_states_per_ev_atom",
)


def dos_table(scan: ScanData) -> pd.DataFrame:
    """Mean d-DOS of every setting that has one, inside the moments window.

    Parameters
    ----------
    scan
        The scan.

    Returns
    -------
    pandas.DataFrame
        Columns "sigma_ev", "electrons_per_atom_shift", "energy_ev" (relative to E_F),
        "d_bare_states_per_ev_atom", "d_smeared_states_per_ev_atom" (with the setting's own
        -df/de) and "total_bare_states_per_ev_atom"; no rows where no setting has a DOS.
    """
    import pandas as pd

    low, high = scan.windows.moments
    parts = []
    for setting in scan.settings:
        dos = setting.dos
        if dos is None:
            continue
        step = float(dos.energies[1] - dos.energies[0])
        every = slice(None, None, max(1, round(_STEP_EV / step)))
        part = pd.DataFrame(
            {
                "sigma_ev": setting.width,
                "electrons_per_atom_shift": setting.shift,
                "energy_ev": dos.energies[every].round(6),
                "d_bare_states_per_ev_atom": dos.d[every],
                "d_smeared_states_per_ev_atom": smeared_dos(dos.energies, dos.d, setting.smearing)[
                    every
                ],
                "total_bare_states_per_ev_atom": dos.total[every],
            }
        )
        parts.append(part[part["energy_ev"].between(low, high)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)
