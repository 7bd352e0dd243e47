"""The calculations of the GPAW engine; this module needs GPAW."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from gpaw import GPAW, KohnShamConvergenceError, Mixer
from gpaw.dos import get_projector_numbers
from gpaw.setup import create_setup

from dosml.errors import EngineError
from dosml.memory import peak_memory_mib
from dosml.relabel.bands import EMPTY, band_count
from dosml.relabel.elements import valence_electrons
from dosml.relabel.engines.base import LEVEL_BROADENING, LabelFailure, broaden
from dosml.relabel.engines.gpaw_presets import occupations
from dosml.relabel.label import Label
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.relabel.engines.gpaw_presets import GpawNumerics
    from dosml.theory.setting import ElectronicSetting

FUNCTIONAL = "PBE"
#: Density in electrons per valence electron, energy in eV per valence electron, eigenstates in
#: eV^2 per valence electron. GPAW's own limit on the eigenstates (4e-8) costs twice the time and
#: changes no force of a metal by more than 1 meV/Å once the density is converged.
CONVERGENCE = {"density": 1e-5, "energy": 1e-4, "eigenstates": 1e-4}
#: Tried in turn: mixing of the density, its history, weight of its metric, and most steps. The
#: first starts from the neighbour's state where there is one, the safer ones from atoms.
ATTEMPTS: tuple[tuple[float, int, float, int], ...] = (
    (0.25, 8, 20.0, 120),
    (0.05, 5, 50.0, 250),
    (0.02, 3, 100.0, 400),
)
#: The rule of `dosml.relabel.bands` is meant to hold for every metal at once and a calculation
#: costs more than its bands: this share of them is tried first. Of a hot Ti frame at 1 eV it left
#: 8e-6 in the top band, moved forces by 0.1 to 0.4 meV/Å and saved 30 % of the time.
FIRST_BANDS = 0.78
#: Bands beyond the occupied ones at least.
LEAST_EMPTY_BANDS = 8
#: More bands where the highest one is not empty: factor, and how often.
MORE_BANDS = 1.3
MOST_BANDS_ATTEMPTS = 2
#: GPAW's order of the real d harmonics is that of `dosml.theory.dos.D_ORBITALS`.
_D = 2


class Ladder:
    """The calculation of one frame at one number of electrons, kept alive along its smearings.

    See `dosml.relabel.engines.ladder`.

    Parameters
    ----------
    engine, frame
        Of the labels.
    rungs
        Settings that differ in their smearing only; the widest one decides the number of bands.

    Raises
    ------
    EngineError
        If GPAW has no PAW data for the element, or no electron is left.
    """

    suffix = ".gpw"

    def __init__(
        self, engine: GpawNumerics, frame: Atoms, rungs: Sequence[ElectronicSetting]
    ) -> None:
        self._engine = engine
        self._frame = frame.copy()
        self._bands = first_bands(frame, rungs)
        self._calculator: Any = None

    def label(self, setting: ElectronicSetting, previous: Path | None) -> Label | LabelFailure:
        """Label the frame, from the state at hand or from the one kept in `previous`."""
        start = time.perf_counter()
        if self._calculator is None and previous is not None:
            self._calculator = self._read(previous)
        reasons: list[str] = []
        for number, attempt in enumerate(ATTEMPTS, 1):
            from_neighbour = number == 1 and self._calculator is not None
            try:
                label = self._converge(setting, attempt, from_neighbour=from_neighbour)
                for _ in range(MOST_BANDS_ATTEMPTS):
                    if abs(label.top_occupation) <= EMPTY:
                        break
                    self._bands = int(MORE_BANDS * self._bands)
                    label = self._converge(setting, attempt, from_neighbour=False)
            except KohnShamConvergenceError:
                reasons.append(f"mixing {attempt[0]:g}: not converged in {attempt[3]} steps")
                self._calculator = None
                continue
            facts = {
                **label.facts,
                "attempts": number,
                "seconds": time.perf_counter() - start,
                "from_neighbour": int(from_neighbour),
                "memory_mib": int(peak_memory_mib()),
            }
            return Label(**{**vars(label), "facts": facts})
        return LabelFailure("; ".join(reasons))

    def keep(self, path: Path) -> None:
        """Write density and orbitals."""
        self._calculator.write(str(path), mode="all")

    def _converge(
        self,
        setting: ElectronicSetting,
        attempt: tuple[float, int, float, int],
        *,
        from_neighbour: bool,
    ) -> Label:
        if from_neighbour:
            self._calculator.set(occupations=occupations(setting))
        else:
            self._calculator = make_calculator(
                self._engine, self._frame, setting, bands=self._bands, attempt=attempt
            )
        atoms = self._frame.copy()
        atoms.calc = self._calculator
        return to_label(atoms)

    def _read(self, path: Path) -> Any:
        """Read a kept state; None where the file is damaged."""
        try:
            return GPAW(str(path), txt=None, legacy_gpaw=True)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the ladder starts from atoms
            return None


def number_of_bands(frame: Atoms, rungs: Sequence[ElectronicSetting]) -> int:
    """Bands with an empty highest one at the widest smearing.

    Raises
    ------
    EngineError
        If there are no PAW data for an element, or no electron is left.
    """
    symbols = frame.get_chemical_symbols()
    each = {symbol: _paw_electrons(symbol) for symbol in set(symbols)}
    # means over the atoms: exact where there is one element
    valence = float(np.mean([each[symbol] for symbol in symbols]))
    outer = float(np.mean([valence_electrons(symbol, each[symbol]) for symbol in symbols]))
    for one in rungs:
        if valence + one.electrons_per_atom_shift <= 0:
            raise EngineError(
                f"the engine gpaw has {valence:g} valence electrons an atom of "
                f"{'-'.join(sorted(each))} and "
                f"cannot shift them by {one.electrons_per_atom_shift:+g}: use a smaller --electrons"
            )
    return max(
        band_count(
            n_atoms=len(frame),
            n_electrons=(valence + one.electrons_per_atom_shift) * len(frame),
            zval=valence,
            valence_electrons=outer,
            volume=frame.cell.volume,
            smearing=one.smearing,
        )
        for one in rungs
    )


def first_bands(frame: Atoms, rungs: Sequence[ElectronicSetting]) -> int:
    """Bands to try first, where the highest one is checked afterwards.

    Raises
    ------
    EngineError
        As `number_of_bands`.
    """
    electrons = sum(_paw_electrons(symbol) for symbol in frame.get_chemical_symbols())
    shift = max(one.electrons_per_atom_shift for one in rungs) * len(frame)
    occupied = int(np.ceil((electrons + shift) / 2))
    return max(occupied + LEAST_EMPTY_BANDS, int(FIRST_BANDS * number_of_bands(frame, rungs)))


def _paw_electrons(symbol: str) -> int:
    """Valence electrons of GPAW's data set of an element."""
    try:
        return int(create_setup(symbol, FUNCTIONAL).Nv)
    except FileNotFoundError as error:
        raise EngineError(f"GPAW has no PAW data for {symbol}: pip install gpaw-data") from error


