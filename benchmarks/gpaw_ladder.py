"""What a ladder of smearings saves: each label from its neighbour's density, and from atoms.

    python benchmarks/gpaw_ladder.py [--metals Ti,Os,Cu,Au] [--sigma 0.2,0.5,1,2] [--tier warm]

Labels the first frame of the tier with GPAW (`make gpaw`), preset laptop, both ways in one run.
From atoms every label has the bands that its own smearing needs; in a ladder all have those of the
widest. The ladder is run first and last, and its seconds are the mean, so that a machine that gets
busier favours neither.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from dosml.relabel.dataset import reference_dataset, reference_metals
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.label import Label
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


def label_all(
    engine: GpawEngine, frame: object, settings: list[ElectronicSetting]
) -> tuple[dict[float, Label], dict[float, float]]:
    """Labels of one ladder and processor seconds of each, by smearing width."""
    labels, seconds, start = {}, {}, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for setting, label in engine.label_ladder(frame, settings, [], Path(folder)):
            width = setting.smearing.width
            if not isinstance(label, Label):
                raise SystemExit(f"sigma {width:g} eV: {label.reason}")
            labels[width], seconds[width] = label, time.process_time() - start
            start = time.process_time()
    return labels, seconds


def compare(metal: str, widths: list[float], tier: str) -> None:
    """Print one table."""
    data = reference_dataset(metal)
    frame = data.frames[data.tiers.index(tier)]
    engine = GpawEngine("laptop")
    settings = [ElectronicSetting(Smearing(engine.default_scheme, width)) for width in widths]
    ladder, first = label_all(engine, frame, settings)
    alone, alone_seconds = {}, {}
    for setting in settings:
        labels, seconds = label_all(engine, frame, [setting])
        alone |= labels
        alone_seconds |= seconds
    _, last = label_all(engine, frame, settings)
    mean = {width: (first[width] + last[width]) / 2 for width in widths}
    print(
        f"{metal}: sigma (eV), SCF steps and CPU s from atoms, in the ladder, largest |dF| (eV/Å)"
    )
    for width in sorted(widths, reverse=True):
        change = np.abs(ladder[width].forces - alone[width].forces).max()
        print(
            f"  {width:g}: {alone[width].facts['scf_steps']}, {alone_seconds[width]:.1f}; "
            f"{ladder[width].facts['scf_steps']}, {mean[width]:.1f}; {change:.4f}"
        )
    total, of_ladder = sum(alone_seconds.values()), sum(mean.values())
    widest = mean[max(widths)]
    print(
        f"  all: {sum(one.facts['scf_steps'] for one in alone.values())}, {total:.0f}; "
        f"{sum(one.facts['scf_steps'] for one in ladder.values())}, {of_ladder:.0f}: the ladder "
        f"costs {of_ladder / total:.2f} of {len(widths)} starts from atoms, "
        f"{of_ladder / widest:.2f} times its first label",
        flush=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metals", default=",".join(reference_metals()))
    parser.add_argument("--sigma", default="0.2,0.5,1,2")
    parser.add_argument("--tier", default="warm")
    given = parser.parse_args()
    for metal in given.metals.split(","):
        compare(metal, [float(width) for width in given.sigma.split(",")], given.tier)


if __name__ == "__main__":
    main()
