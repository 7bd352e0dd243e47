"""Settings of `dosml structures`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dosml.limits import LARGEST_SEED, MOST_VALUES, MOST_WORKERS, at_most
from dosml.paths import UserPath, UserText, expand_home
from dosml.relabel.elements import element
from dosml.relabel.execution.settings import RunSettings
from dosml.settings import SchemeName, WordList, available_cores

if TYPE_CHECKING:
    from typing import Self

#: No prior but the repulsion of atoms that are close; the classical sampling potential.
NONE, CLASSICAL = "none", "classical"
#: Larger systems are no task for a global fingerprint.
MOST_ATOMS = 60


def _expanded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(expand_home(one) for one in words)


class SearchSettings(BaseModel):
    """Everything that decides what `dosml structures` does.

    `target` is a cluster (Ti13) or, with `atoms` in its cell, a crystal (Ti). `prior` names one
    or several of none, classical, a saved model, a learner or `ase:MODULE:FUNCTION`; each is
    searched with from the same starts. `calls` of the engine are made for each of `seeds`
    searches, the first `starts` of them random structures; `pressure` is in GPa, `kappa` weighs
    the uncertainty, `relaxations` on the surrogate of `steps` each come before a call. The
    engine relaxes `keep` structures in the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    #: Name on the command line.
    command: ClassVar[str] = "structures"

    target: UserText
    atoms: int | None = Field(default=None, ge=1, le=MOST_ATOMS)
    pressure: float = Field(default=0.0, ge=-100, le=1000)
    prior: Annotated[WordList, AfterValidator(_expanded)] = (NONE,)
    engine: str | None = None
    engine_options: dict[str, Any] = Field(default_factory=dict)
    sigma: float = Field(default=0.2, gt=0, le=10)
    scheme: SchemeName | None = None
    calls: int = Field(default=30, ge=4, le=1000)
    starts: int = Field(default=4, ge=2, le=100)
    seeds: int = Field(default=5, ge=1, le=MOST_VALUES)
    kappa: float = Field(default=2.0, ge=0, le=100)
    relaxations: int = Field(default=10, ge=1, le=1000)
    steps: int = Field(default=30, ge=1, le=10_000)
    keep: int = Field(default=5, ge=0, le=1000)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    device: str | None = None
    workers: int = Field(default_factory=available_cores, ge=1, le=MOST_WORKERS)
    run: RunSettings = RunSettings()
    out: UserPath | None = None

    @model_validator(mode="after")
    def _check_search(self) -> Self:
        found = re.fullmatch(r"([A-Z][a-z]?)(\d*)", self.target)
        if found is None or (not found[2]) == (self.atoms is None):
            raise ValueError(
                f"{self.target}: name a cluster, such as Ti13, or a metal with --atoms 4 for a "
                "crystal of four atoms"
            )
        element(self.symbol)  # an unknown one is named with what is known
        if self.atoms is None and not 2 <= self.n_atoms <= MOST_ATOMS:
            raise ValueError(f"{self.target}: clusters of 2 to {MOST_ATOMS} atoms are meant")
        if self.atoms is None and self.pressure:
            raise ValueError("--pressure is for crystals: add --atoms")
        if self.starts >= self.calls:
            raise ValueError(f"--starts {self.starts} leaves nothing of --calls {self.calls}")
        at_most(self.prior, "--prior")
        if not self.prior or len(set(self.prior)) < len(self.prior):
            raise ValueError("--prior is empty or holds a name twice")
        return self

    @property
    def symbol(self) -> str:
        """Name of the metal."""
        return re.match(r"[A-Z][a-z]?", self.target)[0]  # type: ignore[index]

    @property
    def n_atoms(self) -> int:
        """Atoms of a structure."""
        return self.atoms or int(self.target.removeprefix(self.symbol))

    @property
    def periodic(self) -> bool:
        """Whether it is a crystal that is searched for."""
        return self.atoms is not None

    @property
    def name(self) -> str:
        """Of the target, for people."""
        return f"{self.symbol}, {self.atoms} atoms a cell" if self.atoms else self.target

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        suffix = f"-cell{self.atoms}" if self.atoms else ""
        return self.out or Path(f"dosml-structures-{self.target}{suffix}")
