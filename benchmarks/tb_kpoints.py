"""Mesh error of the forces of the engine tb: metal by metal, tier by tier, grid by grid.

    OMP_NUM_THREADS=1 python benchmarks/tb_kpoints.py [Ti Cu ...] [--grids 2,3,4,5] [--frames 2]

Frames are those of the default sampling (cells from 7 Å, one vacancy; cold, warm, melt). The error
of a grid is the mean absolute difference of the force components from those of the next denser one
(`next`) and from those of the densest (`dense`), in % of the mean absolute force. A metal without
shipped parameters is named with its file: Zr=FILE. `--shifted` adds grids that are moved by half a
step.

With the finished scans of the metals (`--scans FOLDER ...`, one campaign folder each) it also says
which grid is the coarsest whose error against the next, over all frames, is at most a fifth of the
force field's at the smallest smearing, as a spacing; `--write` puts that into the
shipped parameters.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dosml.analysis.statistics.campaigns import read_campaign
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import KPoints, gamma_grid
from dosml.relabel.engines.tb.labels import label_of
from dosml.relabel.engines.tb.model import SHIPPED, shipped_metals
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.solve import solve
from dosml.relabel.frames import canonical
from dosml.relabel.sampling import TIERS, sample_frames
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from ase import Atoms

#: Largest error of a grid over that of the force field.
BAR = 0.2
WIDTHS = (0.2, 0.5, 2.0)
SETTINGS = [ElectronicSetting(Smearing("methfessel-paxton-1", width)) for width in WIDTHS]


def shifted_grid(n: int) -> KPoints:
    """Grid of n x n x n points, half a step away from Gamma, one of k and -k."""
    axis = (np.arange(n) + 0.5) / n - 0.5
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    keys = [tuple(np.round(point % 1, 9) % 1) for point in points]
    kept: dict[tuple[float, ...], int] = {}
    weights: list[float] = []
    chosen: list[int] = []
    for number, key in enumerate(keys):
        partner = tuple(np.round(-points[number] % 1, 9) % 1)
        if partner in kept:
            weights[kept[partner]] += 1
        else:
            kept[key] = len(chosen)
            chosen.append(number)
            weights.append(1.0)
    total = np.array(weights)
    return KPoints(points[chosen], total / total.sum())


def forces(engine: TbEngine, frame: Atoms, grid: KPoints) -> tuple[np.ndarray, float]:
    """Compute forces at every width, shape (n_widths, n_atoms, 3), and processor seconds."""
    start = time.process_time()
    bands = solve(Structure.of(frame, engine.parameters_of(frame)), grid)
    volume = float(frame.cell.volume)
    found = [label_of(bands, volume, setting, {"seconds": 0.0}).forces for setting in SETTINGS]
    return np.array(found), time.process_time() - start


def rows(
    metal: str, path: Path | None, grids: list[int], n_frames: int, *, shifted: bool
) -> list[dict[str, object]]:
    """Errors of every grid and tier."""
    engine = TbEngine(TbOptions(parameters=path))
    sampled = sample_frames(metal, n_frames_per_tier=dict.fromkeys(TIERS, n_frames), seed=0)
    dense = grids[-1] + 1
    kinds = {f"{n}": gamma_grid((n, n, n)) for n in [*grids, dense]}
    if shifted:
        kinds |= {f"{n} shifted": shifted_grid(n) for n in grids}
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    seconds: dict[str, list[float]] = {}
    for frame in map(canonical, sampled):
        for name, grid in kinds.items():
            one, took = forces(engine, frame, grid)
            found.setdefault((frame.info["tier"], name), []).append(one)
            seconds.setdefault(name, []).append(took)
    longest = max(2 * math.pi * np.linalg.norm(np.asarray(sampled[0].cell.reciprocal()), axis=1))
    table: list[dict[str, object]] = []
    for tier in [*TIERS, "all"]:
        tiers = list(TIERS) if tier == "all" else [tier]

        def stacked(name: str, tiers: list[str] = tiers) -> np.ndarray:
            return np.concatenate([np.concatenate(found[t, name], axis=1) for t in tiers], axis=1)

        best = stacked(str(dense))
        size = np.abs(best).mean(axis=(1, 2))
        for name in kinds:
            if name == str(dense):
                continue
            row: dict[str, object] = {"metal": metal, "atoms": len(sampled[0]), "tier": tier}
            row |= {"grid": name, "points": len(kinds[name].points)}
            row["spacing"] = longest / int(name.split()[0])
            row["seconds"] = float(np.mean(seconds[name]))
            here = stacked(name)
            near = stacked(str(int(name.split()[0]) + 1))
            for k, width in enumerate(WIDTHS):
                row[f"next {width:g}"] = 100 * np.abs(here - near).mean(axis=(1, 2))[k] / size[k]
                row[f"dense {width:g}"] = 100 * np.abs(here - best).mean(axis=(1, 2))[k] / size[k]
            table.append(row)
    return table


def converged(table: pd.DataFrame, error: float) -> tuple[str, float] | None:
    """Find the coarsest grid that meets the bar, and its spacing (1/Å), rounded up."""
    rows = table[(table["tier"] == "all") & table["grid"].str.isdigit()]
    for _, row in rows.iterrows():
        if row[f"next {WIDTHS[0]:g}"] <= BAR * error:
            return str(row["grid"]), math.ceil(100 * row["spacing"]) / 100
    return None


def write_spacing(metal: str, spacing: float) -> None:
    """Put the spacing into the parameters that ship."""
    path = SHIPPED / f"{metal}.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["kpoint_spacing"] = spacing
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print one table a metal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("metals", nargs="*", default=shipped_metals())
    parser.add_argument("--grids", default="2,3,4,5")
    parser.add_argument("--frames", type=int, default=2, help="of each tier")
    parser.add_argument("--shifted", action="store_true")
    parser.add_argument("--scans", type=Path, nargs="+", default=[])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    scans = {
        one.metal: float(one.results["force_percent_error"][0])
        for one in map(read_campaign, given.scans)
    }
    grids = sorted(map(int, given.grids.split(",")))
    if grids != list(range(grids[0], grids[-1] + 1)):
        parser.error("--grids takes numbers without gaps, such as 2,3,4")
    for target in given.metals:
        metal, _, file = target.partition("=")
        path = Path(file) if file else None
        table = pd.DataFrame(rows(metal, path, grids, given.frames, shifted=given.shifted))
        print(table.to_string(index=False, float_format="{:.2f}".format), flush=True)
        if metal not in scans:
            continue
        found = converged(table, scans[metal])
        if found is None:
            print(f"{metal}: no grid meets the bar")
            continue
        print(f"{metal}: {found[0]} points a side, kpoint_spacing {found[1]:g}", flush=True)
        if given.write:
            write_spacing(metal, found[1])


if __name__ == "__main__":
    main()
