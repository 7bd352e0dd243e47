"""From what was typed after `dosml relabel` to settings; what its commands say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dosml.progress import Reporter
    from dosml.relabel.vasp.protocol import VaspProtocol
    from dosml.theory.setting import ElectronicSetting


def reporter_outside_campaign() -> Reporter:
    """Make the reporter of a command that keeps no log."""
    from dosml.progress import Reporter

    # outside a campaign there is no log: Python would repeat warnings on the screen
    logging.getLogger("dosml").addHandler(logging.NullHandler())
    return Reporter()


def electronic_settings(sigma: str, scheme: str, electrons: str) -> list[ElectronicSetting]:
    """Every width at every number of electrons.

    Raises
    ------
    InputError
        If a list or the scheme cannot be used.
    """
    from dosml.limits import MOST_ELECTRONS, WIDEST_SMEARING
    from dosml.theory.setting import ElectronicSetting
    from dosml.theory.smearing import Smearing

    try:
        return [
            ElectronicSetting(Smearing(scheme, width), shift)
            for shift in _numbers("--electrons", electrons, MOST_ELECTRONS)
            for width in _numbers("--sigma", sigma, WIDEST_SMEARING)
        ]
    except ValueError as error:
        raise InputError(f"--sigma {sigma} --scheme {scheme}: {error}") from error


def _numbers(option: str, text: str, most: float) -> list[float]:
    from dosml.limits import at_most, comma_list

    try:
        words = comma_list(text)
        numbers = [float(word) for word in words] if isinstance(words, list) else []
        at_most(numbers, option)
    except ValueError as error:
        raise InputError(
            f"{option} takes numbers with commas between, got {text!r}: {error}"
        ) from error
    if any(not abs(number) <= most for number in numbers):
        raise InputError(f"{option} {text!r}: give numbers between {-most:g} and {most:g}")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{option} {text!r}: give each value once")
    return numbers


def vasp_protocol(
    *,
    preset: str,
    incar: list[str] | None,
    kspacing: str | None,
    potcars: list[str] | None,
    potcar_functional: str | None,
    force_incar: bool = False,
) -> VaspProtocol:
    """Preset and changes to it.

    Parameters
    ----------
    preset, incar, kspacing, potcars, potcar_functional
        As they were typed.
    force_incar
        Take INCAR tags that are on no list too.

    Raises
    ------
    InputError
        If one of them cannot be used.
    """
    from pydantic import ValidationError

    from dosml.relabel.vasp.incar_tags import check_tags
    from dosml.relabel.vasp.protocol import VaspProtocol

    spacing = kspacing or ""
    if spacing and "=" not in spacing:
        spacing = f"default={spacing}"
    try:
        protocol = VaspProtocol(
            preset=preset,
            incar=_pairs("--incar", incar or [], _value),
            kspacing=_pairs("--kspacing", spacing.split(",") if spacing else [], float),
            potcars=_pairs("--potcar", potcars or [], str),
            potcar_functional=potcar_functional,
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise InputError(str(message)) from error
    unknown = "" if force_incar else check_tags(list(protocol.incar))
    if unknown:
        raise InputError(unknown)
    return protocol


def _pairs(option: str, texts: Iterable[str], convert: Callable[[str], Any]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError(f"{option} {text!r}: write NAME=VALUE")
        try:
            pairs[name.strip()] = convert(value.strip())
        except ValueError as error:
            raise InputError(f"{option} {text!r}: {error}") from error
    return pairs


def _value(text: str) -> bool | int | float | str:
    """INCAR value from the command line."""
    if text.strip(".").upper() in {"TRUE", "FALSE", "T", "F"}:
        return text.strip(".").upper().startswith("T")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def listed(kinds: Mapping[str, int]) -> str:
    """Write counts in brackets; nothing where there are none."""
    return f" ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})" if kinds else ""
