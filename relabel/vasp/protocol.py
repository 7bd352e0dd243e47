"""How VASP labels are made: a preset and the user's changes to it, all on record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dosml.relabel.elements import ELEMENTS, element
from dosml.relabel.vasp.incar_tags import check_value
from dosml.relabel.vasp.species import symbol_of
from dosml.theory.smearing_widths import to_vasp, vasp_occupations

if TYPE_CHECKING:
    from dosml.theory.setting import ElectronicSetting

PRESETS = ("tm23", "matpes")
#: Tags that an `ElectronicSetting` decides; they cannot be overridden one by one.
SETTING_TAGS = {"ISMEAR": "--scheme", "SIGMA": "--sigma", "NELECT": "--electrons"}
#: k-point spacing in 1/Å (2 pi included, as VASP's KSPACING) where none is given: what the
#: Materials Project (MatPES, MP24) takes for metals. TM23's own grids are in a supplement.
DEFAULT_KSPACING = 0.22
#: Os without its 5p shell has 8 valence electrons: 3 fewer than Au, the electron swap of the paper.
TM23_POTCARS = {"Os": "Os"}
_POTCAR = re.compile(r"[A-Za-z0-9._]+")
_TAG = re.compile(r"[A-Z][A-Z0-9_]*")

IncarValue = bool | int | float | str


class VaspProtocol(BaseModel):
    """Preset and changes; two jobs with the same protocol, frame and setting are the same job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "tm23"
    incar: dict[str, IncarValue] = Field(default_factory=dict)
    kspacing: dict[str, float] = Field(default_factory=dict)
    potcars: dict[str, str] = Field(default_factory=dict)
    potcar_functional: str | None = None

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise ValueError(f"no preset {preset!r}: choose one of {', '.join(PRESETS)}")
        return preset

    @field_validator("incar")
    @classmethod
    def _tags(cls, incar: dict[str, IncarValue]) -> dict[str, IncarValue]:
        checked = {}
        for name, value in incar.items():
            tag = name.upper()
            if not _TAG.fullmatch(tag):
                raise ValueError(f"{name!r} is not an INCAR tag")
            if tag == "ISMEAR" and str(value).strip() in {"-4", "-5", "-14", "-15"}:
                raise ValueError(
                    f"ISMEAR = {value} is refused for labels: forces of the tetrahedron method are "
                    "wrong by 5-10 % in metals; choose a smearing with --scheme and --sigma"
                )
            if tag == "ISMEAR" and str(value).strip() in {"-2", "-3"}:
                raise ValueError(
                    f"{vasp_occupations(int(value), 0)}: no smearing, so no setting of a study; "
                    "choose one with --scheme and --sigma"
                )
            if tag in SETTING_TAGS:
                raise ValueError(
                    f"{tag} is what the study varies: give it with {SETTING_TAGS[tag]}, so that "
                    "the labels say so"
                )
            if tag == "KSPACING":
                raise ValueError("KSPACING is given with --kspacing")
            if tag in {"NSW", "IBRION"}:
                raise ValueError(f"{tag} cannot be changed: a label is a static calculation")
            check_value(tag, value)
            checked[tag] = value
        return checked

    @field_validator("potcars")
    @classmethod
    def _own_potcars(cls, potcars: dict[str, str]) -> dict[str, str]:
        for symbol, name in potcars.items():
            if not _POTCAR.fullmatch(name):
                raise ValueError(f"--potcar {symbol}={name}: give a name of the library, as Ti_sv")
            try:
                held = symbol_of(name)
            except ValueError as error:
                raise ValueError(f"--potcar {symbol}={name}: {error}") from error
            if held != symbol:
                raise ValueError(
                    f"--potcar {symbol}={name}: {name} is a POTCAR of {held}, not of {symbol}"
                )
        return potcars

    @model_validator(mode="after")
    def _spacings(self) -> VaspProtocol:
        for name, value in self.kspacing.items():
            if name not in {"default", *chemical_symbols[1:]}:
                raise ValueError(f"--kspacing {name}={value:g}: {name} is no element")
            if not 0.01 <= value <= 2:
                raise ValueError(
                    f"--kspacing {name}={value:g}: give a spacing between 0.01 and 2 1/Å "
                    "(2 pi included)"
                )
        return self

    @property
    def functional(self) -> str:
        """Folder of the POTCAR library: the preset's own unless given."""
        return self.potcar_functional or {"tm23": "PBE_54", "matpes": "PBE_64"}[self.preset]

    def potcar_symbol(self, symbol: str) -> str:
        """Name of the POTCAR of an element, such as Ti_pv: given, the preset's, or recommended.

        Outside the table of metals the recommendation is that of MatPES.
        """
        preset = TM23_POTCARS if self.preset == "tm23" else {}
        given = self.potcars.get(symbol) or preset.get(symbol)
        if given or symbol in ELEMENTS:
            return given or element(symbol).potcar_symbol
        from pymatgen.io.vasp.sets import MatPESStaticSet

        return str(MatPESStaticSet.CONFIG["POTCAR"].get(symbol, symbol))

    def spacing(self, symbol: str) -> float:
        """k-point spacing of an element, 1/Å."""
        return self.kspacing.get(symbol, self.kspacing.get("default", DEFAULT_KSPACING))

    def fingerprint(self) -> dict[str, Any]:
        """Everything that a label depends on besides frame, setting and the POTCAR's content."""
        return {"engine": "vasp", **self.model_dump(mode="json"), "functional": self.functional}


def smearing_tags(setting: ElectronicSetting) -> dict[str, int | float]:
    """ISMEAR and SIGMA of a setting.

    Raises
    ------
    ValueError
        For a scheme that VASP does not have.
    """
    return to_vasp(setting.smearing)
