"""Real DFT without a licence: GPAW, plane waves and PAW, PBE.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024). The calculation of one frame is kept alive
along its ladder of smearings, so that each setting starts from its neighbour's converged density
and orbitals; a copy on disk lets a ladder that was cut off continue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from dosml.errors import EngineMissingError
from dosml.relabel.engines.base import LEVEL_BROADENING, EngineEntry, LabelFailure
from dosml.relabel.engines.gpaw_presets import (
    PRESETS,
    GpawOptions,
    GpawPreset,
    occupations,
    preset_of,
)
from dosml.relabel.engines.ladder import ladder_order, walk_ladder
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.relabel.label import Label
    from dosml.theory.setting import ElectronicSetting

COARSE_MESH = (
    "The mesh of k-points is coarse. What it changes in the forces falls with smearing, so a part "
    "of a force error that falls with smearing may be the mesh's: label a few frames on a denser "
    "one and compare."
)
INSTALL = (
    "the engine gpaw needs GPAW and its PAW data: apt install g++ libxc-dev libopenblas-dev "
    "libfftw3-dev, then make gpaw, or CC=g++ and " + install_hint("gpaw")
)


def _versions() -> dict[str, str]:
    try:
        return {name: version(name) for name in ("gpaw", "gpaw-data")}
    except PackageNotFoundError as error:
        raise EngineMissingError(INSTALL) from error


@dataclass(frozen=True)
class GpawEngine:
    """PBE labels from GPAW.

    Attributes
    ----------
    preset
        One of `dosml.relabel.engines.gpaw_presets.PRESETS`.
    kpoints
        Gamma-centred grid for all frames; None: by the preset's spacing.
    """

    preset: str = "laptop"
    kpoints: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown preset."""
        preset_of(self.preset)

    @property
    def numbers(self) -> GpawPreset:
        """Numerical settings of the preset."""
        return PRESETS[self.preset]

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "gpaw"

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know."""
        grid = (
            f"k-points {self.numbers.kpoint_spacing:g} 1/Å apart"
            if self.kpoints is None
            else "{} x {} x {} k-points".format(*self.kpoints)
        )
        return (
            f"Labels are PBE from GPAW, plane waves to {self.numbers.energy_cutoff:g} eV, {grid}"
            + (
                ": small cells, whose k-points are not converged."
                if self.default_cell == "small"
                else "."
            )
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What its labels cannot show."""
        return (COARSE_MESH,) if self.default_cell == "small" else ()

    @property
    def default_cell(self) -> str:
        """Cells that the preset labels in minutes."""
        return "small" if self.preset == "laptop" else "published"

    @property
    def default_scheme(self) -> str:
        """Scheme of the published labels."""
        return "methfessel-paxton-1"

    def fingerprint(self) -> dict[str, str | float]:
        """Everything that a label depends on besides frame and setting."""
        from dosml.relabel.engines.gpaw_run import CONVERGENCE

        grid = "by spacing" if self.kpoints is None else "x".join(map(str, self.kpoints))
        return {
            "engine": self.name,
            "method": "PBE",
            **{name.replace("-", "_"): number for name, number in _versions().items()},
            "energy_cutoff_ev": self.numbers.energy_cutoff,
            "kpoint_spacing": self.numbers.kpoint_spacing,
            "kpoints": grid,
            **{f"convergence_{name}": value for name, value in CONVERGENCE.items()},
            "dos_broadening_ev": LEVEL_BROADENING,
        }

    def versions(self) -> dict[str, str]:
        """Give the packages that compute the labels."""
        return _versions()

    def check(self, setting: ElectronicSetting) -> None:
        """Refuse what GPAW does not have.

        Raises
        ------
        EngineError
            For an unknown smearing scheme, or where the PAW data cannot be found.
        EngineMissingError
            If GPAW or its data are not installed.
        """
        _versions()
        occupations(setting)

    def seconds_per_label(self, n_atoms: int) -> float:
        """Rough cost of one label on one core: measured 22 s for 8 Ti atoms in a ladder."""
        return float(22.0 * (n_atoms / 8) ** 2)

    def denser(self, frame: Atoms) -> GpawEngine:
        """Give the same engine with one more k-point in every direction."""
        one, two, three = self.kpoints or self.numbers.kpoints(frame)
        return replace(self, kpoints=(one + 1, two + 1, three + 1))

    def calculator(self, setting: ElectronicSetting) -> Calculator:
        """Ase calculator (free energy, forces, stress) at this setting."""
        from dosml.relabel.engines.gpaw_run import GpawCalculator

        self.check(setting)
        return GpawCalculator(self, setting)

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Label one frame, for each number of electrons from the widest smearing down."""
        from dosml.relabel.engines.gpaw_run import Ladder

        ordered = ladder_order(settings)
        # one calculation, with its number of electrons, is in memory at a time
        shifts = sorted({one.electrons_per_atom_shift for one in ordered})
        rungs = ([one for one in ordered if one.electrons_per_atom_shift == n] for n in shifts)
        ladders = ((Ladder(self, frame, own), own) for own in rungs)
        return walk_ladder(ladders, done, restart_folder)

    def label(self, frame: Atoms, setting: ElectronicSetting) -> Label | LabelFailure:
        """Label one frame at one setting from the superposition of atoms."""
        from dosml.relabel.engines.gpaw_run import Ladder

        self.check(setting)
        return Ladder(self, frame, [setting]).label(setting, None)


ENTRY = EngineEntry(
    name="gpaw",
    help="PBE with plane waves and PAW, k-points, every smearing, a minute a label",
    options=GpawOptions,
    make=lambda options: GpawEngine(options.preset, options.kpoints),
    fragments="Levels are filled in pairs with fractional occupations, whatever the number of "
    "electrons: no spin, so an odd fragment is no doublet. The box is periodic: dipoles and "
    "charges see images.",
)
