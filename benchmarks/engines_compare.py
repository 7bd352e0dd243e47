"""GFN1-xTB against PBE on the same frames: forces, d band, response to smearing, seconds.

    python benchmarks/engines_compare.py [--frames 6] [--metals Ti,Cu] [--figure engines.png]

PBE labels are those of the reference set (GPAW, Methfessel-Paxton, k-points). The embedded engine
has the Gamma point and Fermi-Dirac smearing only, so it labels each frame repeated 2 x 2 x 2, which
is a 2 x 2 x 2 grid of k-points for the frame itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dosml.analysis.measures.dos_measures import DosWindows, dos_measures
from dosml.relabel.dataset import reference_dataset, reference_metals
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical
from dosml.relabel.label import Label
from dosml.theory.dos import mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

REPEAT = (2, 2, 2)


def chosen(metal: str, count: int) -> list[int]:
    """Held-out frames, spread over the tiers."""
    held_out = reference_dataset(metal).test
    return list(held_out[:: max(1, len(held_out) // count)][:count])


def embedded(metal: str, numbers: list[int], width: float) -> tuple[list[Label], float]:
    """Labels of the embedded engine, forces of the frame's own atoms, and seconds per label."""
    engine, labels = XtbEngine(), []
    setting = ElectronicSetting(Smearing("fermi-dirac", width))
    frames = reference_dataset(metal).frames
    start = time.process_time()
    for number in numbers:
        label = engine.label(canonical(frames[number].repeat(REPEAT)), setting)
        if not isinstance(label, Label):
            raise SystemExit(f"{metal}, frame {number}, {width} eV: {label.reason}")
        labels.append(label)
    return labels, (time.process_time() - start) / len(numbers)


def rows(metal: str, count: int) -> tuple[list[dict[str, float | str]], dict[str, np.ndarray]]:
    """One row per smearing, and the forces for the figure."""
    numbers = chosen(metal, count)
    table, forces = [], {}
    sets = reference_dataset(metal).label_sets
    ends = (sets[0], sets[-1])
    change = {}
    for one in ends:
        width = one.setting.smearing.width
        reference = one.take(numbers).averaged()
        ours, seconds = embedded(metal, numbers, width)
        n_atoms = len(reference.forces[0])
        x = np.concatenate(reference.forces).ravel()
        y = np.concatenate([label.forces[:n_atoms] for label in ours]).ravel()
        forces[f"{width:g}"] = np.stack([x, y])
        change[width] = (x, y)
        measures = [
            dos_measures(dos, smearing, DosWindows())
            for dos, smearing in (
                (reference.dos, one.setting.smearing),
                (mean_dos([label.dos for label in ours]), Smearing("fermi-dirac", width)),
            )
        ]
        table.append(
            {
                "metal": metal,
                "sigma_ev": width,
                "frames": len(numbers),
                "slope": float(np.polyfit(x, y, 1)[0]),
                "correlation": float(np.corrcoef(x, y)[0, 1]),
                "force_mae_ev_per_a": float(np.abs(x - y).mean()),
                "pbe_mav_ev_per_a": float(np.abs(x).mean()),
                "pbe_d_centre_ev": measures[0].center,
                "xtb_d_centre_ev": measures[1].center,
                "pbe_n_d": measures[0].n_fermi,
                "xtb_n_d": measures[1].n_fermi,
                "pbe_s": float(np.mean(reference.facts["seconds"])),
                "xtb_cpu_s": seconds,
            }
        )
    (x0, y0), (x1, y1) = change.values()
    table[-1]["change_correlation"] = float(np.corrcoef(x1 - x0, y1 - y0)[0, 1])
    table[-1]["pbe_change_rms"] = float(np.sqrt(np.mean((x1 - x0) ** 2)))
    table[-1]["xtb_change_rms"] = float(np.sqrt(np.mean((y1 - y0) ** 2)))
    return table, forces


def draw(found: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Plot forces of one engine against the other, a panel per metal and smearing."""
    import matplotlib.pyplot as plt

    widths = list(next(iter(found.values())))
    figure, axes = plt.subplots(
        len(widths), len(found), figsize=(3.1 * len(found), 3.1 * len(widths)), squeeze=False
    )
    for column, (metal, forces) in enumerate(found.items()):
        for row, width in enumerate(widths):
            ax, (x, y) = axes[row, column], forces[width]
            end = max(np.abs(x).max(), np.abs(y).max())
            ax.plot([-end, end], [-end, end], color="0.7", lw=1)
            ax.plot(x, y, ".", ms=4, color="#0072B2")
            ax.set(title=f"{metal}, σ = {width} eV", aspect="equal")
            ax.set(xlabel="PBE force (eV/Å)", ylabel="GFN1-xTB force (eV/Å)")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--metals", default=",".join(reference_metals()))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    pd.set_option("display.float_format", "{:.3g}".format)
    table, found = [], {}
    for metal in given.metals.split(","):
        more, found[metal] = rows(metal, given.frames)
        table += more
    print(pd.DataFrame(table).T.to_string())
    if given.figure:
        draw(found, given.figure)


if __name__ == "__main__":
    main()
