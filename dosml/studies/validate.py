"""`dosml validate`: whether a force field is stable in molecular dynamics."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dosml.campaign import Campaign
from dosml.errors import InputError
from dosml.limits import LARGEST_SEED, at_most
from dosml.paths import UserText, check_output
from dosml.relabel.elements import element
from dosml.relabel.sampling import HOTTEST, TEMPERATURES
from dosml.relabel.store import content_hash
from dosml.settings import FloatList, default_folder, join_settings
from dosml.studies.force_source import (
    elements_of,
    force_source,
    read_structure,
    short_name,
    sigma_of_model,
)
from dosml.studies.model_study import ModelStudy, metal_of
from dosml.studies.validate_report import Validated, write_validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.studies.force_source import ForceSource

#: Times the melting temperature: cold, warm and hot, as frames are sampled.
TIERS = ("cold", "warm", "hot")
#: Supercells that are meant; more is a slip of the keyboard.
MOST_ATOMS = 2000
_NAMES = ("runs", "validation", "checks", "crystals", "pair_distribution", "melting")


class ValidateSettings(BaseModel):
    """What a validation does.

    `structure` is what `read_structure` takes, None the element that the model was trained on;
    `temperature` are K, None 0.25, 0.75 and 1.25 times the melting temperature; `steps` are of each
    run, `min_length` (Å) is of the supercell; `melting` heats the crystal until it melts;
    `engine_options` are of the engine that it is held against.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    structure: UserText | None = None
    temperature: FloatList | None = None
    steps: int = Field(default=600, ge=10, le=1_000_000)
    min_length: float = Field(default=7.0, gt=0, le=1000)
    melting: bool = False
    engine_options: dict[str, Any] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="after")
    def _check_temperatures(self) -> ValidateSettings:
        given = self.temperature or ()
        at_most(given, "--temperature")
        if not all(0 < one <= HOTTEST for one in given) or len(set(given)) < len(given):
            raise ValueError(f"--temperature takes different numbers above 0 up to {HOTTEST:g} K")
        return self


def validate_model(
    model: str,
    reporter: Reporter,
    *,
    engine: str | None,
    sigma: float | None,
    device: str | None,
    out: Path | None,
    options: Mapping[str, Any],
) -> Validated:
    """Validate what is named, as command line and Python do.

    Parameters
    ----------
    model
        File of a saved model, or `ase:MODULE:FUNCTION`.
    reporter
        Where lines go.
    engine, sigma
        Engine to hold it against and its smearing in eV; None: what the model's name says, or 0.2.
    device
        Where a model runs.
    out
        Folder; None: dosml-validate-CRYSTAL-NAME.
    options
        Of `ValidateSettings`; None: not given.

    Raises
    ------
    DosmlError
        If the model, the structure or an option cannot be used.
    """
    settings = join_settings(ValidateSettings, options, None, required=None, nothing="")
    width = sigma if sigma is not None else sigma_of_model(model)
    source = force_source(model, sigma=width, scheme=None, device=device)
    other = None
    if engine is not None:
        other = force_source(
            engine, sigma=width, scheme=None, device=None, options=settings.engine_options
        )
    elif settings.engine_options:
        raise InputError(
            "--engine-option is of the engine that the model is held against: give --engine"
        )
    folder = out
    if folder is None:
        crystal = Path(_crystal_name(source, settings)).stem
        folder = default_folder("validate", f"{crystal}-{Path(short_name(model)).stem}", None)
    check_output(folder)
    return validate(source, settings, folder, reporter, engine=other)


def validate(
    model: ForceSource,
    settings: ValidateSettings,
    out: Path,
    reporter: Reporter,
    *,
    engine: ForceSource | None = None,
) -> Validated:
    """Run a force field at constant energy, temperature and pressure, and judge it.

    Parameters
    ----------
    model
        What is judged.
    settings
        What to run.
    out
        Folder; runs that are there are read.
    reporter
        Where lines go.
    engine
        Gives the forces, crystal and melting temperature that the model's are held against; None:
        the sampling potential, for forces only.

    Raises
    ------
    DosmlError
        If the structure cannot be used, or the folder holds another validation.
    """
    name = _crystal_name(model, settings)
    unit = read_structure(name)
    cell = _supercell(unit, settings.min_length, name)
    temperatures = _temperatures(cell, settings)
    subject = f"validation of {model.name} ({content_hash(dict(model.key))}) on {name}"
    with Campaign(out, subject, _NAMES) as campaign:
        campaign.record({"command": reporter.command})
        reporter.say(f"folder: {campaign.folder}")
        reporter.say(
            f"{model.name} on {len(cell)} atoms of {name}: {settings.steps} steps each at "
            f"{', '.join(f'{one:.0f}' for one in temperatures)} K"
        )
        study = ModelStudy(
            model, engine, cell, out, reporter, steps=settings.steps, seed=settings.seed
        )
        trajectories, references = study.run_all(temperatures)
        checks = study.checks(trajectories, references)
        crystals, more = study.crystals(unit)
        checks += more
        melting = study.melting() if settings.melting else None
        return write_validation(study, name, trajectories, references, checks, crystals, melting)


def _crystal_name(model: ForceSource, settings: ValidateSettings) -> str:
    if settings.structure is not None:
        return settings.structure
    known = elements_of(model.calculator)
    if len(known) != 1:
        raise InputError(
            f"{model.name} does not say which crystal to run: give --structure, such as fcc-Cu, "
            "Ti or a structure file"
        )
    return known[0]


def _supercell(unit: Atoms, min_length: float, name: str) -> Atoms:
    repeats = [max(1, math.ceil(min_length / length - 1e-9)) for length in unit.cell.lengths()]
    if len(unit) * math.prod(repeats) > MOST_ATOMS:
        raise InputError(
            f"--min-length {min_length:g} makes a supercell of {len(unit) * math.prod(repeats)} "
            f"atoms of {name}, at most {MOST_ATOMS} are meant"
        )
    cell: Atoms = unit.repeat(repeats)
    return cell


def _temperatures(cell: Atoms, settings: ValidateSettings) -> tuple[float, ...]:
    if settings.temperature:
        return tuple(sorted(settings.temperature))
    metal = metal_of(cell)
    if metal is None:
        raise InputError(
            f"{cell.symbols} is no single metal whose melting temperature is known: give "
            "--temperature, such as 300,900"
        )
    melts = element(metal).melting_temperature
    return tuple(round(TEMPERATURES[tier] * melts, 1) for tier in TIERS)
