"""From labels and predictions to the tables, figures and report of a scan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.controls import electron_series_figure
from dosml.analysis.figures.electron_swap import swap_figure
from dosml.analysis.figures.element_bands import ELEMENT_BANDS, element_bands_figure
from dosml.analysis.figures.parity import PARITY_FIGURE, parity_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.figures.style import house_style, save_figure, save_figures
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.element_section import element_section
from dosml.analysis.report.frame_section import group_section, worst_section
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.statistics.campaigns import CONTENT
from dosml.analysis.statistics.controls import series_rows
from dosml.analysis.statistics.denser_grid import OnDenserGrid
from dosml.analysis.statistics.dos_table import dos_table
from dosml.analysis.statistics.electron_axis import electron_table
from dosml.analysis.statistics.electron_swap import swap_table
from dosml.analysis.statistics.element_bands import element_bands
from dosml.analysis.statistics.frame_errors import frame_errors, species_rows
from dosml.analysis.statistics.results import SettingResult
from dosml.analysis.statistics.scan import (
    MOST_ANGLE_FRAMES,
    ScanData,
    formula_of,
    setting_name,
    summarise,
)
from dosml.analysis.statistics.tables import write_tables
from dosml.plan import Labelling
from dosml.relabel.elements import element, has_d_shell
from dosml.relabel.own_d import own_d
from dosml.studies.evaluate import WORST, write_worst
from dosml.studies.scan_settings import ElectronSeriesSettings
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.electron_swap import Swap
    from dosml.analysis.statistics.results import HeldOut
    from dosml.campaign import Campaign
    from dosml.plan import ScanPlan
    from dosml.relabel.dataset import Dataset, LabelSet
    from dosml.trainings import Training

#: What a scan of the electron number cannot show, for its report.
ELECTRON_LIMITS = (
    (
        "The cells with added or removed electrons are charged (self-consistent engines add a "
        "uniform background): no such metal exists. All bonds become weaker or stronger, so the "
        "size of the forces changes with the shape of the band; look at MAE and MAV apart."
    ),
    (
        "The frames are those of the neutral metal (or the user's own): at another electron number "
        "they are not drawn from the dynamics of that setting."
    ),
    (
        "A rigid-band line moves the Fermi level through the density of states of one calculated "
        "setting. It is a prediction of DOS measures, not a result, and says nothing about forces."
    ),
)


def write_findings(
    campaign: Campaign,
    *,
    plan: ScanPlan,
    data: Dataset,
    training: Training,
    command: str,
    seconds: float,
    more: Sequence[dict[str, Any]] = (),
    swap: Swap | None = None,
    by_learner: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Path]:
    """Write `results.csv`, `results.parquet`, `figures/`, `report.html` and `report.json`.

    Parameters
    ----------
    campaign
        Where to; its record keeps what the files are.
    plan, data, training
        What was asked for, the labels, and the models of the learner that the report is about.
    command
        What the user gave.
    seconds
        Wall time of this run so far.
    more
        Further parts of the report, see `dosml.analysis.report.pages.new_section`.
    swap
        Comparison with another metal's electrons, if the scan was made for it.
    by_learner
        From `write_learner_findings`, if the scan trained several learners.

    Returns
    -------
    table, report
        One row per setting; where the report lies.
    """
    results = [
        SettingResult(
            setting,
            own_d(labels.dos, data.elements),
            labels.forces,
            held_out,
            *_noise(labels),
            _on_denser_grid(data, labels, held_out),
        )
        for setting, labels, held_out in zip(
            data.electronic, data.label_sets, training.held_out(data, data.test), strict=True
        )
    ]
    scan = ScanData(
        formula=formula_of(data.frames),
        tiers=data.tiers,
        test_tiers=[data.tiers[n] for n in data.test],
        settings=results,
        facts=_facts(plan, data, training, command, seconds),
        seed=plan.settings.seed,
        # angles and patterns of forces are those of one element
        frames=data.frames if len(data.elements) == 1 else None,
    )
    folder = campaign.folder
    table = summarise(scan)
    curves = dos_table(scan)
    tables = {
        "results": table,
        "d_dos": None if curves.empty else curves,
        "angular_resolution": scan.angular,
        "angular_power": scan.power,
        "electron_axis": (
            electron_table(scan, table) if "electrons_per_atom_shift" in scan.varies else None
        ),
    }
    written = [
        path
        for name, one in tables.items()
        if one is not None
        for path in write_tables(one, folder, name)
    ]
    # at once: a run that is killed while it draws leaves a record that fits
    campaign.note(written)
    figures = draw_figures(scan, table, folder / "figures")
    if isinstance(plan.settings, ElectronSeriesSettings):
        figures[:0] = _series_figure(folder, scan.formula, table, plan)
    if swap is not None:
        compared = swap_table(swap, table)
        write_tables(compared, folder, "electron_swap")
        figures.insert(0, swap_figure(swap, compared, curves, folder / "figures"))
    record, sections = _frame_by_frame(folder, data, scan.reference)
    figures.append(record)
    bands = element_bands(scan)
    if bands is not None:
        write_tables(bands, folder, "element_bands")
        lacking = [one for one in data.elements if not has_d_shell(one)]
        sections.insert(0, element_section(bands, lacking=lacking))
        drawn = ((*ELEMENT_BANDS, element_bands_figure(one)) for one in [scan])
        figures[2:2] = save_figures(drawn, folder / "figures")
    report = folder / "report.html"
    write_report(report, scan, table, figures, learners=by_learner, sections=[*sections, *more])
    campaign.note([folder / CONTENT])
    return table, report


def _frame_by_frame(
    folder: Path, data: Dataset, reference: SettingResult
) -> tuple[FigureRecord, list[dict[str, Any]]]:
    """Parity, errors by element and worst frames of the reference setting."""
    held, where = reference.held_out, setting_name(reference)
    tiers = [data.tiers[n] for n in data.test]
    frames = [data.frames[n] for n in data.test]
    symbols = [list(frame.symbols) for frame in frames]
    by_frame = frame_errors(held, symbols, [data.frame_ids[n] for n in data.test], tiers)
    write_tables(by_frame.drop(columns="number"), folder, "frames")
    write_worst(folder / WORST, by_frame, frames, held)
    sections = []
    if len(data.elements) > 1:
        rows = species_rows(held, symbols, tiers)
        write_tables(pd.DataFrame(rows), folder, "errors_by_element")
        sections.append(group_section(f"Errors by element at {where}", "elements", rows))
    sections.append(worst_section(by_frame, file=WORST))
    name, title, caption = PARITY_FIGURE
    with house_style():
        figure = parity_figure(held, tiers)
        record = save_figure(
            figure, folder / "figures", name, title=title, caption=f"{caption} At {where}."
        )
    return record, sections


def _series_figure(
    folder: Path, formula: str, table: pd.DataFrame, plan: ScanPlan
) -> list[FigureRecord]:
    """Figure of error and chi_4 against the number of electrons; none without a d-DOS."""
    valence = element(plan.settings.target).valence_electrons
    rows = series_rows(formula, table, valence)
    if rows[PRIMARY].isna().all():
        return []
    write_tables(rows, folder, "electron_series")
    drawn = (
        (
            "electron_series",
            "Force error and chi_4 against the number of electrons",
            (
                "The levels of the same frames filled with other electron numbers, a force field "
                "trained at each: MAE, 100 MAE/MAV and MAV. Broken, right: unsmeared chi_4."
            ),
            electron_series_figure(one),
        )
        for one in [rows]
    )
    return save_figures(drawn, folder / "figures")


def _noise(labels: LabelSet) -> tuple[float, float]:
    """Label noise in eV/Å and in %, nan where it is not known."""
    noise = labels.noise
    return (math.nan, math.nan) if noise is None else (noise.ev_per_angstrom, noise.percent)


def _on_denser_grid(data: Dataset, labels: LabelSet, held_out: HeldOut) -> OnDenserGrid | None:
    """Held-out frames with forces on a denser grid."""
    forces = {} if labels.noise is None else labels.noise.forces()
    places = {data.frame_ids[number]: place for place, number in enumerate(data.test)}
    known = [(places[one], denser) for one, denser in forces.items() if one in places]
    if not known:
        return None
    return OnDenserGrid(
        [held_out.forces_predicted[place] for place, _ in known],
        [held_out.forces[place] for place, _ in known],
        [denser for _, denser in known],
    )


def _noise_facts(plan: ScanPlan, data: Dataset) -> dict[str, object]:
    """How the label noise was measured, or why it is not known."""
    known = [labels.noise for labels in data.label_sets if labels.noise is not None]
    if known:
        frames = len(known[0].frames)
        told = f"{frames} frame{'s' * (frames > 1)} against {known[0].grid}"
        return {"label noise": told}
    if isinstance(plan.source, Labelling) and plan.source.engine.denser(data.frames[0]) is None:
        reason = f"the engine {plan.source.engine.name} has no denser grid of k-points"
    elif isinstance(plan.source, Labelling):
        reason = "no label on the denser grid came about (see dosml.log)"
    else:
        reason = "the labels do not tell it"
    return {"label noise": f"not known: {reason}"}


def _facts(
    plan: ScanPlan, data: Dataset, training: Training, command: str, seconds: float
) -> dict[str, object]:
    workers, origin = plan.settings.workers, data.provenance
    choice = plan.source.choice if isinstance(plan.source, Labelling) else ""
    shifted = any(one.electrons_per_atom_shift for one in data.electronic)
    facts: dict[str, object] = {
        "command": command,
        "engine": origin.engine + (f", {choice}" if choice else ""),
        "frames": f"{len(data.train)} training and {len(data.test)} held out, "
        f"{len(data.frames[0])} atoms in the first, from {origin.source}",
        "held-out frames": [data.frame_ids[n] for n in data.test],
        **_label_facts(data),
        **_noise_facts(plan, data),
        "wall time of the run that wrote this report": (
            f"{seconds:.0f} s on {workers} process{'es' * (workers > 1)}"
        ),
        "seed": plan.settings.seed,
        "learner": dict(zip(data.names, training.facts, strict=True)),
        "engine settings": dict(origin.protocol),
        "versions": {**run_versions(), **origin.versions},
        "dropped_frames": list(data.dropped),
        "engine_warning": origin.warning,
        "warnings": [
            *data.notes,
            *(f"Setting left out: {one}" for one in data.dropped_settings),
            *training.warnings,
        ],
        "limits": [*origin.limits, *(ELECTRON_LIMITS if shifted else ())],
    }
    if len(data.frames) > MOST_ANGLE_FRAMES:
        facts["measures of angles"] = f"of about {MOST_ANGLE_FRAMES} frames, spread over the tiers"
    if not isinstance(plan.source, Labelling):
        facts["labels read from"] = str(plan.settings.labels)
    return facts


def _label_facts(data: Dataset) -> dict[str, object]:
    """How the labels were made, as far as they say."""
    n_labels = len(data.frames) * len(data.label_sets)

    def column(name: str) -> list[float]:
        values = [value for one in data.label_sets for value in one.facts.get(name, ())]
        numbers = [float(value) for value in values if value is not None]
        return [number for number in numbers if not math.isnan(number)]

    facts: dict[str, object] = {"labels": str(n_labels)}
    if seconds := column("seconds"):
        facts["labels"] = f"{n_labels}, median {np.median(seconds):.1f} s each on one core"
    if attempts := column("attempts"):
        facts["labels that needed another attempt"] = sum(number > 1 for number in attempts)
    if top := column("top_occupation"):
        highest = max(map(abs, top))
        facts["largest occupation of the highest band"] = f"{highest:.1e}" if highest else "0"
    return facts
