"""The figures of a scan: which there are, what they are called, what their captions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.electron_map import electron_axis_figure, map_figure
from dosml.analysis.figures.error_figures import (
    PARITY_POINTS,
    error_figure,
    link_figure,
    parity_figure,
)
from dosml.analysis.figures.setting_figures import (
    angular_figure,
    dos_figure,
    force_change_figure,
    power_figure,
)
from dosml.analysis.figures.style import FigureRecord, save_figures
from dosml.analysis.statistics.label_noise import FACTOR, MARK, within_noise
from dosml.analysis.statistics.scan import setting_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.scan import ScanData

_MAP_CAPTION = (
    "One cell per label set: force % error of the force field retrained on it. The frames are the "
    "same in every cell."
)
_MAP_DOS_CAPTION = (
    " Middle: response index chi_4 of the calculated mean d-DOS of that setting (first-order "
    "theory). Right: N(10 - N) with N ten times the filling of that d-DOS."
)
_AXIS_CAPTION = (
    "Left: force % error of the force field retrained at each electron number, with 95 % "
    "intervals. Points at the middle and right: chi_4 and N(10 - N), N ten times the d filling, "
    "from the calculated d-DOS of each setting. Dashed: a prediction, not a result: the DOS of the "
    "setting nearest to neutral kept as it is, the Fermi level moved to hold the other number of "
    "electrons."
)


def draw_figures(scan: ScanData, table: pd.DataFrame, folder: Path) -> list[FigureRecord]:
    """Draw every figure of a scan as PNG and PDF.

    Parameters
    ----------
    scan
        The scan.
    table
        From `dosml.analysis.statistics.scan.summarise` of the same scan.
    folder
        Where to; made if it does not exist.

    Returns
    -------
    list of FigureRecord
        In the order of the report. A scan of one setting has no figure of
        changes, one without a d-DOS none that needs it.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    return save_figures(_figures(scan, table), folder)


def _noise_words(table: pd.DataFrame) -> str:
    """Say in a caption what is drawn of the label noise."""
    if table["label_noise_percent"].isna().all():
        return ""
    drawn = " Dotted: label noise, what a denser grid of k-points changes in the forces."
    if len(set(table["sigma_ev"])) > 1 and len(set(table["electrons_per_atom_shift"])) > 1:
        drawn = ""
    if within_noise(table).any():
        drawn += (
            f" Empty points (in a map: {MARK}): the error is less than {FACTOR:g} times the label "
            "noise and may be that of the k-points."
        )
    return drawn


def _figures(scan: ScanData, table: pd.DataFrame) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield name, title, caption and figure."""
    n_test, n_frames, n_settings = len(scan.test_tiers), len(scan.tiers), len(scan.settings)
    low, high = scan.windows.sharpness
    known = scan.with_d
    tiers = ", for all frames and by tier (moved aside a little)" if scan.tier_names else ""
    caption = (
        f"Left: force % error, 100 MAE/MAV over components of {n_test} held-out frames, with 95 % "
        f"intervals over frames{tiers}. Right: its two parts. Both move with the "
        f"setting, so the ratio alone does not tell which one did."
    )
    noise = _noise_words(table)
    if scan.varies == ["sigma_ev", "electrons_per_atom_shift"]:
        words = _MAP_CAPTION + (_MAP_DOS_CAPTION if known else "") + noise
        yield "map", "Map of smearing and electron number", words, map_figure(scan, table)
    else:
        axis = "electrons" if "electrons_per_atom_shift" in scan.varies else "sigma"
        yield f"error_against_{axis}", "Force error", caption + noise, error_figure(scan, table)
        if axis == "electrons" and known:
            figure = electron_axis_figure(scan, table)
            yield "electron_axis", "Electron number and band theory", _AXIS_CAPTION, figure
    if known:
        caption = (
            f"Mean d-DOS over {n_frames} frames per setting, energies relative to E_F (vertical "
            f"line). Grey: bare, with the engine's broadening only. Coloured: convolved with the "
            f"setting's own -df/de. Dashed: occupation f(e), right axis. Dotted: where E_F would "
            f"lie if the same levels were filled without smearing."
        )
        yield "d_dos", "d density of states and occupations", caption, dos_figure(scan)
    # over a grid of settings one axis cannot show it; the columns are in the table
    if n_settings > 1 and len(scan.varies) < 2:
        caption = (
            f"Forces F of {n_frames} frames against the forces F0 on the same atoms at "
            f"{setting_name(scan.reference)}. Left: root mean square change over atoms, and its "
            f"exact split |F-F0|² = (|F|-|F0|)² + 4|F||F0|sin²(θ/2) into magnitude and direction. "
            f"Right: share of all force, weighted with |F0|, that turned by less than θ."
        )
        figure = force_change_figure(scan, table)
        yield "force_differences", "How the forces change", caption, figure
    # a scatter of two points says nothing
    if len(known) > 2:
        caption = (
            f"The {len(known)} settings of one metal, named by what the scan varies and joined in "
            f"its order. Left: "
            f"n_d(E_F); right: mean |dn_d/dE| from {low:g} to {high:g} eV; filled: smeared with "
            f"the setting's own -df/de, open: bare. Everything here follows one knob, so this is "
            f"no evidence of a correlation between DOS and error."
        )
        figure = link_figure(scan, table)
        yield "error_against_dos", "Force error against the d-DOS", caption, figure
    angular = scan.angular
    if angular is not None:
        caption = (
            f"A linear force field of pair functions alone, then with triplets that know angles "
            f"up to l (cutoff {scan.angular_basis.cutoff:g} Å), fitted to every label set "
            f"({len(scan.angle_frames)} frames) and tested on frames left out: its force % error. "
            f"No learner is involved."
        )
        yield "angular_resolution", "Angles that the forces need", caption, angular_figure(angular)
    power = scan.power
    if power is not None:
        far = [s for s in scan.settings if s is not scan.reference][-1]
        caption = (
            f"Forces of the {power['neighbours'].iloc[0]:.1f} neighbours within "
            f"{power['cutoff_angstrom'].iloc[0]:.2f} Å of each atom (mean over "
            f"{len(scan.angle_frames)} frames), taken apart by angular momentum about that atom: "
            f"whole vectors and their radial parts. 1: neighbours have nothing to do with each "
            f"other; more: they share a pattern of that l. Bands: the same forces dealt to the "
            f"atoms at random, two standard deviations."
        )
        figure = power_figure(power, setting_name(scan.reference), setting_name(far))
        yield "angular_power", "Patterns of the forces by angular momentum", caption, figure
    tiers = ", coloured by tier" if scan.tier_names else ""
    caption = (
        f"Force components of {n_test} held-out frames, one panel per setting{tiers}; the number "
        f"is the force % error. At most about {PARITY_POINTS} components per panel are drawn, "
        f"evenly picked."
    )
    yield "force_parity", "Predicted against labelled forces", caption, parity_figure(scan)
