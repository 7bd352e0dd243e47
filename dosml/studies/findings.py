"""From labels and predictions to the tables, figures and report of a scan."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.electron_swap import swap_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.statistics.dos_table import dos_table
from dosml.analysis.statistics.electron_axis import electron_table
from dosml.analysis.statistics.electron_swap import swap_table
from dosml.analysis.statistics.results import HeldOut, SettingResult
from dosml.analysis.statistics.scan import ScanData, formula_of, summarise
from dosml.analysis.statistics.tables import write_tables
from dosml.relabel.frames import frame_id
from dosml.theory.dos import mean_dos
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from ase import Atoms

    from dosml.analysis.statistics.electron_swap import Swap
    from dosml.relabel.engines.base import Engine
    from dosml.relabel.label import LabelSet
    from dosml.settings import ScanSettings
    from dosml.training import Training

#: Packages whose versions a reader needs to repeat the numbers.
PACKAGES = ("numpy", "scipy", "torch", "tblite", "ase", "pymatgen", "sphericart", "vesin")

#: What a scan of the electron number cannot show, for its report.
ELECTRON_LIMITS = (
    (
        "The cells with added or removed electrons are charged, with a uniform background: no such "
        "metal exists. All bonds become weaker or stronger, so the size of the forces changes with "
        "the shape of the band; look at MAE and MAV apart."
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
    folder: Path,
    *,
    settings: ScanSettings,
    engine: Engine,
    frames: Sequence[Atoms],
    label_sets: Sequence[LabelSet],
    training: Training,
    dropped: Sequence[str],
    dropped_settings: Sequence[str],
    seconds: float,
    swap: Swap | None = None,
    by_learner: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Path]:
    """Write `results.csv`, `results.parquet`, `figures/`, `report.html` and `report.json`.

    Parameters
    ----------
    frames
        The frames that every label set holds, training and held-out.
    dropped, dropped_settings
        Frames and settings that were left out, with the reason.
    seconds
        Wall time of this run so far.
    swap
        Comparison with another metal's electrons, if the scan was made for it.
    by_learner
        From `write_learner_findings`, if the scan trained several learners.

    Returns
    -------
    table, report
        One row per setting; where the report lies.
    """
    is_test = [frame.info["split"] == "test" for frame in frames]
    results = []
    for label_set, prediction in zip(label_sets, training.predictions, strict=True):
        held_out = [label for label, use in zip(label_set.labels, is_test, strict=True) if use]
        results.append(
            SettingResult(
                setting=label_set.setting,
                dos=mean_dos(label.dos for label in label_set.labels),
                forces=[label.forces for label in label_set.labels],
                held_out=HeldOut(
                    forces=[label.forces for label in held_out],
                    forces_predicted=list(prediction.forces),
                    energies=np.array([label.free_energy for label in held_out]),
                    energies_predicted=prediction.energies,
                    stresses=np.array([label.stress for label in held_out]),
                    stresses_predicted=prediction.stresses,
                ),
            )
        )
    facts = _facts(settings, engine, frames, label_sets, training, seconds)
    facts["dropped_frames"] = list(dropped)
    facts["engine_warning"] = engine.warning
    facts["warnings"] = [f"Setting left out: {one}" for one in dropped_settings]
    if any(settings.shifts):
        facts["limits"] = list(ELECTRON_LIMITS)
    study = ScanData(
        formula=formula_of(frames),
        tiers=[str(frame.info.get("tier", "all")) for frame in frames],
        test_tiers=[
            str(frame.info.get("tier", "all"))
            for frame, use in zip(frames, is_test, strict=True)
            if use
        ],
        settings=results,
        facts=facts,
        bootstrap_seed=settings.seed,
        frames=frames,
    )
    table = summarise(study)
    write_tables(table, folder)
    curves = dos_table(study)
    if curves is not None:
        write_tables(curves, folder, "d_dos")
    if study.angular is not None:
        write_tables(study.angular, folder, "angular_resolution")
    if study.power is not None:
        write_tables(study.power, folder, "angular_power")
    if "electrons_per_atom_shift" in study.varies:
        write_tables(electron_table(study, table), folder, "electron_axis")
    figures = draw_figures(study, table, folder / "figures")
    if swap is not None:
        compared = swap_table(swap, table)
        write_tables(compared, folder, "electron_swap")
        figures.insert(0, swap_figure(swap, compared, curves, folder / "figures"))
    report = folder / "report.html"
    write_report(report, study, table, figures, learners=by_learner)
    return table, report


def _facts(
    settings: ScanSettings,
    engine: Engine,
    frames: Sequence[Atoms],
    label_sets: Sequence[LabelSet],
    training: Training,
    seconds: float,
) -> dict[str, object]:
    labels = [label for label_set in label_sets for label in label_set.labels]
    label_seconds = [float(label.facts.get("seconds", np.nan)) for label in labels]
    highest = max(abs(label.top_occupation) for label in labels)
    n_test = sum(frame.info["split"] == "test" for frame in frames)
    source = (
        f"the user's file {settings.target}"
        if settings.target_is_file
        else f"molecular dynamics with the {settings.sampler} potential"
    )
    return {
        "command": "dosml " + shlex.join(sys.argv[1:]),
        "engine": engine.name,
        "frames": f"{len(frames) - n_test} training and {n_test} held out, {len(frames[0])} atoms "
        f"in the first, from {source}",
        "held-out frames": [frame_id(f) for f in frames if f.info["split"] == "test"],
        "labels": f"{len(labels)}, median {np.nanmedian(label_seconds):.1f} s each on one core",
        "labels that needed another attempt": sum(
            int(label.facts.get("attempts", 1)) > 1 for label in labels
        ),
        "largest occupation of the highest band": f"{highest:.1e}" if highest else "0",
        "wall time of the run that wrote this report": (
            f"{seconds:.0f} s on {settings.workers} process{'es' * (settings.workers > 1)}"
        ),
        "seed": settings.seed,
        "learner": {
            f"{label_set.setting.name}": facts
            for label_set, facts in zip(label_sets, training.facts, strict=True)
        },
        "engine settings": engine.fingerprint(),
        "versions": {
            "dosml": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }
