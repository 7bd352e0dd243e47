"""Options that several commands share, written once as a `TypedDict`.

A command takes them as `**given: Unpack[ScanOptions]` (PEP 692), which type checkers understand.
typer reads signatures and knows no such parameter, so `spelled_out` gives the function a signature
in which every key of the dictionary is a parameter of its own.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

Command = TypeVar("Command", bound="Callable[..., None]")


def spelled_out(
    words: Mapping[str, object], *, without: Collection[str] = ()
) -> Callable[[Command], Command]:
    """Decorate a command: show typer each option of its `**given: Unpack[...]`.

    The options come in the order of the dictionary, where `**given` stands: last. Flags are off
    and all others None where they are not given.

    Parameters
    ----------
    words
        What stands for `{name}` in the help texts: defaults that differ between the commands.
    without
        Options that this command does not have.
    """

    def decorate(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        *own, shared = signature.parameters.values()
        (options,) = get_args(shared.annotation)  # of Unpack[...]
        parameters = [*own, *_parameters(options, words, without)]
        # typer, like `inspect.signature`, reads this in place of what was written
        vars(function)["__signature__"] = signature.replace(parameters=parameters)
        return function

    return decorate


def _parameters(
    options: type, words: Mapping[str, object], without: Collection[str]
) -> Iterator[inspect.Parameter]:
    for name, hint in get_type_hints(options, include_extras=True).items():
        if name in without:
            continue
        assert get_origin(hint) is Annotated, name
        kind, option = get_args(hint)
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kind is bool else None,
            annotation=Annotated[kind, _filled(option, words)],
        )


def _filled(option: Any, words: Mapping[str, object]) -> Any:
    """Copy of a `typer.Option` with the words in its help."""
    option = copy(option)
    option.help = option.help.format_map(words)
    return option
