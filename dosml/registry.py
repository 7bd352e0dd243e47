"""Entries by name: engines and learners, dosml's own and those that other packages bring.

A package registers an entry under the entry point group `dosml.engines` or `dosml.learners`; it is
loaded when somebody names it, so that a broken one disturbs nobody else. Like `dosml.errors`, this
module may be used by every room.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from dosml.config_file import did_you_mean
from dosml.errors import DosmlError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

logger = logging.getLogger("dosml")


class NoOptions(BaseModel):
    """Options of an entry that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every entry says of itself.

    Attributes
    ----------
    name
        On the command line and in tables.
    help
        One line for help texts, without a full stop.
    options
        Model of its options: refuses unknown names (`extra="forbid"`), each described with its
        unit.
    """

    name: str
    help: str
    options: type[BaseModel] = NoOptions


AnyEntry = TypeVar("AnyEntry", bound=Entry)


class Registry(Generic[AnyEntry]):
    """All entries of one kind.

    Parameters
    ----------
    kind
        "engine" or "learner": in messages and in the name of the entry point group.
    entry_type
        What a plug-in must load to.
    own
        dosml's own entries.
    error
        What a plug-in that cannot be used raises.
    shared
        Setting of the command line -> the option that it sets in every entry that has one of that
        name.
    wider
        Those of the shared settings that decide other things too: nobody needs to have them.
    prefix, made
        Names that begin so are turned into entries by `made`.
    """

    def __init__(
        self,
        kind: str,
        entry_type: type[AnyEntry],
        own: Sequence[AnyEntry],
        *,
        error: type[DosmlError],
        shared: Mapping[str, str],
        wider: Collection[str] = (),
        prefix: str,
        made: Callable[[str], AnyEntry],
    ) -> None:
        self._kind, self._type, self._error, self._shared = kind, entry_type, error, shared
        self._wider, self._prefix, self._made = frozenset(wider), prefix, made
        self._own = {entry.name: entry for entry in own}

    def names(self) -> tuple[str, ...]:
        """Names of dosml's own entries, then those of plug-ins, which may turn out broken."""
        return (*self._own, *sorted(set(self._plugins()) - set(self._own)))

    def entry(self, name: str) -> AnyEntry:
        """Entry of that name.

        Raises
        ------
        InputError
            If there is none.
        DosmlError
            If it is a plug-in's that cannot be used: the message names the distribution.
        """
        if name.startswith(self._prefix):
            return self._made(name)
        plugins = self._plugins().get(name, [])
        if name in self._own:
            for one in plugins:
                logger.warning(
                    "%s: left out, the %s %s is dosml's own", _origin(one), self._kind, name
                )
            return self._own[name]
        if not plugins:
            names = self.names()
            raise InputError(
                f"there is no {self._kind} named {name!r}: {did_you_mean(name, names)}choose one "
                f"of {', '.join(sorted(names))}, or name any ase calculator "
                f"({self._prefix}MODULE:FUNCTION)"
            )
        if len(plugins) > 1:
            raise self._error(
                f"the {self._kind} {name} is registered by {' and by '.join(map(_origin, plugins))}"
                ": uninstall one of them"
            )
        return self._load(plugins[0])

    def usable(self) -> list[AnyEntry]:
        """All entries but plug-ins that are broken."""
        found = list(self._own.values())
        for name in self.names()[len(found) :]:
            try:
                found.append(self.entry(name))
            except DosmlError as error:
                logger.info("%s", error)
        return found

    def described(self) -> str:
        """One line on every usable entry, for help texts."""
        return "; ".join(f"{entry.name}: {entry.help}" for entry in self.usable())

    def share_out(
        self,
        names: Sequence[str],
        settings: Mapping[str, Any],
        own: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, dict[str, Any]]:
        """Options of each entry from the settings that several have in common and from its own.

        Parameters
        ----------
        names
            Names of the entries that are used.
        settings
            Values of shared settings, others are passed over; None: each takes its own default.
        own
            Options of single entries by their names; they win.

        Raises
        ------
        InputError
            If a setting was given that none of them has, or there is no entry of a name.
        """
        known = {name: set(self.entry(name).options.model_fields) for name in names}
        given: dict[str, Any] = {}
        for setting, option in self._shared.items():
            if settings.get(setting) is None:
                continue
            if setting not in self._wider and not any(option in one for one in known.values()):
                raise InputError(
                    f"--{setting.replace('_', '-')} is no option of {', '.join(names)}: leave it "
                    f"out{self._who_has(option, alone=len(names) == 1)}"
                )
            given[option] = settings[setting]
        return {
            name: {
                **{option: value for option, value in given.items() if option in known[name]},
                **own.get(name, {}),
            }
            for name in names
        }

    def _who_has(self, option: str, *, alone: bool) -> str:
        have = [entry.name for entry in self.usable() if option in entry.options.model_fields]
        if not have:
            return ""
        verb = "take" if alone else "add"
        return f", or {verb} one of the {self._kind}s that have it ({', '.join(have)})"

    def _plugins(self) -> dict[str, list[EntryPoint]]:
        """Entry points by name, not loaded; a package seen twice on the path counts once."""
        found: dict[str, list[EntryPoint]] = {}
        for one in entry_points(group=f"dosml.{self._kind}s"):
            same = found.setdefault(one.name, [])
            if all((_origin(one), one.value) != (_origin(other), other.value) for other in same):
                same.append(one)
        return found

    def _load(self, point: EntryPoint) -> AnyEntry:
        def broken(reason: str) -> DosmlError:
            return self._error(
                f"the {self._kind} {point.name} of {_origin(point)} cannot be used: {reason}; "
                "mend or uninstall that package"
            )

        try:
            loaded = point.load()
        except Exception as error:
            raise broken(f"{point.value}: {type(error).__name__}: {error}") from error
        if not isinstance(loaded, self._type):
            raise broken(
                f"{point.value} is a {type(loaded).__name__}, expected a {self._type.__name__}"
            )
        if loaded.name != point.name:
            raise broken(f"{point.value} calls itself {loaded.name}")
        if loaded.options.model_config.get("extra") != "forbid":
            raise broken(
                f"its options take any name: give {loaded.options.__name__} the configuration "
                "extra='forbid'"
            )
        return loaded


def _origin(point: EntryPoint) -> str:
    """Name of the distribution that an entry point came from."""
    return f"the distribution {point.dist.name}" if point.dist else "an unnamed distribution"
