"""The engine tb: non-orthogonal spd tight binding with k-points, not self-consistent, no spin.

Cohen, Mehl, Papaconstantopoulos, Phys. Rev. B 50, 14694 (1994); Mehl, Papaconstantopoulos, Phys.
Rev. B 54, 4519 (1996). The Hamiltonian does not depend on the occupations: one diagonalisation of a
frame gives its labels at every smearing and every number of electrons.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from threadpoolctl import ThreadpoolController

from dosml.config_file import first_problem
from dosml.errors import EngineError, LabelError, about
from dosml.memory import keep_freed_memory
from dosml.records import json_object
from dosml.relabel.engines.base import DOS_STEP, LEVEL_BROADENING, EngineEntry, LabelFailure
from dosml.relabel.engines.tb.card_text import card_lines
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import gamma_grid, grid_by_spacing
from dosml.relabel.engines.tb.labels import label_of
from dosml.relabel.engines.tb.model import (
    STATES_PER_ATOM,
    TbParameters,
    load_parameters,
    shipped_metals,
)
from dosml.relabel.engines.tb.nrl import read_nrl
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.solve import Bands, solve
from dosml.version import package_versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.relabel.label import Label
    from dosml.theory.setting import ElectronicSetting

#: 1/Å: 5 or 6 points a side for cells of 7 to 9 Å, which copper needs (benchmarks/tb_kpoints.py).
#: Metals whose need has been measured have their own in their parameter files.
KPOINT_SPACING = 0.15
#: Å^3, of the cells whose number of k-points the plan guesses.
_VOLUME_PER_ATOM = 15.0
#: Of the model, in fingerprints: labels of another version are other labels.
VERSION = 1


@dataclass(frozen=True)
class TbEngine:
    """Tight-binding labels.

    Attributes
    ----------
    options
        See `TbOptions`.
    symbol
        The metal that it will label, if that is known: its words and its fingerprint are then of
        that metal's parameters alone.
    """

    options: TbOptions = field(default_factory=TbOptions)
    symbol: str | None = None

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "tb"

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know."""
        origin = "dosml's own" if self.options.parameters is None else self.options.parameters.name
        notes = [
            (
                "Labels are tight binding (sp3d5, two-centre, not self-consistent, no spin, "
                f"{self._grid}, parameters: {origin}): an approximation, not DFT."
            ),
        ]
        known = self._parameters
        return " ".join([*notes, *(known.warnings if known is not None else ())])

    @property
    def limits(self) -> tuple[str, ...]:
        """What its labels cannot show."""
        sentence = (
            "Every number here is one of a tight-binding model with nine orbitals an atom that is "
            "not self-consistent and has no spin. Its forces and its d band differ from those of "
            "density functional theory by amounts that depend on the metal."
        )
        rigid = (
            "Its levels do not depend on how they are filled: at another smearing or electron "
            "number the same bands of a frame are filled anew, as in the rigid-band picture, where "
            "in density functional theory they move with the charge."
        )
        return (sentence, rigid)

    @property
    def _grid(self) -> str:
        if self.options.kpoints is not None:
            return "{} x {} x {} k-points".format(*self.options.kpoints)
        return f"k-points at most {self._spacing(self._parameters):g} 1/Å apart"

    @property
    def _parameters(self) -> TbParameters | None:
        """Those of the file or of the metal; None where neither is known yet."""
        if self.options.parameters is not None:
            return _read_file(self.options.parameters, self.symbol)
        return None if self.symbol is None else load_parameters(self.symbol)

    def _spacing(self, parameters: TbParameters | None) -> float:
        """Distance of k-points asked for, else the metal's own, else the default."""
        own = None if parameters is None else parameters.kpoint_spacing
        return self.options.kpoint_spacing or own or KPOINT_SPACING

    @property
    def default_cell(self) -> str:
        """Cells that it labels in seconds."""
        return "published"

    @property
    def default_scheme(self) -> str:
        """Scheme of the published labels."""
        return "methfessel-paxton-1"

    def fingerprint(self) -> dict[str, str | float]:
        """Everything that a label depends on besides frame and setting."""
        kpoints, known = self.options.kpoints, self._parameters
        return {
            "engine": self.name,
            "method": "two-centre sp3d5",
            "version": VERSION,
            "parameters": _shipped_digest() if known is None else known.content(),
            "kpoints": "by spacing" if kpoints is None else "x".join(map(str, kpoints)),
            "kpoint_spacing": self._spacing(known) if kpoints is None else 0.0,
            "dos_step_ev": DOS_STEP,
            "dos_broadening_ev": LEVEL_BROADENING,
        }

    def versions(self) -> dict[str, str]:
        """Give the packages that compute the labels."""
        return package_versions(("numpy", "scipy", "vesin"))

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse more electrons than the orbitals hold.

        Raises
        ------
        EngineError
            If no metal could have so many, or there are no parameters for the metal.
        """
        known = self._parameters
        electrons = 0.0 if known is None else known.electrons
        total = electrons + setting.electrons_per_atom_shift
        if not -STATES_PER_ATOM < total < STATES_PER_ATOM or (electrons and total <= 0):
            raise EngineError(
                f"the engine tb cannot put {total:g} electrons on an atom: its nine orbitals hold "
                "more than 0 and less than 18 (see --electrons)"
            )

    def seconds_per_label(self, n_atoms: int) -> float:
        """Rough cost of one of four labels of a frame on one core, measured on 31 and 63 atoms.

        A k-point takes 11 ms where matrices are real, else 29 ms (31 Ti atoms); a fifth of that is
        spent again for each further setting.
        """
        side = (_VOLUME_PER_ATOM * n_atoms) ** (1 / 3)
        points = max(1, math.ceil(2 * math.pi / side / self._spacing(self._parameters) - 1e-9))
        kpoints = gamma_grid(self.options.kpoints or (points, points, points))
        one = sum(0.011 if real else 0.029 for real in kpoints.real)
        return float(0.4 * one * (n_atoms / 31) ** 2.6)

    def denser(self, frame: Atoms) -> TbEngine:
        """Give the same engine with one more k-point in every direction.

        Raises
        ------
        EngineError
            If there are no parameters for the frame.
        """
        one, two, three = self._grid_of(frame, self.parameters_of(frame))
        options = self.options.model_copy(update={"kpoints": (one + 1, two + 1, three + 1)})
        return replace(self, options=options)

    def parameters_of(self, frame: Atoms) -> TbParameters:
        """Parameters for a frame.

        Raises
        ------
        EngineError
            If it holds several elements, or there are no parameters for its metal.
        """
        symbols = sorted(set(frame.get_chemical_symbols()))
        if len(symbols) != 1:
            raise EngineError(
                f"the engine tb labels frames of one element, this one holds {', '.join(symbols)}: "
                "use --engine xtb or gpaw"
            )
        if self.options.parameters is None:
            return load_parameters(symbols[0])
        return _read_file(self.options.parameters, symbols[0])

    def bands(self, frame: Atoms) -> Bands:
        """Levels and orbitals of a frame.

        Raises
        ------
        EngineError
            If the frame is not periodic, holds several elements or a metal without parameters.
        LabelError
            If it cannot be diagonalised, or holds a pair far closer than any that the parameters
            were fitted to: their forces mean nothing there.
        """
        keep_freed_memory()
        parameters = self.parameters_of(frame)
        if not frame.pbc.all() or abs(frame.cell.volume) < 1e-6:
            raise EngineError("the engine tb labels frames that are periodic in three directions")
        structure = Structure.of(frame, parameters)
        _refuse_closer_than_fitted(structure)
        with _one_thread():
            return solve(structure, gamma_grid(self._grid_of(frame, parameters)))

    def _grid_of(self, frame: Atoms, parameters: TbParameters) -> tuple[int, int, int]:
        return self.options.kpoints or grid_by_spacing(frame, self._spacing(parameters))

    def calculator(self, setting: ElectronicSetting) -> Calculator:
        """Ase calculator (free energy, forces, stress) at this setting."""
        from dosml.relabel.engines.tb.calculator import TbCalculator

        self.check(setting)
        return TbCalculator(self, setting)

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Label one frame at all settings from one diagonalisation; see the protocol."""
        missing = [one for one in settings if one not in done]
        if missing:
            yield from self._labels(frame, missing)
        shutil.rmtree(restart_folder, ignore_errors=True)

    def label(self, frame: Atoms, setting: ElectronicSetting) -> Label | LabelFailure:
        """Label one frame at one setting."""
        self.check(setting)
        return next(self._labels(frame, [setting]))[1]

    def _labels(
        self, frame: Atoms, settings: Sequence[ElectronicSetting]
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        start = time.perf_counter()
        try:
            bands = self.bands(frame)
        except LabelError as error:
            for setting in settings:
                yield setting, LabelFailure(str(error))
            return
        facts: dict[str, str | float | int] = {
            "attempts": 1,
            "kpoints": len(bands.kpoints.points),
            "guarded_kpoints": sum(guard is not None for guard in bands.guards),
            # each label bears its share of the diagonalisation
            "seconds": (time.perf_counter() - start) / len(settings),
        }
        for setting in settings:
            label: Label | LabelFailure
            try:
                with _one_thread():
                    label = label_of(bands, float(frame.cell.volume), setting, facts)
            except LabelError as error:
                label = LabelFailure(str(error))
            yield setting, label


@cache
def _libraries() -> ThreadpoolController:
    """Libraries with threads of their own; numpy and scipy have loaded theirs by now."""
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[object]:
    """Let products of matrices use one thread.

    Matrices of a few hundred rows gain nothing from a second one, and wait for it where other work
    runs.
    """
    limit: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limit


def _refuse_closer_than_fitted(structure: Structure) -> None:
    """Raise a LabelError for a pair below 0.9 of the shortest distance in the fit, if known.

    Fitted functions that no data hold can run away within a few tenths of an ångström: molten
    niobium at 0.82 of its shortest fitted distance had forces of 90 eV/Å.
    """
    parameters, distances = structure.parameters, structure.bonds.distances
    fitted = parameters.provenance.get("shortest_distance_angstrom")
    if fitted is None or not len(distances):
        return
    closest = float(distances.min())
    if closest < 0.9 * float(fitted):
        raise LabelError(
            f"two atoms are {closest:.2f} Å apart; the parameters of {parameters.symbol} were "
            f"fitted to {float(fitted):.2f} Å and more, and are not used below 0.9 of that"
        )


def _read_file(path: Path, symbol: str | None) -> TbParameters:
    """Read a parameter file of either format; a changed file is read again."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise EngineError(f"parameters={path}: cannot be read ({error.strerror})") from error
    parameters = _read_stamped(path, stamp, symbol)
    if symbol is not None and parameters.symbol != symbol:
        raise EngineError(
            f"parameters={path}: these are for {parameters.symbol}, the frames are {symbol}"
        )
    return parameters


@cache
def _read_stamped(path: Path, stamp: int, symbol: str | None) -> TbParameters:  # noqa: ARG001
    if path.suffix != ".json":
        return read_nrl(path, symbol)
    try:
        values = json_object(path.read_bytes())
    except OSError as error:
        raise EngineError(f"parameters={path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise EngineError(
            f"parameters={path}: expected the parameters of one metal as JSON "
            f"({first_problem(error)})"
        ) from error
    with about(f"parameters={path}"):
        return TbParameters.from_json(values)


def _shipped_digest() -> str:
    """Hash of all parameters that ship: of an engine that may be given any metal."""
    contents = "".join(load_parameters(metal).content() for metal in shipped_metals())
    return hashlib.sha256(contents.encode()).hexdigest()[:16]


def _make_for(options: TbOptions, symbols: Collection[str]) -> TbEngine:
    return TbEngine(options, next(iter(symbols)) if len(set(symbols)) == 1 else None)


def _lacks(symbols: Collection[str]) -> str:
    missing = sorted(set(symbols) - set(shipped_metals()))
    return f"ships no parameters for {', '.join(missing)}" if missing else ""


ENTRY = EngineEntry(
    name="tb",
    help="tight binding with k-points: every smearing and electron number from one diagonalisation",
    options=TbOptions,
    make=TbEngine,
    make_for=_make_for,
    lacks=_lacks,
    one_element=True,
    card=card_lines,
    fragments="Levels are filled in pairs with fractional occupations, whatever the number of "
    "electrons: no spin, so an odd fragment is no doublet. Charge moves no level.",
)
