"""What `dosml body-order` can be asked, and which parts of a cluster that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from dosml.analysis.statistics.body_order import SHARE
from dosml.errors import InputError
from dosml.limits import MOST_COUNTED, MOST_ELECTRONS, at_most
from dosml.paths import UserText  # noqa: TC001 - pydantic reads it at run time
from dosml.relabel.clusters import VACUUM
from dosml.settings import (
    FloatList,
    IntList,
    SchemeName,
    TrainingSettings,
    WordList,
    default_folder,
)
from dosml.theory.body_order import draw_samples, needed, up_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.studies.body_order_sources import Cluster
    from dosml.theory.body_order import Sample

#: The target that trains force fields on the clusters of hydrogen that ship.
HYDROGEN = "hydrogen"
#: Atoms of a cluster all of whose 2^N - 1 parts are computed.
MOST_WHOLE = 12
#: Atoms of a cluster of which parts are taken.
MOST_ATOMS = 200
#: Order up to which parts are drawn: a set of k atoms has 2^k parts of its own.
MOST_DRAWN_ORDER = 10
#: Parts of one cluster.
MOST_PARTS = 20_000
#: Where environments are cut and no size is given.
SIZES = (6,)
#: What only the target `hydrogen` takes.
_OF_LEARNERS = (
    *("learner", "learner_options", "descriptor", "inducing", "learner_preset", "epochs"),
    *("cutoff", "n_max", "zeta"),
)


class BodyOrderSettings(TrainingSettings):
    """Everything that decides what `dosml body-order` does."""

    command: ClassVar[str] = "body-order"

    target: UserText
    sigma: FloatList | None = None
    electrons: FloatList = (0.0,)
    scheme: SchemeName | None = None
    engine_options: dict[str, Any] = Field(default_factory=dict)
    frames: UserText | None = None
    metals: WordList = ()
    size: IntList = ()
    count: int = Field(default=10, ge=1, le=MOST_COUNTED)
    max_order: int | None = Field(default=None, ge=1, le=MOST_ATOMS)
    samples: int | None = Field(default=None, ge=2, le=MOST_PARTS)
    share: float = Field(default=SHARE, gt=0, lt=1)
    vacuum: float = Field(default=VACUUM, ge=5, le=100)

    @model_validator(mode="after")
    def _check_bodies(self) -> BodyOrderSettings:
        for option, values in (
            ("sigma", self.sigma or ()),
            ("electrons", self.electrons),
            ("size", self.size),
        ):
            at_most(values, f"--{option}")
            if len(set(values)) < len(values):
                raise ValueError(f"--{option} holds a value twice")
        if self.sigma is not None and not all(0 < one < math.inf for one in self.sigma):
            raise ValueError("--sigma takes widths above zero, in eV")
        if not self.electrons or not all(abs(one) <= MOST_ELECTRONS for one in self.electrons):
            raise ValueError(f"--electrons takes numbers up to {MOST_ELECTRONS:g} per atom")
        if any(not 2 <= one <= MOST_ATOMS for one in self.size):
            raise ValueError(f"--size takes numbers of atoms from 2 to {MOST_ATOMS}")
        if self.samples is not None and (self.max_order or 0) > MOST_DRAWN_ORDER:
            raise ValueError(
                f"--samples goes up to order {MOST_DRAWN_ORDER}, as a set of k atoms has 2^k "
                "parts: give a smaller --max-order"
            )
        given = [name for name in _OF_LEARNERS if name in self.model_fields_set]
        if self.target != HYDROGEN and given:
            option = "--" + given[0].replace("_", "-")
            raise ValueError(
                f"{option} is for the target {HYDROGEN}, which trains force fields; "
                f"{self.target} is taken as it is: leave it out"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        path = Path(self.target)
        name = path.resolve().stem if path.exists() else self.target.replace(":", "-")
        return self.out or default_folder("body-order", name, None)


@dataclass(frozen=True)
class PartPlan:
    """Which parts of a cluster are computed.

    Attributes
    ----------
    parts
        As `dosml.theory.body_order` numbers them; the whole cluster among them.
    max_order
        Largest order that follows from them.
    samples
        Sets whose terms are averaged; None: all sets are there.
    """

    parts: tuple[int, ...]
    max_order: int
    samples: tuple[Sample, ...] | None = None


def plan_parts(cluster: Cluster, settings: BodyOrderSettings) -> PartPlan:
    """Decide which parts of a cluster are computed.

    Raises
    ------
    InputError
        If they are more than can be meant: the message says what to give.
    """
    n = len(cluster.atoms)
    if n > MOST_ATOMS:
        raise InputError(
            f"a cluster of {cluster.subject} has {n} atoms, at most {MOST_ATOMS} are meant: cut "
            "environments out of it with --size"
        )
    whole = (1 << n) - 1
    if settings.samples is not None:
        last = min(settings.max_order or MOST_DRAWN_ORDER, n, MOST_DRAWN_ORDER)
        bound = sum(min(math.comb(n, k), settings.samples) * 2**k for k in range(1, last + 1))
        if bound > MOST_PARTS * 10:
            raise InputError(
                f"--samples {settings.samples} up to order {last} takes up to {bound} parts of a "
                f"cluster of {n} atoms: give fewer, or a smaller --max-order"
            )
        # of the settings and the cluster alone, so that a run that was stopped draws the same
        rng = np.random.default_rng([settings.seed, n, cluster.number])
        samples = draw_samples(n, last, settings.samples, rng)
        return PartPlan(_with(needed(samples), whole), last, tuple(samples))
    if settings.max_order is None and n > MOST_WHOLE:
        raise InputError(
            f"a cluster of {cluster.subject} has {n} atoms and 2^{n} - 1 parts, at most "
            f"{MOST_WHOLE} atoms are expanded whole: give --max-order (all parts up to that), "
            "--samples (some of every order), or a smaller --size"
        )
    last = min(settings.max_order or n, n)
    count = sum(math.comb(n, k) for k in range(1, last + 1))
    if count > MOST_PARTS:
        raise InputError(
            f"--max-order {last} takes {count} parts of a cluster of {n} atoms, at most "
            f"{MOST_PARTS} are meant: give a smaller one, or --samples"
        )
    return PartPlan(_with(up_to(n, last), whole), last)


def _with(parts: Sequence[int], whole: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys([*parts, whole]))
