"""Any ase calculator as an engine: `--engine ase:MODULE:FUNCTION`.

The function is called with an `ElectronicSetting` and returns a calculator that computes at it. ase
has no word for a density of states, so these labels hold none.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase.calculators.calculator import FileIOCalculator
from ase.calculators.genericfileio import GenericFileIOCalculator

from dosml.errors import DosmlError, EngineError
from dosml.relabel.ase_factory import PREFIX, AseFactory, evaluate, lacking
from dosml.relabel.engines.base import EngineEntry, LabelFailure
from dosml.relabel.engines.ladder import ladder_order
from dosml.relabel.label import Label
from dosml.version import docs_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.registry import NoOptions
    from dosml.theory.setting import ElectronicSetting

__all__ = ["PREFIX", "AseEngine", "ase_engine", "entry"]


@dataclass(frozen=True)
class AseEngine:
    """Labels of an ase calculator.

    Attributes
    ----------
    factory
        Makes the calculator of an electronic setting; a fresh one for every label, so that a label
        does not depend on the frames before it.
    """

    factory: AseFactory

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self.factory.name

    @property
    def warning(self) -> str:
        """What a reader of its numbers must know."""
        return (
            f"Labels are those of the ase calculator {self.factory.module}:"
            f"{self.factory.function}: what it makes of smearing and electron number is its own."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What its labels cannot show."""
        no_dos = (
            f"The engine {self.name} gives no density of states: nothing here relates errors to "
            "electrons unless a density of states came from elsewhere."
        )
        return (no_dos,)

    @property
    def default_cell(self) -> str:
        """Cells of the published study: nothing is known of the cost."""
        return "published"

    @property
    def default_scheme(self) -> str:
        """The scheme that every program has."""
        return "fermi-dirac"

    def fingerprint(self) -> dict[str, str | float]:
        """Everything that a label depends on besides frame and setting."""
        return {"engine": "ase", **self.factory.fingerprint()}

    def versions(self) -> dict[str, str]:
        """Give the packages that the calculator's module belongs to or imports."""
        return self.factory.versions()

    def check(self, setting: ElectronicSetting) -> None:
        """Make the calculator of a setting once.

        Raises
        ------
        EngineError
            If there is none, or it has no energies or forces.
        """
        missing = lacking(self.calculator(setting))
        if missing:
            raise EngineError(
                f"{self.name}: the calculator has no {' and no '.join(missing)}, which a label "
                "needs: name one that has, or another --engine"
            )

    def seconds_per_label(self, n_atoms: int) -> float:  # noqa: ARG002 - the protocol's argument
        """Cost of one label: not known."""
        return float("nan")

    def denser(self, frame: Atoms) -> None:
        """Give nothing: ase has no word for k-points."""

    def calculator(self, setting: ElectronicSetting) -> Calculator:
        """Ase calculator at this setting.

        Raises
        ------
        EngineError
            If the function raises, or returns something else.
        """
        make = self.factory.load()
        try:
            made = make(setting)
        except DosmlError:
            raise
        except Exception as error:
            raise EngineError(
                f"{self.name}: no calculator for {setting.name} with {setting.smearing.scheme} "
                f"({type(error).__name__}: {error}); the function is called with the electronic "
                f"setting and returns an ase calculator; {docs_page('plugins')} has an example"
            ) from error
        if not hasattr(made, "get_property") and not hasattr(made, "get_potential_energy"):
            raise EngineError(
                f"{self.name} returned a {type(made).__name__}, expected an ase calculator"
            )
        return made

    def label_ladder(
        self,
        frame: Atoms,
        settings: Sequence[ElectronicSetting],
        done: Collection[ElectronicSetting],
        restart_folder: Path,
    ) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
        """Label one frame, each setting by itself; see the protocol.

        Calculators that write files do so in `restart_folder`, unless their own folder was chosen.
        """
        for setting in ladder_order(settings):
            if setting not in done:
                yield setting, self._label(frame, setting, restart_folder / setting.name)
        shutil.rmtree(restart_folder, ignore_errors=True)

    def _label(
        self, frame: Atoms, setting: ElectronicSetting, folder: Path
    ) -> Label | LabelFailure:
        start = time.perf_counter()
        try:
            calculator = self.calculator(setting)
            writes = isinstance(calculator, (FileIOCalculator, GenericFileIOCalculator))
            if writes and str(calculator.directory) == ".":
                # several processes at work in one folder would overwrite each other's files
                calculator.directory = folder
            found = evaluate(frame, calculator)
        except Exception as error:  # noqa: BLE001 - whatever it is, the frame has no label
            return LabelFailure(f"{type(error).__name__}: {' '.join(str(error).split())}")
        return Label(
            free_energy=found.energy,
            forces=found.forces,
            stress=found.stress,
            fermi_level=float("nan"),
            n_electrons=float("nan"),
            top_occupation=float("nan"),
            dos=None,
            facts={
                "attempts": 1,
                "seconds": time.perf_counter() - start,
                "energy_is": found.energy_is,
            },
        )


def ase_engine(name: str, text: str, function: Callable[..., Calculator]) -> EngineEntry:
    """Make the entry of a plug-in that is an ase calculator.

    Parameters
    ----------
    name
        On the command line.
    text
        One line for help texts.
    function
        At the top of an installed module; called with an `ElectronicSetting`, gives the calculator.
    """
    return _entry(AseFactory.of(function, name), text)


def entry(name: str) -> EngineEntry:
    """Entry of an engine named `ase:MODULE:FUNCTION`.

    Raises
    ------
    InputError
        If the name has another form.
    """
    return _entry(AseFactory.named(name), "an ase calculator")


def _entry(factory: AseFactory, text: str) -> EngineEntry:
    def make(_options: NoOptions) -> AseEngine:
        factory.load()  # a name that leads nowhere is refused at once
        return AseEngine(factory)

    return EngineEntry(name=factory.name, help=text, make=make)
