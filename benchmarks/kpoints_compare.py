"""What the k-points of the reference set cost in accuracy: its forces against denser grids.

    python benchmarks/kpoints_compare.py [--metal Ti] [--grids 4,5] [--sigma 0.5,0.2] [--tier warm]

Labels the first frame of the tier anew with GPAW (`make gpaw`), everything but the grid as in the
set. A 4 x 4 x 4 grid takes about a minute of one core per label of Ti.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from dosml.relabel.dataset import reference_dataset
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.label import Label


def main() -> None:
    """Print one line per grid and smearing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metal", default="Ti")
    parser.add_argument("--grids", default="4,5")
    parser.add_argument("--sigma", default="0.5,0.2")
    parser.add_argument("--tier", default="warm")
    given = parser.parse_args()
    widths = [float(width) for width in given.sigma.split(",")]
    data = reference_dataset(given.metal)
    number = data.tiers.index(given.tier)
    shipped = {
        one.setting: one.forces[number]
        for one in data.label_sets
        if one.setting.smearing.width in widths
    }
    print(f"{given.metal}, frame {number} ({given.tier}); mean and largest difference in eV/Å")
    for grid in map(int, given.grids.split(",")):
        engine, start = GpawEngine("laptop", kpoints=(grid, grid, grid)), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            ladder = engine.label_ladder(data.frames[number], list(shipped), [], Path(folder))
            for setting, label in ladder:
                if not isinstance(label, Label):
                    raise SystemExit(f"{grid} x {grid} x {grid}: {label.reason}")
                change = np.abs(label.forces - shipped[setting])
                print(
                    f"{grid} x {grid} x {grid}, sigma {setting.smearing.width:g} eV: "
                    f"{change.mean():.4f}, {change.max():.4f} "
                    f"(mean absolute force {np.abs(label.forces).mean():.3f}), "
                    f"{time.process_time() - start:.0f} s of processor time so far",
                    flush=True,
                )


if __name__ == "__main__":
    main()
