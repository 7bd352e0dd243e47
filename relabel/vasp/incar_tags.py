"""Tags that VASP knows, and values that an INCAR can hold."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files

from ase.calculators.vasp import create_input

from dosml.config_file import did_you_mean

#: Tags that change how VASP gets to the self-consistent result, where it runs or what it writes,
#: and nothing in the result.
_FREE = (
    "ALGO AMIN AMIX AMIX_MAG BMIX BMIX_MAG DEPER EBREAK ENINI IALGO ICHARG IMIX INIMIX INIWAV "
    "ISEARCH ISTART LDIAG LMAXMIX LMIXTAU LSUBROT MAXMIX MIXPRE NELM NELMDL NELMIN TIME WC "
    "WEIMIN "
    "KPAR LPLANE LSCALU NCORE NCSHMEM NPAR NSIM NTHREADS "
    "KGAMMA KPOINT_BSE LAECHG LCHARG LCHARGH5 LELF LH5 LORBIT LVHAR LVTOT LWAVE LWAVEH5 NBLOCK "
    "NLSPLINE NWRITE SYSTEM "
)
FREE_TAGS = frozenset(_FREE.split())
#: Beginnings of families of tags: machine-learned force fields, electron-phonon coupling, ...
_FAMILIES = ("ML_", "PHON_", "ELPH_", "WANNIER90_", "BSE")
#: Newer than the lists of ase and pymatgen.
_NEWER = """
BEXT CSPBE DYNEPS EFOR ESTOP IVDW KERNEL_TRUNCATION LATTICE_CONSTRAINTS LDISPERSION LFERMIGW
LFINITE_TEMPERATURE LIBXC1 LIBXC2 LH5 LKPOINTS_OPT LTRUNCATE LVGVCALC LWAVEH5 LCHARGH5
NEDOS_OPT NTHREADS NTHREADS_HI NTHREADS_MU NTHREADS_LO SCALEE STOP_ON VDW_IDAMPF
"""
#: What ends a value, begins a comment or continues a line in an INCAR.
_SPECIAL = frozenset(";!#\\\"'{}=")


def check_tags(tags: list[str]) -> str:
    """Say which tag VASP does not know, and which is near; empty where it knows all of them."""
    known = known_tags()
    for tag in tags:
        if tag not in known and not tag.startswith(_FAMILIES):
            return (
                f"VASP has no tag {tag}: {did_you_mean(tag, sorted(known))}VASP would pass over it "
                "without a word; give --force-incar if your VASP knows it"
            )
    return ""


@cache
def known_tags() -> frozenset[str]:
    """Every tag in the lists of pymatgen and ase, and what is newer."""
    text = files("pymatgen.io.vasp").joinpath("incar_parameters.json").read_text(encoding="utf-8")
    kinds = ("float", "exp", "string", "int", "bool", "list_int", "list_bool", "list_float")
    of_ase = {str(name).upper() for kind in kinds for name in getattr(create_input, f"{kind}_keys")}
    return frozenset(json.loads(text)) | of_ase | FREE_TAGS | set(_NEWER.split())


def check_value(tag: str, value: float | str) -> None:
    """Refuse a value that would end its line, or begin another one.

    Raises
    ------
    ValueError
        Naming it.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{tag} = {value} is no number that VASP can use")
    if not isinstance(value, str):
        return
    if not value.isprintable():
        raise ValueError(f"{tag} = {value!r} holds characters that are no text: write one line")
    special = sorted(_SPECIAL & set(value))
    if special:
        raise ValueError(
            f"{tag} = {value!r} holds {' '.join(special)}, which ends a value or begins a comment "
            "in an INCAR: give one tag with each --incar"
        )
