"""The engines by name: a new one is its module and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.config_file import checked_options
from dosml.errors import EngineError
from dosml.registry import Registry
from dosml.relabel.engines import ase_calculator, gpaw, xtb
from dosml.relabel.engines.base import EngineEntry
from dosml.relabel.engines.tb import engine as tb

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dosml.relabel.engines.base import Engine

#: dosml's own engines. Where the user names none, the first that lacks nothing is taken.
OWN = (tb.ENTRY, xtb.ENTRY, gpaw.ENTRY)
#: Setting of a scan -> option of every engine that has one of that name.
SHARED = {"preset": "preset", "kpoints": "kpoints"}

ENGINES = Registry(
    "engine",
    EngineEntry,
    OWN,
    error=EngineError,
    shared=SHARED,
    prefix=ase_calculator.PREFIX,
    made=ase_calculator.entry,
)


def engine_names() -> tuple[str, ...]:
    """Names on the command line, besides `ase:MODULE:FUNCTION`."""
    return ENGINES.names()


@dataclass(frozen=True)
class DefaultEngine:
    """The engine where the user names none.

    Attributes
    ----------
    name
        On the command line.
    reason
        Why it is this one, as words that go on after its name.
    """

    name: str
    reason: str


def default_engine(symbols: Collection[str], *, mixed: bool = False) -> DefaultEngine:
    """Engine for frames of these elements where the user names none.

    Parameters
    ----------
    symbols
        Elements of the frames; of several metals that are to be compared, all of them, so that
        their labels are of one kind.
    mixed
        Whether frames hold several elements each, as those of an alloy.
    """
    lacking = []
    for entry in OWN:
        words = entry.lacks(symbols)
        if mixed and entry.one_element:
            words = "labels frames of one element"
        if not words:
            break
        lacking.append(f"{entry.name} {words}")
    metals = ", ".join(sorted(symbols))
    reason = f"the default for {metals}"
    return DefaultEngine(entry.name, f"{reason} ({'; '.join(lacking)})" if lacking else reason)


def engine_entry(name: str) -> EngineEntry:
    """Entry of an engine.

    Raises
    ------
    InputError
        If there is no such engine.
    EngineError
        If it is a plug-in's that cannot be used.
    """
    return ENGINES.entry(name)


def engine_options(name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an engine from the settings of a scan.

    Parameters
    ----------
    shared
        Values of `SHARED` settings, others are passed over; None: the engine's default.
    own
        Options of this engine by name; they win.

    Raises
    ------
    InputError
        If a setting was given that the engine does not have, naming engines that have it.
    """
    return ENGINES.share_out([name], shared, {name: own})[name]


def make_engine(
    name: str, options: Mapping[str, Any] | None = None, symbols: Collection[str] = ()
) -> Engine:
    """Engine of that name.

    Parameters
    ----------
    options
        Its options by name; what is not given takes its default.
    symbols
        Elements of the frames that it will label, where they are known.

    Raises
    ------
    InputError
        If there is no such engine, or an option is unknown or out of range.
    EngineError
        If it is a plug-in's that cannot be used, or there is no such calculator.
    """
    entry = engine_entry(name)
    checked = checked_options(entry.options, f"the engine {name}", options or {})
    if symbols and entry.make_for is not None:
        return entry.make_for(checked, symbols)
    return entry.make(checked)
