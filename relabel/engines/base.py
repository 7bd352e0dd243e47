"""What every engine offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
from pydantic import BeforeValidator, Field

from dosml.limits import MOST_KPOINTS, comma_list
from dosml.registry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.relabel.label import Label
    from dosml.theory.setting import ElectronicSetting


@dataclass(frozen=True)
class LabelFailure:
    """A label that could not be computed, and why."""

    reason: str


class Engine(Protocol):
    """Turns (frame, setting) into a label; a plain value that travels to worker processes."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know, in one sentence."""

    @property
    def limits(self) -> tuple[str, ...]:
        """What its labels cannot show, one sentence each, for the report."""

    @property
    def default_cell(self) -> str:
        """Name of the cells that it labels in minutes, one of `dosml.relabel.structures.CELLS`."""

    @property
    def default_scheme(self) -> str:
        """Smearing scheme where the user asks for none."""

    def fingerprint(self) -> dict[str, str | float]:
        """Everything that a label depends on besides frame and setting, versions included."""

    def versions(self) -> dict[str, str]:
        """Give the packages that compute the labels, with their versions.

        Raises
        ------
        EngineMissingError
            If one is not installed.
        """

    def check(self, setting: ElectronicSetting) -> None:
        """Raise `EngineError` if the engine cannot do the setting, naming one that can."""

    def seconds_per_label(self, n_atoms: int) -> float:
        """Rough cost of one label on one core, for the plan."""

    def denser(self, frame: Atoms) -> Engine | None:
        """Give the same engine on the next denser k-grid of this frame: one more point a direction.

        None from an engine that has one point only. How far forces move there is label noise: no
        force field has to learn it.
        """

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Label one frame at those settings that are not done, each from its neighbour's density.

        The engine chooses the order (see `dosml.relabel.engines.ladder`); the caller stores each
        label before it asks for the next. The density of a finished label stays in `restart_folder`
        (this frame's own) until its successor is stored, so that a ladder that was cut off at any
        moment continues to the same numbers.
        """

    def calculator(self, setting: ElectronicSetting) -> Calculator:
        """Ase calculator at this setting, for molecular dynamics with the engine."""


class LabelsFrames(Protocol):
    """An engine that labels one frame at one setting from scratch."""

    def label(self, frame: Atoms, setting: ElectronicSetting) -> Label | LabelFailure:
        """Label one frame."""


def _nothing(_symbols: Collection[str]) -> str:
    """Lack nothing for frames of any elements."""
    return ""


@dataclass(frozen=True, kw_only=True)
class EngineEntry(Entry):
    """An engine in the registry.

    Attributes
    ----------
    make
        Checked options -> the engine. Heavy imports belong in here, not at the top of its module.
    make_for
        The same for frames of these elements only, from an engine whose words and fingerprint
        depend on them; None: `make` serves all.
    lacks
        Elements of the frames -> what it lacks for them, as words that go on after its name
        ("ships no parameters for Zr"); empty where it can label them. The first engine of the
        registry that lacks nothing is the default.
    one_element
        Whether each of its frames must be of one element.
    card
        Metal -> lines that say how good its labels of this metal are; None where it does not know.
    fragments
        What it takes for a cluster that stands alone: spin state and charge; empty where it does
        not know.
    """

    make: Callable[[Any], Engine]
    make_for: Callable[[Any, Collection[str]], Engine] | None = None
    lacks: Callable[[Collection[str]], str] = _nothing
    one_element: bool = False
    card: Callable[[str], Sequence[str]] | None = None
    fragments: str = ""


_Count = Annotated[int, Field(ge=1, le=MOST_KPOINTS)]
#: Options: a k-point grid, three numbers from 1 up, as a list or as a text like "2,2,1".
KpointGrid = Annotated[tuple[_Count, _Count, _Count], BeforeValidator(comma_list)]

#: DOS grid that engines with discrete levels use, eV relative to E_F.
DOS_WINDOW = (-20.0, 20.0)
DOS_STEP = 0.02
#: Standard deviation (eV) of the Gaussian put on discrete levels.
LEVEL_BROADENING = 0.1


def broaden(
    levels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of Gaussians of unit area on the common grid.

    Parameters
    ----------
    levels
        Shape (n_levels,), eV relative to E_F.
    weights
        Shape (n_channels, n_levels).

    Returns
    -------
    energies, densities
        Shapes (n_grid,) in eV and (n_channels, n_grid) in 1/eV.
    """
    low, high = DOS_WINDOW
    energies = np.linspace(low, high, round((high - low) / DOS_STEP) + 1)
    reach = 6 * LEVEL_BROADENING
    near = (levels > low - reach) & (levels < high + reach)
    x = (energies[None, :] - levels[near, None]) / LEVEL_BROADENING
    lines = np.exp(-0.5 * x * x) / (LEVEL_BROADENING * np.sqrt(2 * np.pi))
    return energies, weights[:, near] @ lines
