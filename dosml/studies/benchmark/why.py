"""Why is a metal hard? The DOS of a few of its molten test frames, from an engine.

A data set of a benchmark holds no DOS. As in the paper it is taken on three test frames of the
hottest tier; where the tiers are not told, on those with the largest forces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import MEASURES, measure_all
from dosml.errors import DosmlError, InputError
from dosml.relabel.engines.registry import default_engine, engine_entry, make_engine
from dosml.relabel.own_d import own_d
from dosml.relabel.store import LabelStore
from dosml.studies.benchmark.points import hottest
from dosml.studies.benchmark.settings import AUTO
from dosml.studies.labelling import labelled, provenance_of
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.execution.runner import Runner
    from dosml.studies.benchmark.settings import BenchmarkSettings

#: What stands for the engine where the labels bring their own DOS.
OWN_LABELS = "labels"
#: eV, where the labels do not say.
_WIDTH = 0.2


@dataclass(frozen=True)
class MetalDos:
    """What the DOS of one metal says.

    Attributes
    ----------
    rows
        Measures at every electronic setting of the labels (at 0.2 eV where they tell none).
    engine
        Name of the engine, `OWN_LABELS` where the labels bring their own DOS.
    warning
        Of the engine.
    """

    rows: tuple[dict[str, Any], ...]
    engine: str
    warning: str


def metal_dos(
    settings: BenchmarkSettings,
    metal: str,
    data: Dataset,
    folder: Path,
    runner: Runner,
    reporter: Reporter,
) -> MetalDos | None:
    """Read the measures of one metal's DOS; None where no engine has it, with a warning.

    Parameters
    ----------
    folder
        Where labels of the engine are kept.
    """
    try:
        if all(one.dos is not None for one in data.label_sets):
            return _rows(metal, data.with_mean_dos(), OWN_LABELS, data.provenance.warning)
        name = settings.dos_engine
        if name == AUTO:
            name = default_engine(data.elements, mixed=len(data.elements) > 1).name
        elif lacks := engine_entry(name).lacks(data.elements):
            raise InputError(f"the engine {name} {lacks}")
        engine = make_engine(name, {}, data.elements)
        electronic = [one.setting for one in data.label_sets if one.setting is not None]
        scheme = engine.default_scheme
        electronic = electronic or [ElectronicSetting(Smearing(scheme, _WIDTH), 0.0)]
        frames = [data.frames[n] for n in molten(data, settings.dos_frames)]
        found = labelled(
            engine,
            LabelStore(folder / "labels", engine.fingerprint()),
            frames,
            electronic,
            runner,
            reporter,
            provenance=provenance_of(engine, f"{metal}, {len(frames)} test frames"),
            what=f"DOS of {metal}",
        )
        return _rows(metal, found.with_mean_dos(), engine.name, engine.warning)
    except DosmlError as error:
        reporter.warn(f"{metal}: no DOS: {error}")
        return None


def molten(data: Dataset, count: int) -> list[int]:
    """Give test frames of the hottest tier, spread over it; of one tier those of largest forces."""
    forces = data.label_sets[0].forces
    if len(set(data.tiers)) > 1:
        tier = hottest(data)
        among = [n for n in data.test if data.tiers[n] == tier] or list(data.test)
        places = np.linspace(0, len(among) - 1, min(count, len(among))).round().astype(int)
        return [among[k] for k in dict.fromkeys(places.tolist())]
    by_force = sorted(data.test, key=lambda n: -float(np.abs(forces[n]).mean()))
    return sorted(by_force[:count])


def _rows(metal: str, data: Dataset, engine: str, warning: str) -> MetalDos:
    rows = []
    for labels in data.label_sets:
        if labels.dos is None or labels.setting is None:
            raise InputError(f"the engine {engine} gives no DOS")
        smearing = labels.setting.smearing
        low, high = DosWindows().moments
        grid = labels.dos.energies
        windows = DosWindows(moments=(max(low, float(grid[0])), min(high, float(grid[-1]))))
        own = own_d(labels.dos, data.elements)
        read = measure_all(own, smearing, windows, skip_unresolved=True)
        rows.append(
            {
                "metal": metal,
                "dos_sigma_ev": smearing.width,
                "dos_engine": engine,
                **{name: read[name] for name in MEASURES},
            }
        )
    return MetalDos(tuple(rows), engine, warning)
