"""POTCARs: found through pymatgen's PMG_VASP_PSP_DIR, pinned by content for a whole study."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from dosml.config_file import first_problem
from dosml.errors import CampaignMismatchError, InputError
from dosml.files import whole_file
from dosml.relabel.vasp.species import symbol_of

if TYPE_CHECKING:
    from pathlib import Path

PINS = "potcars.json"


#: Characters of a file's name in the folder of POTCARs.
_LONGEST_NAME = 80


@dataclass(frozen=True)
class PotcarFacts:
    """What a job must know of its POTCAR.

    Attributes
    ----------
    symbol, functional
        Name in the library, such as Ti_pv, and the library's part, such as PBE_54.
    titel
        The POTCAR's own name, with its date.
    zval
        Valence electrons.
    sha256
        Of the file's text.
    """

    symbol: str
    functional: str
    titel: str
    zval: float
    sha256: str


def library_is_known() -> bool:
    """Whether PMG_VASP_PSP_DIR is set, in the environment or in pymatgen's settings file."""
    from pymatgen.io.vasp.inputs import SETTINGS

    return bool(SETTINGS.get("PMG_VASP_PSP_DIR"))


def get_potcar(symbol: str, functional: str, study: Path) -> PotcarFacts | None:
    """Find a POTCAR, and copy it once into the study's `potcars` folder.

    Returns
    -------
    PotcarFacts or None
        None where no POTCAR library is known.

    Raises
    ------
    InputError
        If the library has no such POTCAR, or it cannot be read.
    CampaignMismatchError
        If the study was begun with another POTCAR of that name.
    """
    _check_functional(functional)
    facts = _pins(study).get(f"{functional}/{symbol}")
    pinned = facts
    if facts is not None and potcar_path(study, symbol).exists():
        if hashlib.sha256(potcar_path(study, symbol).read_bytes()).hexdigest() != facts.sha256:
            raise CampaignMismatchError(
                f"{potcar_path(study, symbol)} was changed after the study was begun: labels with "
                "two POTCARs cannot be compared; put the old one back or begin a new folder"
            )
        return facts
    if not library_is_known():
        return None
    facts, text = _read(symbol, functional)
    if pinned is not None and pinned.sha256 != facts.sha256:
        raise CampaignMismatchError(
            f"the study in {study} was begun with another POTCAR {functional}/{symbol} "
            f"({pinned.titel}): set PMG_VASP_PSP_DIR as it was, or begin a new folder"
        )
    with whole_file(potcar_path(study, symbol)) as path:
        path.write_text(text, encoding="utf-8")
    pins = {**_pins(study), f"{functional}/{symbol}": facts}
    with whole_file(study / PINS) as path:
        path.write_text(
            json.dumps({name: asdict(one) for name, one in pins.items()}, indent=2) + "\n",
            encoding="utf-8",
        )
    return facts


def _check_functional(functional: str) -> None:
    from pymatgen.io.vasp.inputs import PotcarSingle

    if functional not in PotcarSingle.functional_dir:
        raise InputError(
            f"--potcar-functional {functional}: choose one of "
            f"{', '.join(PotcarSingle.functional_dir)}"
        )


def potcar_path(study: Path, symbol: str) -> Path:
    """Path of the study's own copy of a POTCAR, which the job folders link to.

    Of several data sets together ("Ti_pv Al") the name may be long: it is shortened to a hash.
    """
    name = symbol.replace(" ", "-")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(name.encode()).hexdigest()[:16]
    return study / "potcars" / f"POTCAR.{name}"


def _pins(study: Path) -> dict[str, PotcarFacts]:
    path = study / PINS
    try:
        return TypeAdapter(dict[str, PotcarFacts]).validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        why = first_problem(error) if isinstance(error, ValueError) else error.strerror
        raise InputError(
            f"{path} is not the list of a study's POTCARs ({why}): put it back as it was, or begin "
            "a new folder"
        ) from error


def _read(symbol: str, functional: str) -> tuple[PotcarFacts, str]:
    from pymatgen.io.vasp.inputs import PotcarSingle

    try:
        with warnings.catch_warnings():
            # pymatgen warns of header keywords that it does not know
            warnings.simplefilter("ignore")
            potcar = PotcarSingle.from_symbol_and_functional(symbol, functional)
        zval = float(potcar.zval)
        held = symbol_of(str(potcar.element), titel=str(potcar.TITEL))
    except (FileNotFoundError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"no POTCAR {symbol} of {functional} in the library of PMG_VASP_PSP_DIR "
            f"({' '.join(str(error).split())}): name another one with --potcar, or another part of "
            "the library with --potcar-functional"
        ) from error
    if held != symbol_of(symbol):
        raise InputError(
            f"the POTCAR {symbol} of {functional} in the library of PMG_VASP_PSP_DIR is one of "
            f"{held} ({potcar.TITEL}): put the right file there, or name another with --potcar"
        )
    text = potcar.data
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PotcarFacts(symbol, functional, str(potcar.TITEL), zval, digest), text
