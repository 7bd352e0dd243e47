"""What computes forces, and on which crystal: a saved model, an engine or any ase calculator."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.errors import InputError
from dosml.learners.ase_calculator import make_calculator
from dosml.learners.registry import load_model
from dosml.limits import WIDEST_SMEARING
from dosml.relabel.ase_factory import PREFIX, AseFactory
from dosml.relabel.engines.registry import engine_names, make_engine
from dosml.relabel.frames import PHONONS, read_frames
from dosml.relabel.structures import PROTOTYPES, right_handed, unit_cell
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class ForceSpec:
    """What `force_source` needs to make a calculator, here or in another process."""

    text: str
    sigma: float | None
    scheme: str | None
    device: str | None


@dataclass(frozen=True)
class ForceSource:
    """A calculator with a name for people and a key for kept forces."""

    spec: ForceSpec
    name: str
    key: dict[str, str | float]
    calculator: Calculator
    warning: str = ""


def read_structure(text: str) -> Atoms:
    """Make a crystal from `hcp-Os`, `Os` or a structure file, whose last frame is taken.

    Raises
    ------
    FrameError
        If a file cannot be read, or as `dosml.relabel.frames.check_frames`.
    InputError
        If the prototype is unknown.
    UnknownElementError
        If the element is unknown.
    """
    path = Path(text)
    if path.is_file():
        return right_handed(read_frames(path, PHONONS)[-1])  # phonopy takes no others
    prototype, dash, symbol = text.rpartition("-")
    if dash and prototype not in PROTOTYPES:
        raise InputError(
            f"--structure {text}: no file of that name and no prototype {prototype!r}; write "
            f"PROTOTYPE-ELEMENT such as hcp-Os, with one of {', '.join(PROTOTYPES)}"
        )
    return unit_cell(symbol, prototype or None)


def force_source(
    text: str,
    *,
    sigma: float | None,
    scheme: str | None,
    device: str | None,
    options: Mapping[str, Any] | None = None,
) -> ForceSource:
    """Find what computes forces: a saved model, an engine's name or any ase calculator.

    Parameters
    ----------
    text
        The file of a model (`models/.../sigma_0.2.npz` in a campaign), one of the engines, or
        `ase:MODULE:FUNCTION`.
    sigma
        Width of an engine's smearing in eV; 0.2 if None.
    scheme
        Scheme of an engine's smearing; None: the engine's own.
    device
        Where a model runs; None: where it was trained.
    options
        Of an engine, by name; another process, which knows the `spec` alone, has none of them.

    Raises
    ------
    InputError
        If the text names none of them, or has no such options.
    LearnerError
        If the file is no saved model.
    EngineError
        If the engine cannot do the setting.
    """
    path = Path(text)
    spec = ForceSpec(str(path.resolve()) if path.is_file() else text, sigma, scheme, device)
    if path.is_file():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return ForceSource(spec, short_name(text), {"model": digest}, load_model(path, device))
    if text.startswith(PREFIX):
        factory = AseFactory.named(text)
        return ForceSource(spec, short_name(text), factory.fingerprint(), make_calculator(factory))
    if text not in engine_names():
        raise InputError(
            f"{text} is neither a file nor an engine: name a saved model (models/.../sigma_0.2.npz "
            f"in a campaign folder), {PREFIX}MODULE:FUNCTION or one of {', '.join(engine_names())}"
        )
    engine = make_engine(text, options)
    width = 0.2 if sigma is None else sigma
    try:
        setting = ElectronicSetting(Smearing(scheme or engine.default_scheme, width))
    except ValueError as error:
        raise InputError(f"--sigma {width:g} --scheme {scheme}: {error}") from error
    if width > WIDEST_SMEARING:
        raise InputError(f"--sigma {width:g}: widths end at {WIDEST_SMEARING:g} eV")
    engine.check(setting)
    key = {**engine.fingerprint(), **setting.as_dict()}
    name = f"{text}, σ = {setting.smearing.width:g} eV"
    return ForceSource(spec, name, key, engine.calculator(setting), engine.warning)


def short_name(text: str) -> str:
    """Name of a model for headings: a file with its folder, the function of an ase calculator."""
    if text.startswith(PREFIX):
        return text.rpartition(":")[2]
    path = Path(text)
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def elements_of(calculator: Calculator) -> tuple[str, ...]:
    """Elements that a saved model was trained on; none where it does not say."""
    return tuple(getattr(calculator, "elements", ()))


def sigma_of_model(path: str) -> float | None:
    """Smearing width (eV) that a model's file name tells, such as sigma_0.2.npz; None if none."""
    found = re.match(r"sigma_(\d+(?:\.\d+)?)(?:$|[_-]|\.npz|\.zip)", Path(path).name)
    return float(found.group(1)) if found and Path(path).is_file() else None
