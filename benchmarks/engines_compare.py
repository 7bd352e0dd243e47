"""The engines tb and xtb against PBE on the same frames: forces, d band, response to smearing.

    OMP_NUM_THREADS=1 python benchmarks/engines_compare.py [--engine tb] [--frames 6]
        [--metals Ti,Cu] [--figure engines.png]

PBE labels are those of the reference set (GPAW, Methfessel-Paxton, 3 x 3 x 3 k-points). `tb` labels
the same frames with the same smearing and grid. `xtb` has the Gamma point and Fermi-Dirac smearing
only, so it labels each frame repeated 2 x 2 x 2, which is a 2 x 2 x 2 grid of k-points for the
frame itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import measure_all
from dosml.relabel.dataset import reference_dataset, reference_metals
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import canonical
from dosml.relabel.label import Label
from dosml.theory.dos import mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

#: Options, cells of each frame, and smearing scheme of the engines.
SET_UP = {
    "tb": ({"kpoints": (3, 3, 3)}, (1, 1, 1), "methfessel-paxton-1"),
    "xtb": ({}, (2, 2, 2), "fermi-dirac"),
}


def chosen(metal: str, count: int) -> list[int]:
    """Held-out frames, spread over the tiers."""
    held_out = reference_dataset(metal).test
    return list(held_out[:: max(1, len(held_out) // count)][:count])


def embedded(
    engine: str, metal: str, numbers: list[int], width: float
) -> tuple[list[Label], float]:
    """Labels of an embedded engine, forces of the frame's own atoms, and seconds per label."""
    options, repeat, scheme = SET_UP[engine]
    made, labels = make_engine(engine, options, [metal]), []
    setting = ElectronicSetting(Smearing(scheme, width))
    frames = reference_dataset(metal).frames
    start = time.process_time()
    for number in numbers:
        frame = canonical(frames[number].repeat(repeat))
        ((_, label),) = made.label_ladder(frame, [setting], [], Path("benchmark-restart"))
        if not isinstance(label, Label):
            raise SystemExit(f"{metal}, frame {number}, {width} eV: {label.reason}")
        labels.append(label)
    return labels, (time.process_time() - start) / len(numbers)


def rows(
    engine: str, metal: str, count: int
) -> tuple[list[dict[str, float | str]], dict[str, np.ndarray]]:
    """One row per smearing, and the forces for the figure."""
    numbers = chosen(metal, count)
    table, forces = [], {}
    sets = reference_dataset(metal).label_sets
    ends = (sets[0], sets[-1])
    change = {}
    for one in ends:
        width = one.setting.smearing.width
        reference = one.take(numbers).averaged()
        ours, seconds = embedded(engine, metal, numbers, width)
        n_atoms = len(reference.forces[0])
        x = np.concatenate(reference.forces).ravel()
        y = np.concatenate([label.forces[:n_atoms] for label in ours]).ravel()
        forces[f"{width:g}"] = np.stack([x, y])
        change[width] = (x, y)
        measures = [
            measure_all(dos, smearing, DosWindows())
            for dos, smearing in (
                (reference.dos, one.setting.smearing),
                (mean_dos([label.dos for label in ours]), Smearing(SET_UP[engine][2], width)),
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
                "pbe_d_centre_ev": measures[0]["d_band_center_ev"],
                "d_centre_ev": measures[1]["d_band_center_ev"],
                "pbe_n_d": measures[0]["n_d_fermi_states_per_ev_atom"],
                "n_d": measures[1]["n_d_fermi_states_per_ev_atom"],
                "pbe_s": float(np.mean(reference.facts["seconds"])),
                "cpu_s": seconds,
            }
        )
    (x0, y0), (x1, y1) = change.values()
    table[-1]["change_slope"] = float(np.polyfit(x1 - x0, y1 - y0, 1)[0])
    table[-1]["change_correlation"] = float(np.corrcoef(x1 - x0, y1 - y0)[0, 1])
    table[-1]["pbe_change_rms"] = float(np.sqrt(np.mean((x1 - x0) ** 2)))
    table[-1]["change_rms"] = float(np.sqrt(np.mean((y1 - y0) ** 2)))
    return table, forces


def draw(engine: str, found: dict[str, dict[str, np.ndarray]], path: Path) -> None:
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
            ax.set(xlabel="PBE force (eV/Å)", ylabel=f"{engine} force (eV/Å)")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=SET_UP, default="tb")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--metals", default=",".join(reference_metals()))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    pd.set_option("display.float_format", "{:.3g}".format)
    table, found = [], {}
    for metal in given.metals.split(","):
        more, found[metal] = rows(given.engine, metal, given.frames)
        table += more
    print(pd.DataFrame(table).T.to_string())
    if given.figure:
        draw(given.engine, found, given.figure)


if __name__ == "__main__":
    main()
