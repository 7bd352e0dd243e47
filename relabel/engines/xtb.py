"""The embedded engine: GFN1-xTB through tblite, periodic, Gamma point, Fermi-Dirac smearing.

Method: Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017). An approximation, not
DFT: it runs anywhere in seconds per label, and every number from it is shown with that warning.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, Hartree
from pydantic import BaseModel, ConfigDict, Field

from dosml.errors import EngineError, EngineMissingError
from dosml.relabel.engines.base import (
    DOS_STEP,
    LEVEL_BROADENING,
    EngineEntry,
    LabelFailure,
    broaden,
)
from dosml.relabel.engines.ladder import ladder_order, walk_ladder
from dosml.relabel.label import Label
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.theory.setting import ElectronicSetting

METHOD = "GFN1-xTB"
#: Atomic number of radon.
_LAST_ELEMENT = 86
LIMIT = (
    "Every number here is one of the tight-binding model GFN1-xTB at the Gamma point of one cell. "
    "Its forces and its d band differ from those of density functional theory by amounts that "
    "depend on the metal."
)
#: Tried in turn when the self-consistent field does not converge: (mixer damping, iterations,
#: start from the neighbour's density). A field that resists all three was never seen to converge
#: by smaller steps in sigma or by more iterations.
ATTEMPTS: tuple[tuple[float, int, bool], ...] = (
    (0.4, 250, True),
    (0.1, 250, True),
    (0.2, 250, False),
)

#: Valence electrons and places for electrons in any atom of GFN1-xTB (nine orbitals at most):
#: tblite may crash, not fail, where a charge leaves none of one or the other.
MOST_VALENCE, MOST_PLACES = 12, 18
#: eV/Å. Charged cells can converge to collapsed states (35 Ti atoms with 3 electrons too many each:
#: thousands of eV/Å); atoms at twice the melting temperature feel tens of eV/Å at most.
LARGEST_FORCE = 100.0


def _version() -> str:
    try:
        return version("tblite")
    except PackageNotFoundError as error:
        raise EngineMissingError(
            "the engine xtb needs the package tblite, which is not installed: pip install tblite"
        ) from error


class XtbOptions(BaseModel):
    """Options of the engine xtb."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float = Field(
        default=1.0,
        gt=0,
        description="tblite's accuracy: the energy converges to this times 1e-6 Hartree",
    )


