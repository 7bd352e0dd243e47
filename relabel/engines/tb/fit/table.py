"""The table of all metals that ship, from their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.relabel.engines.tb.fit.plan import ground_state
from dosml.relabel.engines.tb.fit.samples import SMEARINGS
from dosml.relabel.engines.tb.model import load_parameters, shipped_metals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD = (
    *("metal", "r, 0.2 eV", "error", "cold", "warm", "hot", "r, 2 eV", "error", "r of change"),
    *("slope of change", "a, %", "B, GPa (PBE)", "order (PBE)", "n_d(E_F) (PBE)", "misses"),
)


_DENSE_HEAD = (
    *("metal", "frames", "r, 0.2 eV", "error", "r, 2 eV", "error"),
    *("r of change", "slope of change", "r of change, mesh of the fit, all held-out frames"),
)


def markdown_table(metals: Sequence[str] | None = None) -> str:
    """Return one row a metal: held-out forces by tier, their change, and the crystal."""
    rows = [_row(metal) for metal in (shipped_metals() if metals is None else metals)]
    return _markdown(_HEAD, rows)


def dense_table() -> str:
    """Return one row for each metal whose forces are known on `plan.DENSE_GRID`."""
    cards = {metal: load_parameters(metal).card for metal in shipped_metals()}
    rows = []
    for metal, card in cards.items():
        if "forces_dense" not in card:
            continue
        dense = {name: tiers["all"] for name, tiers in card["forces_dense"].items()}
        forces = [dense[f"{one.width:g}"] for one in SMEARINGS]
        rows.append(
            (
                metal,
                ", ".join(tier for tier in card["forces_dense"]["change"] if tier != "all"),
                *(
                    part
                    for one in forces
                    for part in (f"{one['r']:.3f}", f"{100 * one['relative']:.1f} %")
                ),
                *(f"{dense['change'][name]:.2f}" for name in ("r", "slope")),
                f"{card['forces']['change']['all']['r']:.2f}",
            )
        )
    return _markdown(_DENSE_HEAD, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(metal: str) -> tuple[str, ...]:
    card = load_parameters(metal).card
    narrow, wide = (card["forces"][f"{one.width:g}"] for one in SMEARINGS)
    change = card["forces"]["change"]["all"]
    crystal = card["crystals"].get(ground_state(metal), {})
    missed = [name.replace("_", " ") for name, reached in card["bars"].items() if not reached]
    return (
        metal,
        f"{narrow['all']['r']:.3f}",
        *(f"{100 * narrow[tier]['relative']:.1f} %" for tier in ("all", "cold", "warm", "hot")),
        f"{wide['all']['r']:.3f}",
        f"{100 * wide['all']['relative']:.1f} %",
        f"{change['r']:.2f}",
        f"{change['slope']:.2f}",
        f"{crystal['lattice_percent']:+.2f}" if crystal else "",
        f"{crystal['bulk_modulus_gpa']:.0f} ({crystal['bulk_modulus_gpa_pbe']:.0f})"
        if crystal
        else "",
        f"{_order(card, 'energy_ev')} ({_order(card, 'energy_ev_pbe')})",
        "{dos_at_fermi_level:.2f} ({dos_at_fermi_level_pbe:.2f})".format(**card["d_band"]),
        ", ".join(missed),
    )


def _order(card: Mapping[str, Any], key: str) -> str:
    """Crystals from the lowest energy up."""
    known = {name: row[key] for name, row in card["crystals"].items() if key in row}
    return " ".join(sorted(known, key=known.__getitem__))
