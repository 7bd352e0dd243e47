"""The one rule of what counts as d states: those of elements that have a d shell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, overload

from dosml.relabel.elements import has_d_shell
from dosml.theory.dos import without_d

if TYPE_CHECKING:
    from collections.abc import Collection

    from dosml.theory.dos import ElectronicDos


@overload
def own_d(dos: ElectronicDos, elements: Collection[str]) -> ElectronicDos: ...
@overload
def own_d(dos: ElectronicDos | None, elements: Collection[str]) -> ElectronicDos | None: ...
def own_d(dos: ElectronicDos | None, elements: Collection[str]) -> ElectronicDos | None:
    """Leave out of a DOS what is projected on d orbitals of elements without a d shell.

    Codes project something on d in silicon or chlorine too: polarisation, no d band.

    Parameters
    ----------
    dos
        Of frames of these elements; None stays None.
    elements
        Chemical symbols; where there are several, each that has a d shell keeps its own part.
    """
    if dos is None:
        return None
    shells = [symbol for symbol in elements if has_d_shell(symbol)]
    if not shells:
        return without_d(dos)
    several = len(elements) > 1
    own = {symbol: dos.d_by_element[symbol] for symbol in shells if symbol in dos.d_by_element}
    return replace(dos, d_by_element=own if several else {})


def no_d_words(elements: Collection[str]) -> str:
    """Say that frames of these elements have no d states; nothing where one has a d shell."""
    if any(has_d_shell(symbol) for symbol in elements):
        return ""
    return f"no d states here: no d shell in {', '.join(sorted(elements))}"