@dataclass(frozen=True)
class XtbEngine:
    """GFN1-xTB labels.

    Attributes
    ----------
    accuracy
        tblite's accuracy factor: the energy converges to `accuracy` * 1e-6 Hartree.
    """

    accuracy: float = 1.0

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "xtb"

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know."""
        return (
            "Labels are GFN1-xTB at the Gamma point with Fermi-Dirac smearing: a semi-empirical "
            "approximation, not DFT."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What its labels cannot show."""
        return (LIMIT,)

    @property
    def default_cell(self) -> str:
        """Cells that it labels in seconds."""
        return "published"

    @property
    def default_scheme(self) -> str:
        """The only scheme that it has."""
        return "fermi-dirac"

    def fingerprint(self) -> dict[str, str | float]:
        """Everything that a label depends on besides frame and setting."""
        return {
            "engine": self.name,
            "method": METHOD,
            "tblite": _version(),
            "accuracy": self.accuracy,
            "dos_step_ev": DOS_STEP,
            "dos_broadening_ev": LEVEL_BROADENING,
        }

    def versions(self) -> dict[str, str]:
        """Give the packages that compute the labels."""
        return {"tblite": _version()}

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse what tblite does not have.

        Raises
        ------
        EngineError
            For a smearing scheme other than Fermi-Dirac, or for more electrons than atoms have.
        EngineMissingError
            If tblite is not installed.
        """
        _version()
        if setting.smearing.scheme != "fermi-dirac":
            raise EngineError(
                f"the engine xtb smears with fermi-dirac only, not {setting.smearing.scheme}: "
                "use --scheme fermi-dirac, or a plane-wave engine (VASP or GPAW) for other schemes"
            )
        shift = setting.electrons_per_atom_shift
        if not -MOST_VALENCE < shift < MOST_PLACES:
            raise EngineError(
                f"the engine xtb cannot shift the electrons by {shift:+g} an atom: its atoms have "
                f"at most {MOST_VALENCE} and places for {MOST_PLACES}; use a smaller --electrons"
            )

    def seconds_per_label(self, n_atoms: int) -> float:
        """Rough cost of one label on one core: measured 4 s for 35 Ti atoms in a ladder."""
        return float(4.0 * (n_atoms / 35) ** 2.2)

    def denser(self, frame: Atoms) -> None:
        """Give nothing: it has the Gamma point only."""

    def calculator(self, setting: ElectronicSetting) -> Calculator:
        """Ase calculator (free energy, forces, stress) at this setting."""
        self.check(setting)
        return _ase_calculator(self, setting)

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Label one frame, each setting from its neighbour's density; see the protocol."""
        return walk_ladder([(_Ladder(self, frame), ladder_order(settings))], done, restart_folder)

    def label(self, frame: Atoms, setting: ElectronicSetting) -> Label | LabelFailure:
        """Label one frame at one setting from the superposition of atoms."""
        self.check(setting)
        return _Ladder(self, frame).label(setting, None)

    def tblite(self, frame: Atoms, setting: ElectronicSetting) -> Any:
        """Make a calculator of tblite itself, which gives levels and orbitals too."""
        from tblite.interface import Calculator as Tblite

        calculator = Tblite(
            METHOD,
            frame.numbers,
            frame.positions / Bohr,
            charge=-setting.electrons_per_atom_shift * len(frame),
            lattice=np.asarray(frame.cell) / Bohr,
            periodic=np.array([True] * 3),
            logger=_silent,
        )
        calculator.set("verbosity", 0)
        calculator.set("accuracy", self.accuracy)
        calculator.set("temperature", setting.smearing.width / Hartree)  # k_B T
        calculator.set("save-integrals", 1)
        return calculator


def _silent(_: str) -> None:
    """Take tblite's log lines; its errors arrive as exceptions."""


class _Ladder:
    """The frame of a ladder; see `dosml.relabel.engines.ladder`."""

    suffix = ".npz"

    def __init__(self, engine: XtbEngine, frame: Atoms) -> None:
        self._engine = engine
        self._frame = frame
        self._result: Any = None

    def label(self, setting: ElectronicSetting, previous: Path | None) -> Label | LabelFailure:
        """Label the frame, from the neighbour's density where that converges."""
        neighbour = _load(previous)
        start = time.perf_counter()
        reasons = []
        for number, (damping, iterations, use_previous) in enumerate(ATTEMPTS, 1):
            calculator = self._engine.tblite(self._frame, setting)
            calculator.set("mixer-damping", damping)
            calculator.set("max-iter", iterations)
            guess = neighbour if use_previous else None
            try:
                result = calculator.singlepoint(guess)
                properties = result.dict()
            except RuntimeError as error:
                reasons.append(f"damping {damping:g}: {' '.join(str(error).split())}")
                continue
            facts = {
                "attempts": number,
                "seconds": time.perf_counter() - start,
                "mixer_damping": damping,
                "from_neighbour": int(guess is not None),
            }
            try:
                label = _to_label(self._frame, setting, calculator, properties, facts)
            except ValueError as error:  # no chemical potential: no electron is left, for instance
                reasons.append(f"damping {damping:g}: {error}")
                continue
            if not np.isfinite(label.forces).all() or not np.isfinite(label.free_energy):
                reasons.append(f"damping {damping:g}: forces that are not finite numbers")
                continue
            if (largest := np.abs(label.forces).max()) > LARGEST_FORCE:
                reasons.append(f"damping {damping:g}: collapsed, with forces of {largest:.0f} eV/Å")
                continue
            self._result = result
            return label
        return LabelFailure("; ".join(reasons))

    def keep(self, path: Path) -> None:
        """Write the density."""
        try:
            self._result.save(str(path))
        except RuntimeError as error:
            raise OSError(str(error)) from error


