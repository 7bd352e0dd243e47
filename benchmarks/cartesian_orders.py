"""Which body order and which degree do forces need? The sgp on products of Cartesian moments.

    python benchmarks/cartesian_orders.py OUT [--metals Ti,Os,Cu,Au] [--zeta 1]

Trains on the PBE labels that ship, smallest and largest smearing, nu = 1 ... 5 and l_max = 1 ... 4,
and writes `orders.csv` (force % error and its interval, and that of the change from the order
before, on the same frames) and `orders.png` into OUT. With zeta = 1 the kernel is linear in the
products, so that nu moments mean nu + 1 bodies.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.errors import (
    FrameSums,
    component_sums,
    error_columns,
    paired_difference_interval,
)
from dosml.learners.registry import make_learner
from dosml.relabel.dataset import reference_dataset

DEGREES, ORDERS = (1, 2, 3, 4), (1, 2, 3, 4, 5)


def rows_of(metal: str, zeta: int) -> list[dict[str, object]]:
    """Force errors of one metal at its smallest and largest smearing."""
    data = reference_dataset(metal)
    train, test = data.take(data.train), data.take(data.test)
    ends = (0, len(data.label_sets) - 1)
    rows: list[dict[str, object]] = []
    for l_max in DEGREES:
        before: list[FrameSums] = []
        for nu in ORDERS:
            options = {"descriptor": "cace", "nu": nu, "l_max": l_max, "zeta": zeta}
            began = time.process_time()
            models = make_learner("sgp", options).fit(
                train.frames, [train.label_sets[k] for k in ends]
            )
            found = []
            for k, said, facts in zip(
                ends, models.predict(test.frames), models.facts(), strict=True
            ):
                sums = component_sums(said.forces, test.label_sets[k].forces)
                found.append(sums)
                row: dict[str, object] = {
                    "metal": metal,
                    "sigma": data.electronic[k].smearing.width,
                    "l_max": l_max,
                    "nu": nu,
                    "features": facts["n_features"],
                    "log_likelihood": facts["log_likelihood"],
                    "cpu_seconds": time.process_time() - began,
                    **error_columns("force_percent", sums, test.tiers),
                }
                if before:
                    change = paired_difference_interval(sums, before[len(found) - 1], test.tiers)
                    row |= {"change_low": change.low, "change_high": change.high}
                rows.append(row)
            before = found
            print(
                pd.DataFrame(rows[-2:]).to_string(header=nu == ORDERS[0], index=False), flush=True
            )
    return rows


def draw(table: pd.DataFrame, path: Path) -> None:
    """Error against nu, one panel a metal, one line a degree, full at the smallest smearing."""
    from matplotlib.figure import Figure

    metals = list(dict.fromkeys(table["metal"]))
    with house_style():
        figure = Figure(figsize=(2.3 * len(metals), 3.0), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(metals)))
        for axes, metal in zip(panels, metals, strict=True):
            mine = table[table["metal"] == metal]
            for colour, l_max in enumerate(sorted(set(mine["l_max"]))):
                for style, sigma in zip(("-", "--"), sorted(set(mine["sigma"])), strict=True):
                    one = mine[(mine["l_max"] == l_max) & (mine["sigma"] == sigma)]
                    low = one["force_percent"] - one["force_percent_low"]
                    high = one["force_percent_high"] - one["force_percent"]
                    axes.errorbar(
                        one["nu"],
                        one["force_percent"],
                        yerr=[low, high] if l_max == max(table["l_max"]) else None,
                        color=f"C{colour}",
                        linestyle=style,
                        marker="o",
                        markersize=3,
                        label=rf"$l_\mathrm{{max}}$ = {l_max}, $\sigma$ = {sigma:g} eV",
                    )
            axes.set_title(metal)
            axes.set_yscale("log")
            axes.set_xlabel(r"$\nu$ ($\nu$ + 1 bodies)")
            axes.set_xticks(list(ORDERS))
        panels[0].set_ylabel("force error (%)")
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=6
        )
        figure.savefig(path, dpi=200)


def main() -> None:
    """Train, write the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--metals", default="Ti,Os,Cu,Au")
    parser.add_argument("--zeta", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = [row for metal in given.metals.split(",") for row in rows_of(metal, given.zeta)]
    table = pd.DataFrame(rows)
    table.to_csv(given.out / "orders.csv", index=False)
    draw(table, given.out / "orders.png")


if __name__ == "__main__":
    main()
