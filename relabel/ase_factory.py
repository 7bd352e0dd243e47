"""Any ase calculator by name: `ase:MODULE:FUNCTION`, found again in every other process.

The module may lie in the folder in which dosml was started; its file, and the versions of the
packages that it imports, become part of everything that is kept.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import PropertyNotImplementedError

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

PREFIX = "ase:"


@dataclass(frozen=True)
class AseFactory:
    """A function that makes an ase calculator.

    Attributes
    ----------
    module, function
        Where it is.
    called
        Name in tables and messages; empty: `ase:MODULE:FUNCTION`.
    folder
        Searched for the module after all installed packages.
    """

    module: str
    function: str
    called: str = ""
    folder: Path = field(default_factory=Path.cwd, compare=False)

    @classmethod
    def named(cls, name: str) -> AseFactory:
        """Give the factory of a name such as `ase:my_module:make`.

        Raises
        ------
        InputError
            If the name has another form.
        """
        module, _, function = name.removeprefix(PREFIX).partition(":")
        words = [*module.split("."), function]
        if not all(word.isidentifier() for word in words):
            raise InputError(
                f"{name!r} names no calculator: write {PREFIX}MODULE:FUNCTION, such as "
                f"{PREFIX}my_module:make for the function make of my_module.py in this folder"
            )
        return cls(module, function)

    @classmethod
    def of(cls, function: Callable[..., Calculator], called: str) -> AseFactory:
        """Give the factory of a function (or class) at the top of an installed module."""
        return cls(function.__module__, function.__name__, called)

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self.called or f"{PREFIX}{self.module}:{self.function}"

    def load(self) -> Callable[..., Calculator]:
        """Import the function.

        Raises
        ------
        InputError
            If that is not possible.
        """
        module = self._import()
        found = getattr(module, self.function, None)
        if not callable(found):
            raise InputError(
                f"{self.name}: {module.__file__ or self.module} has no function {self.function}"
            )
        return found  # type: ignore[no-any-return]

    def versions(self) -> dict[str, str]:
        """Give the packages that the module belongs to or imports anywhere, with their versions."""
        tops = {self.module.split(".")[0]}
        for node in ast.walk(ast.parse(self._source())):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                tops.add(node.module.split(".")[0])
        owners = packages_distributions()
        found = {}
        for distribution in sorted({one for top in tops for one in owners.get(top, [])}):
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:  # its files are there, its record is not
                found[distribution] = "unknown"
        return found

    def fingerprint(self) -> dict[str, str | float]:
        """Give module, function, hash of the source and versions as plain values."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions().items())
        return {
            "calculator": f"{self.module}:{self.function}",
            "source": hashlib.sha256(self._source().encode()).hexdigest()[:16],
            "packages": versions,
        }

    def _import(self) -> ModuleType:
        folder = str(self.folder)
        if folder not in sys.path:  # stays there: the module may import others when it is called
            sys.path.append(folder)
        try:
            return importlib.import_module(self.module)
        except Exception as error:
            raise InputError(
                f"{self.name}: cannot import {self.module} ({type(error).__name__}: {error}); it "
                f"was looked for among the installed packages and in {folder}"
            ) from error

    def _source(self) -> str:
        """Text of the module; empty for one that is compiled."""
        try:
            return inspect.getsource(self._import())
        except (OSError, TypeError):
            return ""


@dataclass(frozen=True)
class Evaluation:
    """What a calculator says of a frame.

    Attributes
    ----------
    energy
        eV: the free energy, to which forces belong, where the calculator has one.
    energy_is
        "free_energy" or "energy".
    forces
        Shape (n_atoms, 3), eV/Å.
    stress
        Shape (6,), eV/Å^3, ase's sign and Voigt order; None where the calculator has none.
    """

    energy: float
    energy_is: str
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None


def lacking(calculator: Calculator) -> list[str]:
    """Properties that no label can do without and that the calculator does not have."""
    has = getattr(calculator, "implemented_properties", ())
    return [name for name in ("energy", "forces") if name not in has]


def evaluate(frame: Atoms, calculator: Calculator) -> Evaluation:
    """Energy, forces and stress of a frame.

    Raises
    ------
    ValueError
        If they are not finite, or have another shape than the frame asks for.
    Exception
        Whatever the calculator raises.
    """
    atoms: Any = frame.copy()
    atoms.calc = calculator
    has = getattr(calculator, "implemented_properties", ())
    free = "free_energy" in has
    energy = float(atoms.get_potential_energy(force_consistent=free))
    forces = np.array(atoms.get_forces(), dtype=np.float64)
    stress = None
    if "stress" in has and all(frame.pbc) and frame.cell.volume > 0:
        try:
            stress = np.array(atoms.get_stress(), dtype=np.float64)
        except PropertyNotImplementedError:
            stress = None
    if forces.shape != (len(frame), 3):
        raise ValueError(f"forces of shape {forces.shape}, expected {(len(frame), 3)}")
    if not all(np.isfinite(one).all() for one in (energy, forces, stress) if one is not None):
        raise ValueError("energy, forces or stress that are not finite numbers")
    return Evaluation(energy, "free_energy" if free else "energy", forces, stress)