def _load(density: Path | None) -> Any:
    """Read a kept density; None where there is none or where the file is damaged."""
    from tblite.interface import Result

    if density is None:
        return None
    result = Result()
    try:
        result.load(str(density))
    except RuntimeError:
        return None
    return result


def _to_label(
    frame: Atoms,
    setting: ElectronicSetting,
    calculator: Any,
    properties: Mapping[str, NDArray[np.float64]],
    facts: Mapping[str, str | float | int],
) -> Label:
    from dosml.theory.fermi_level import chemical_potential

    levels = properties["orbital-energies"] * Hartree
    occupations = properties["orbital-occupations"]  # both spins: 0 to 2
    n_electrons = float(occupations.sum())
    fermi_level = chemical_potential(levels, n_electrons, setting.smearing)
    coefficients = properties["orbital-coefficients"]  # (orbital, level)
    # Mulliken gross populations of every level: p = c * (S c), which sum to 1 over the orbitals
    populations = coefficients * (properties["overlap-matrix"] @ coefficients)
    d_m_weights = np.zeros((5, len(levels)))
    momenta = calculator.get("angular-momenta")
    orbital_shell = calculator.get("orbital-map")
    for shell in np.flatnonzero(momenta == 2):
        d_m_weights += populations[orbital_shell == shell]
    # d weight of every level on the atoms of each element, per atom of it
    d_orbital = momenta[orbital_shell] == 2
    symbols = np.array(frame.symbols)
    orbital_symbol = symbols[calculator.get("shell-map")[orbital_shell]]
    elements = sorted(set(symbols))
    of_element = [
        populations[d_orbital & (orbital_symbol == one)].sum(axis=0) / np.sum(symbols == one)
        for one in elements
    ]
    weights = 2 * np.vstack(
        [np.vstack([np.ones(len(levels)), d_m_weights]) / len(frame), *of_element]
    )
    energies, densities = broaden(levels - fermi_level, weights)
    virial = properties["virial"] * Hartree  # dF/d(strain)
    return Label(
        free_energy=float(properties["energy"]) * Hartree,
        forces=-properties["gradient"] * Hartree / Bohr,
        stress=full_3x3_to_voigt_6_stress(virial) / frame.cell.volume,
        fermi_level=fermi_level,
        n_electrons=n_electrons,
        top_occupation=float(occupations[-1]) / 2,
        dos=ElectronicDos(
            energies=energies,
            total=densities[0],
            d=densities[1:6].sum(axis=0),
            d_m=densities[1:6],
            broadening=LEVEL_BROADENING,
            d_by_element=dict(zip(elements, densities[6:], strict=True)),
        ),
        facts=facts,
    )


def _ase_calculator(engine: XtbEngine, setting: ElectronicSetting) -> Calculator:
    from tblite.ase import TBLite

    if setting.electrons_per_atom_shift:
        raise EngineError("molecular dynamics with the engine xtb runs on neutral cells only")
    # ase's TBLite takes the electronic temperature in kelvin
    from ase.units import kB

    return TBLite(
        method=METHOD,
        accuracy=engine.accuracy,
        electronic_temperature=setting.smearing.width / kB,
        verbosity=0,
    )


def _make_for(options: XtbOptions, symbols: Collection[str]) -> XtbEngine:
    """Make the engine for frames of these elements.

    Raises
    ------
    EngineError
        If one of them has no parameters.
    """
    if unknown := sorted(one for one in symbols if atomic_numbers.get(one, 0) > _LAST_ELEMENT):
        raise EngineError(
            f"the engine xtb has no parameters for {', '.join(unknown)}: GFN1-xTB ends at radon; "
            "name another with --engine"
        )
    return XtbEngine(accuracy=options.accuracy)


ENTRY = EngineEntry(
    name="xtb",
    help="GFN1-xTB through tblite, Gamma point, Fermi-Dirac smearing, seconds a label",
    options=XtbOptions,
    make=lambda options: XtbEngine(accuracy=options.accuracy),
    make_for=_make_for,
    fragments="Levels are filled in pairs with fractional occupations, whatever the number of "
    "electrons: no spin, so an odd fragment is no doublet. The box is periodic: dipoles and "
    "charges see images.",
)
