"""One style of help for every option: its words, then its default; a flag takes no value."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: How help texts say a default that is no literal; last, or before a sentence that explains.
_SAID = re.compile(r"\s*Default: (?P<text>.+?)\.(?=\s[A-Z]|$)|\s*\[default: (?P<other>[^\]]+)\]")
#: As `in_one_style` writes it. typer reads help as rich markup, where a bracket opens a style.
_STYLED = re.compile(r" \[dim\]\\\[default: (?P<text>.*)\]\[/dim\]$")


def in_one_style(commands: Iterable[Any]) -> None:
    """Rewrite the help of all options of commands, in place.

    Parameters
    ----------
    commands
        typer's commands and groups, not yet shown to anybody.
    """
    for command in commands:
        in_one_style(getattr(command, "commands", {}).values())
        command.get_help_option = partial(_flag, command.get_help_option)
        for option in command.params:
            if option.param_type_name != "option":
                continue
            if option.is_flag:
                option.metavar = ""
                continue
            words, default = split_default(option)
            if not option.required:
                words += rf" [dim]\[default: {default}][/dim]"
            option.help, option.show_default = words, False


def _flag(make: Callable[[Any], Any], context: Any) -> Any:
    """Make the option --help, which takes no value either."""
    option = make(context)
    if option is not None:
        option.metavar = ""
    return option


def split_default(option: Any) -> tuple[str, str]:
    """Divide the help of an option into its words and its default ("none" where it has none)."""
    text = " ".join((option.help or "").split())
    if styled := _STYLED.search(text):
        return text[: styled.start()], styled["text"]
    if said := _SAID.search(text):
        return (text[: said.start()] + text[said.end() :]).strip(), said["text"] or said["other"]
    return text, _literal(option.default)


def _literal(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(_literal(one) for one in value) or "none"
    if value in {None, ""}:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
