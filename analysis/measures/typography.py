"""Physics symbols in running text: subscripts on pages and in figures, plain in a terminal."""

from __future__ import annotations

import re
from html import escape

#: Plain spelling -> page, figure (mathtext). The longest first: each is looked for in this order.
_SYMBOLS = (
    (r"\|dn_d/dE\|", "|dn<sub>d</sub>/dE|", r"$|dn_d/dE|$"),
    (r"\|d²n_d/dE²\|", "|d²n<sub>d</sub>/dE²|", r"$|d^2n_d/dE^2|$"),
    (r"\bn_d\(E_F\)", "n<sub>d</sub>(E<sub>F</sub>)", r"$n_d(E_\\mathrm{F})$"),
    (r"\bn_d\b", "n<sub>d</sub>", r"$n_d$"),
    (r"\bg_d\b", "g<sub>d</sub>", r"$g_d$"),
    (r"\bE_F\b", "E<sub>F</sub>", r"$E_\\mathrm{F}$"),
    (r"\bchi_([0-9l])\b", r"χ<sub>\1</sub>", r"$\\chi_\1$"),
    (r"\b([ln])_max\b", r"\1<sub>max</sub>", r"$\1_\\mathrm{max}$"),
    (r"\bN\^-b\b", "N<sup>−b</sup>", r"$N^{-b}$"),
    (r"\bE_([kN])\b", r"E<sub>\1</sub>", r"$E_\1$"),
    (r"\bF0\b", "F<sub>0</sub>", r"$F_0$"),
)

#: Slash inside a unit, after which no line may break.
_PER = re.compile(r"(?:(?<=eV)|(?<=\b1))/(?=[Åa])")
#: Space between a number and its unit, where no line may break.
_UNIT = re.compile(r"(?<=[\d)]) (?=(?:%|eV|meV|Å|e/atom|GPa|THz)(?![A-Za-z]))")
#: Address of a page, without the point or bracket that ends the sentence around it.
_ADDRESS = re.compile(r"https?://(?:[^\s<>&]|&amp;)*[^\s<>&.,;:)]")
#: Sign between a quantity and its value, and the hyphens in a scheme's name: no line ends there.
_EQUALS = re.compile(r"(?<=σ) = (?=[\d.])")
_SCHEME = re.compile(r"\bmethfessel-paxton(?:-(?=\d))?")


def as_html(text: object) -> str:
    """Escape a text for a page, set its symbols with subscripts, make links of addresses.

    Parameters
    ----------
    text
        As it is printed in a terminal: "n_d(E_F)", "chi_4".
    """
    page = _PER.sub("/\u2060", _UNIT.sub("\u00a0", escape(str(text))))
    page = _EQUALS.sub("\u00a0=\u00a0", page)
    page = _SCHEME.sub(lambda found: found.group().replace("-", "\u2011"), page)
    # what is inside an address is no symbol
    parts = re.split(f"({_ADDRESS.pattern})", page)
    parts[1::2] = [f'<a href="{address}">{address}</a>' for address in parts[1::2]]
    for plain, html, _ in _SYMBOLS:
        parts[::2] = [re.sub(plain, html, part) for part in parts[::2]]
    return "".join(parts)


def as_mathtext(text: str) -> str:
    """Set the symbols of a label for matplotlib.

    Parameters
    ----------
    text
        As it is printed in a terminal.
    """
    for plain, _, mathtext in _SYMBOLS:
        # what is set already is left alone
        parts = re.split(r"(\$[^$]*\$)", text)
        parts[::2] = [re.sub(plain, mathtext, part) for part in parts[::2]]
        text = "".join(parts)
    return text