def make_calculator(
    engine: GpawNumerics,
    frame: Atoms,
    setting: ElectronicSetting,
    *,
    bands: int,
    attempt: tuple[float, int, float, int] = ATTEMPTS[0],
) -> Any:
    """GPAW calculator at one setting; its Davidson step is single, which is fastest here."""
    kpoints = engine.kpoints or engine.numbers.kpoints(frame)
    return GPAW(
        legacy_gpaw=True,  # the solver that keeps its orbitals when the smearing changes
        mode={"name": "pw", "ecut": engine.numbers.energy_cutoff},
        xc=FUNCTIONAL,
        kpts={"size": kpoints, "gamma": True},
        symmetry={"point_group": False},
        charge=-setting.electrons_per_atom_shift * len(frame),
        nbands=bands,
        occupations=occupations(setting),
        mixer=Mixer(*attempt[:3]),
        eigensolver={"name": "dav", "niter": 1},
        convergence=dict(CONVERGENCE),
        maxiter=attempt[3],
        txt=None,
    )


class GpawCalculator(Calculator):
    """Ase calculator that follows a moving frame and starts anew when its cell changes.

    `energy` is the free energy F, of which the forces are derivatives.

    Parameters
    ----------
    engine, setting
        As of a label.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, engine: GpawNumerics, setting: ElectronicSetting) -> None:
        """Wait for the first frame."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._engine, self._setting = engine, setting
        self._shape: tuple[Any, ...] | None = None
        self._inner: Any = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`; called by ase."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame: Any = self.atoms
        shape = (tuple(frame.numbers), frame.cell.array.tobytes())
        if shape != self._shape:
            bands = number_of_bands(frame, [self._setting])
            self._inner = make_calculator(self._engine, frame, self._setting, bands=bands)
            self._shape = shape
        moved = frame.copy()
        moved.calc = self._inner
        free_energy = float(moved.get_potential_energy(force_consistent=True))
        self.results = {
            "energy": free_energy,
            "free_energy": free_energy,
            "forces": moved.get_forces(),
        }
        if "stress" in properties:
            self.results["stress"] = moved.get_stress()


def to_label(atoms: Atoms) -> Label:
    """Converge and read everything that a label holds.

    Raises
    ------
    gpaw.KohnShamConvergenceError
        If the self-consistent field does not converge.
    """
    calculator: Any = atoms.calc
    free_energy = float(atoms.get_potential_energy(force_consistent=True))
    forces, stress = atoms.get_forces(), atoms.get_stress()
    fermi_level = float(calculator.get_fermi_level())
    levels, weights, top = levels_and_weights(calculator)
    elements = sorted(set(atoms.symbols))
    holders = [len(atoms)] * 6 + [int(np.sum(atoms.symbols == one)) for one in elements]
    energies, densities = broaden(levels - fermi_level, weights / np.array(holders)[:, None])
    return Label(
        free_energy=free_energy,
        forces=np.array(forces, dtype=np.float64),
        stress=np.array(stress, dtype=np.float64),
        fermi_level=fermi_level,
        n_electrons=float(calculator.get_number_of_electrons()),
        top_occupation=top,
        dos=ElectronicDos(
            energies=energies,
            total=densities[0],
            d=densities[1:6].sum(axis=0),
            d_m=densities[1:6],
            broadening=LEVEL_BROADENING,
            d_by_element=dict(zip(elements, densities[6:], strict=True)),
        ),
        facts={
            "scf_steps": int(calculator.get_number_of_iterations()),
            "bands": int(calculator.get_number_of_bands()),
            "kpoints": len(calculator.get_ibz_k_points()),
        },
    )


def levels_and_weights(calculator: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Levels of all k-points, their weights, and the occupation of the highest band.

    The d weight of a level is the sum over atoms of |<p_d|psi>|^2 of the bound d projector, which
    is how GPAW itself defines its projected DOS.

    Returns
    -------
    levels, weights, top
        Shapes (n_levels,), eV, and (6 + n_elements, n_levels): total, d by m, and d of each
        element in alphabetical order, spin summed, the weights of the k-points included; the
        largest |f| (full band = 1) of the highest band.
    """
    wavefunctions = calculator.wfs
    projectors = [get_projector_numbers(setup, _D) for setup in calculator.setups]
    symbols = [setup.symbol for setup in calculator.setups]
    elements = sorted(set(symbols))
    levels, weights, top = [], [], 0.0
    for kpt in wavefunctions.kpt_u:
        weight = wavefunctions.kd.weight_k[kpt.k]
        values = calculator.get_eigenvalues(kpt=kpt.k)
        d, of_element = np.zeros((5, len(values))), np.zeros((len(elements), len(values)))
        for atom, columns in enumerate(projectors):
            amplitudes = kpt.P_ani[atom][:, columns]  # (n_levels, several sets of five)
            for first in range(0, len(columns), 5):
                own = (np.abs(amplitudes[:, first : first + 5]) ** 2).T
                d += own
                of_element[elements.index(symbols[atom])] += own.sum(axis=0)
        levels.append(values)
        weights.append(2 * weight * np.vstack([np.ones(len(values)), d, of_element]))
        occupation = calculator.get_occupation_numbers(kpt=kpt.k)[-1]
        top = max(top, abs(float(occupation)) / (2 * weight))
    return np.concatenate(levels), np.hstack(weights), top
