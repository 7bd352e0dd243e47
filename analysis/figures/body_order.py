"""Body orders: what every order adds, and how soon the sum is there against smearing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import from_zero, new_figure, panels_legend, plain, scale_colours

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: eV per atom: what is smaller is round-off of total energies.
SMALLEST = 1e-7
#: Colours of sources: those of the style, and one more for the eighth.
_SOURCES = (*(f"C{n}" for n in range(7)), "#8c8c8c")
_CHI = "chi_4_states2_per_ev_atom2"
_COLUMNS = 2


def body_order_figures(
    orders: pd.DataFrame, summary: pd.DataFrame
) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield name, title, caption and figure: drawn when asked for, inside the house style.

    Parameters
    ----------
    orders, summary
        From `dosml.analysis.statistics.body_order`.
    """
    yield (
        "body_orders",
        "What every body order adds",
        (
            "Mean over clusters of |E_k| per atom, E_k being the sum of the terms of all sets of k "
            "atoms, for the largest clusters of every subject."
        ),
        order_figure(orders),
    )
    if summary.groupby(["source", "subject"])["sigma_ev"].nunique().max() > 1:
        yield (
            "convergence",
            "Body orders against smearing",
            (
                "The largest clusters, means with 95 % intervals over clusters: |E_N| over the "
                "largest |E_k|; what forces lack, relative, mean over all truncations K; the "
                "smallest number of bodies that holds the share of the binding energy"
                + ("; chi_4 of the clusters' d-DOS." if _has_chi(summary) else ".")
            ),
            convergence_figure(summary),
        )


def order_figure(orders: pd.DataFrame) -> Figure:
    """Draw a panel per subject: mean |E_k| per atom against k, a line per source and setting."""
    subjects = list(dict.fromkeys(orders["subject"]))
    columns = min(_COLUMNS, len(subjects))
    rows = -(-len(subjects) // columns)
    figure = new_figure(1.6 + 2.8 * columns, 1.4 + 2.3 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    lines = list(dict.fromkeys(zip(orders["source"], orders["setting"], strict=True)))
    looks = _looks(lines)
    for axes, subject in zip(panels, subjects, strict=False):
        mine = orders[(orders["subject"] == subject) & (orders["order"] > 1)]
        mine = mine[mine["n_atoms"] == mine["n_atoms"].max()]
        for line in lines:
            one = mine[(mine["source"] == line[0]) & (mine["setting"] == line[1])]
            if one.empty:
                continue
            means = one.groupby("order")["energy_ev_per_atom"].agg(_mean_size)
            axes.plot(
                means.index.to_numpy(int),
                np.maximum(means.to_numpy(float), SMALLEST),
                label=plain(", ".join(filter(None, line))),
                **looks[line],
            )
        size = int(mine["n_atoms"].max())
        axes.set_title(plain(f"{subject}, {size} atoms"))
        axes.set_yscale("log")
        axes.set_xticks(range(2, size + 1))
    for axes in panels[len(subjects) :]:
        axes.set_visible(False)
    figure.supxlabel("bodies k", fontsize=9)
    figure.supylabel("mean $|E_k|$ (eV/atom)", fontsize=9)
    panels_legend(figure, panels[: len(subjects)])
    return figure


def _has_chi(summary: pd.DataFrame) -> bool:
    return _CHI in summary and bool(summary[_CHI].notna().any())


def convergence_figure(summary: pd.DataFrame) -> Figure:
    """Draw how terms fall off, what forces lack, effective order and chi_4 against σ."""
    has_chi = _has_chi(summary)
    measures = [
        ("tail", "last order / largest order"),
        ("force_remainder", "missing of forces, mean over K"),
        ("effective_body_order", "bodies for the share of the energy"),
        *([(_CHI, "chi_4 (states²/eV/atom²)")] if has_chi else []),
    ]
    figure = new_figure(7.2, 5.2)
    panels = figure.subplots(2, 2).ravel()
    panels[-1].set_visible(has_chi)
    neutral = summary[
        summary["electrons_per_atom_shift"]
        == min(summary["electrons_per_atom_shift"].unique(), key=abs)
    ]
    largest = neutral.groupby("subject")["n_atoms"].transform("max")
    shown = neutral[(neutral["n_atoms"] == largest) & neutral["sigma_ev"].notna()]
    for axes, (name, label) in zip(panels, measures, strict=False):
        for number, (key, one) in enumerate(shown.groupby(["source", "subject"], sort=False)):
            _curve(axes, one.sort_values("sigma_ev"), name, key, number)
        axes.set_xlabel("smearing width σ (eV)")
        widths = sorted(set(shown["sigma_ev"]))
        axes.set_xticks(widths, [f"{one:g}" for one in widths])
        axes.set_title(label, fontsize=9)
        if name in {_CHI, "tail"}:
            axes.set_yscale("log")
        else:
            from_zero(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _curve(axes: Axes, one: pd.DataFrame, name: str, key: tuple[str, str], number: int) -> None:
    x, y = one["sigma_ev"].to_numpy(float), one[name].to_numpy(float)
    look: dict[str, Any] = {"color": f"C{number % 8}", "ms": 4, "lw": 1.2}
    label = plain(f"{key[1]}, {key[0]}")
    if f"{name}_low" in one:
        low, high = (one[f"{name}_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.errorbar(x, y, yerr=[y - low, high - y], fmt="o-", capsize=2, label=label, **look)
    else:
        axes.plot(x, y, "o-", label=label, **look)


def _looks(lines: list[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """One colour map over the settings of one source; a colour for each of several sources."""
    sources = list(dict.fromkeys(source for source, _ in lines))
    settings = list(dict.fromkeys(setting for _, setting in lines))
    by_setting = dict(zip(settings, scale_colours(len(settings)), strict=True))
    looks = {}
    for source, setting in lines:
        alone = len(sources) == 1
        mark = "os^Dv<>p"[sources.index(source) % 8]
        several = len(settings) > 1
        looks[source, setting] = {
            "color": by_setting[setting] if several else _SOURCES[sources.index(source) % 8],
            "marker": mark,
            "ms": 4,
            "lw": 1.3 if alone or source == sources[0] else 0.9,
            "ls": "-" if source == sources[0] else "--",
        }
    return looks


def _mean_size(values: pd.Series) -> float:
    return float(values.abs().mean())
