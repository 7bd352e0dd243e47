"""The card of one metal's parameters in words: what was measured, tight binding beside PBE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.relabel.engines.tb.model import load_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SETS = {
    "0.2": "forces at σ = 0.2 eV",
    "2": "forces at σ = 2 eV",
    "change": "their change from 0.2 to 2 eV",
}


def card_lines(symbol: str) -> list[str]:
    """Say how good the parameters of a metal are.

    Parameters
    ----------
    symbol
        The metal.

    Returns
    -------
    list of str
        Held-out forces by tier, crystals, elastic constants, d band, warnings.

    Raises
    ------
    EngineError
        If no parameters of it ship.
    """
    parameters = load_parameters(symbol)
    card = parameters.card
    lines = [
        f"{symbol}: {parameters.source}",
        "held-out frames (r, error in % of the mean absolute force, slope of tb against PBE):",
    ]
    lines += _force_lines(card["forces"])
    if "forces_dense" in card:
        lines.append("the same on 5 x 5 x 5 k-points, one frame a tier:")
        lines += _force_lines(card["forces_dense"])
    lines.append("crystals, PBE in brackets:")
    lines += [f"  {name}: {_words(row)}" for name, row in card["crystals"].items()]
    if card.get("elastic"):
        lines.append(f"strains: {_words(card['elastic'])}")
    lines.append(f"d band: {_words(card['d_band'])}")
    if "level_zero" in card:
        words = "zero of the levels among snapshots of one volume"
        kept = "used" if parameters.level_zero else "not used"
        lines.append(f"{words}: {_words(card['level_zero'])}; {kept} in charged cells")
    missed = [name.replace("_", " ") for name, reached in card["bars"].items() if not reached]
    lines.append(f"bars missed: {', '.join(missed) or 'none'}")
    return [*lines, *parameters.warnings]


def _force_lines(forces: Mapping[str, Any]) -> Iterator[str]:
    for key, words in _SETS.items():
        for tier, row in forces[key].items():
            yield (
                f"  {words}, {tier}: r {row['r']:.3f}, {100 * row['relative']:.1f} %, slope "
                f"{row['slope']:.2f}"
            )


def _words(row: Mapping[str, Any]) -> str:
    return ", ".join(_pairs(row))


def _pairs(row: Mapping[str, Any]) -> Iterator[str]:
    """Each number with its name, and that of PBE where there is one."""
    names: Sequence[str] = [name for name in row if not name.endswith("_pbe")]
    for name in names:
        other = f" ({row[f'{name}_pbe']:g})" if f"{name}_pbe" in row else ""
        yield f"{name.replace('_', ' ')} {row[name]:g}{other}"
