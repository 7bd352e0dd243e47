"""The POTCAR of a frame: one data set for every run of equal atoms, in the order of its POSCAR."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from dosml.files import whole_file
from dosml.relabel.elements import valence_electrons
from dosml.relabel.vasp.potcars import PotcarFacts, get_potcar, potcar_path

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from dosml.relabel.vasp.protocol import VaspProtocol


@dataclass(frozen=True)
class FramePotcar:
    """What a job must know of the POTCAR of its frame.

    Attributes
    ----------
    facts
        Of one data set, or of several together: names joined by blanks, ZVAL the mean over the
        atoms, the hash that of the whole file.
    valence_electrons
        d + s electrons of the metals and all of other elements, mean over the atoms.
    """

    facts: PotcarFacts
    valence_electrons: float


def species_runs(frame: Atoms) -> list[tuple[str, int]]:
    """Divide a frame into runs of equal atoms, as a POSCAR has them: symbol and count of each.

    Atoms are not sorted: forces come back in the order of the frame.
    """
    return [(symbol, len(list(run))) for symbol, run in groupby(frame.get_chemical_symbols())]


def potcar_names(frame: Atoms, protocol: VaspProtocol) -> list[str]:
    """Names in the library, one for every run of equal atoms."""
    return [protocol.potcar_symbol(symbol) for symbol, _ in species_runs(frame)]


def frame_potcar(frame: Atoms, protocol: VaspProtocol, study: Path) -> FramePotcar | None:
    """Find the POTCAR of a frame; that of several data sets is put together in the study.

    Returns
    -------
    FramePotcar or None
        None where no POTCAR library is known.

    Raises
    ------
    InputError, CampaignMismatchError
        As `dosml.relabel.vasp.potcars.get_potcar`.
    """
    names = potcar_names(frame, protocol)
    each: dict[str, PotcarFacts] = {}
    for name in dict.fromkeys(names):
        found = get_potcar(name, protocol.functional, study)
        if found is None:
            return None
        each[name] = found
    facts = [each[name] for name in names]
    shares = [count / len(frame) for _, count in species_runs(frame)]
    outer = sum(
        share * valence_electrons(symbol, one.zval)
        for share, one, (symbol, _) in zip(shares, facts, species_runs(frame), strict=True)
    )
    if len(names) == 1:
        return FramePotcar(facts[0], outer)
    text = "".join(potcar_path(study, name).read_text(encoding="utf-8") for name in names)
    path = potcar_path(study, " ".join(names))
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with whole_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    together = PotcarFacts(
        symbol=" ".join(names),
        functional=protocol.functional,
        titel="; ".join(one.titel for one in facts),
        zval=sum(share * one.zval for share, one in zip(shares, facts, strict=True)),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    return FramePotcar(together, outer)
