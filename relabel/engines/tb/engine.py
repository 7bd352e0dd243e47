"""The engine tb: non-orthogonal spd tight binding with k-points, not self-consistent, no spin.

Cohen, Mehl, Papaconstantopoulos, Phys. Rev. B 50, 14694 (1994); Mehl, Papaconstantopoulos, Phys.
Rev. B 54, 4519 (1996). The Hamiltonian does not depend on the occupations: one diagonalisation of a
frame gives its labels at every smearing and every number of electrons.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from dosml.errors import EngineError, LabelError
from dosml.relabel.engines.base import DOS_STEP, LEVEL_BROADENING, LabelFailure
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import gamma_grid, grid_by_spacing
from dosml.relabel.engines.tb.labels import label_of
from dosml.relabel.engines.tb.model import (
    SHIPPED,
    STATES_PER_ATOM,
    TbParameters,
    load_parameters,
)
from dosml.relabel.engines.tb.nrl import read_nrl
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.solve import Bands, solve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.relabel.label import Label
    from dosml.relabel.setting import ElectronicSetting

#: 1/Å: 2 x 2 x 2 points for cells of 7 to 14 Å.
KPOINT_SPACING = 0.45
#: Of the model, in fingerprints: labels of another version are other labels.
VERSION = 1


@dataclass(frozen=True)
class TbEngine:
    """Tight-binding labels.

    Attributes
    ----------
    options
        See `TbOptions`.
    """

    options: TbOptions = field(default_factory=TbOptions)

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
        if self.options.parameters is not None:
            notes += _read_file(self.options.parameters, None).warnings
        return " ".join(notes)

    @property
    def _grid(self) -> str:
        if self.options.kpoints is not None:
            return "{} x {} x {} k-points".format(*self.options.kpoints)
        return f"k-points {self._spacing:g} 1/Å apart"

    @property
    def _spacing(self) -> float:
        given = self.options.kpoint_spacing
        return KPOINT_SPACING if given is None else given

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
        kpoints = self.options.kpoints
        return {
            "engine": self.name,
            "method": "two-centre sp3d5",
            "version": VERSION,
            "parameters": _digest(self.options.parameters),
            "kpoints": "by spacing" if kpoints is None else "x".join(map(str, kpoints)),
            "kpoint_spacing": self._spacing if kpoints is None else 0.0,
            "dos_step_ev": DOS_STEP,
            "dos_broadening_ev": LEVEL_BROADENING,
        }

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse more electrons than the orbitals hold.

        Raises
        ------
        EngineError
            If no metal could have so many, or the parameter file cannot be read.
        """
        electrons = 0.0
        if self.options.parameters is not None:
            electrons = _read_file(self.options.parameters, None).electrons
        total = electrons + setting.electrons_per_atom_shift
        if not -STATES_PER_ATOM < total < STATES_PER_ATOM or (electrons and total <= 0):
            raise EngineError(
                f"the engine tb cannot put {total:g} electrons on an atom: its nine orbitals hold "
                "more than 0 and less than 18 (see --electrons)"
            )

    def seconds_per_label(self, n_atoms: int) -> float:
        """Rough cost of one label on one core: measured 0.1 s for 31 Ti atoms, 2 x 2 x 2."""
        return float(0.1 * (n_atoms / 31) ** 2.2)

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
            If it cannot be diagonalised.
        """
        parameters = self.parameters_of(frame)
        if not frame.pbc.all() or abs(frame.cell.volume) < 1e-6:
            raise EngineError("the engine tb labels frames that are periodic in three directions")
        grid = self.options.kpoints or grid_by_spacing(frame, self._spacing)
        return solve(Structure.of(frame, parameters), gamma_grid(grid))

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
            try:
                yield setting, label_of(bands, float(frame.cell.volume), setting, facts)
            except LabelError as error:
                yield setting, LabelFailure(str(error))


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
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"parameters={path}: cannot be read as JSON ({error})") from error
    if not isinstance(values, dict):
        raise EngineError(f"parameters={path}: expected the parameters of one metal")
    return TbParameters.from_json(values)


def _digest(path: Path | None) -> str:
    """Hash of the file, or of all that ship."""
    digest = hashlib.sha256()
    for one in [path] if path is not None else sorted(SHIPPED.glob("*.json")):
        try:
            digest.update(one.read_bytes())
        except OSError as error:
            raise EngineError(f"parameters={one}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()[:16]
