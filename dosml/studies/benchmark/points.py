"""What is trained and tested for one metal: the points of every protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import InputError
from dosml.learners.base import FollowsFrames, KnowsGrid
from dosml.learners.registry import learner_entry
from dosml.relabel.frames import frame_id
from dosml.studies.grid import validation_split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dosml.learners.base import Learner
    from dosml.relabel.dataset import Dataset
    from dosml.studies.benchmark.settings import BenchmarkSettings
    from dosml.trainings import TrainingStore, TrainingTask

#: Fewest training frames of a point: peers watch one of them.
FEWEST = 2
#: Training frames that decide the factor of a finished potential.
FACTOR_FRAMES = 20
#: Sizes of a learning curve where none are given, as in the paper, and as shares of fewer frames.
SIZES = (100, 200, 300, 400, 500, 600, 700, 800, 900)
SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Point:
    """One training of a benchmark and the frames that it is tested on.

    Attributes
    ----------
    metal, protocol, learner
        Names.
    variant
        What tells points of a protocol apart, such as "cold" or "small cells".
    options
        Options of the learner that a grid varies.
    data
        Labels that are trained on and tested.
    train, test
        Indices of frames in it.
    fit
        Training frames that decide the factor of a finished potential; none for others.
    """

    metal: str
    protocol: str
    learner: Learner
    variant: str
    data: Dataset
    train: tuple[int, ...]
    test: tuple[int, ...]
    fit: tuple[int, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def task(self, store: TrainingStore) -> TrainingTask:
        """Name the training."""
        return store.task(self.learner, self.data, self.train, (*self.test, *self.fit))


def points(
    settings: BenchmarkSettings,
    metal: str,
    data: Dataset,
    learners: Sequence[Learner],
    larger: Dataset | None,
) -> Iterator[Point]:
    """Give what is trained for one metal, but for the points that a grid chooses.

    Parameters
    ----------
    data
        Labels with roles.
    larger
        Labels of larger cells with roles, for the protocol size.

    Raises
    ------
    InputError
        If a protocol asks for tiers or frames that are not there.
    """
    for learner in learners:
        # the same descriptor in all protocols: a cutoff left open follows the training frames
        frames = [data.frames[n] for n in data.train]
        settled = learner.settled(frames) if isinstance(learner, FollowsFrames) else learner
        for protocol in settings.protocol:
            if protocol == "full":
                yield _point(metal, protocol, settled, "", data, data.train, data.test)
            elif protocol == "transfer":
                yield _transfer(metal, settled, data)
            elif protocol == "curve":
                yield from _curve(settings, metal, settled, data)
            elif protocol == "grid":
                yield from _grid(settings, metal, learner, data)
            elif larger is not None:
                yield from _sizes(metal, settled, data, larger)


def best_points(
    settings: BenchmarkSettings,
    metal: str,
    data: Dataset,
    name: str,
    options: dict[str, Any],
) -> Iterator[Point]:
    """Give the point that a grid has chosen for a learner, on all training frames."""
    learner = _varied(settings, name, options)
    yield _point(
        metal,
        "grid",
        learner,
        "best: " + ", ".join(f"{key} {value}" for key, value in options.items()),
        data,
        data.train,
        data.test,
    )


def coldest(data: Dataset) -> str:
    """Tier whose training frames have the smallest forces."""
    return _by_force(data)[0]


def hottest(data: Dataset) -> str:
    """Tier whose training frames have the largest forces."""
    return _by_force(data)[-1]


def _by_force(data: Dataset) -> list[str]:
    """Tiers of the training frames by their mean absolute force, the smallest first."""
    forces = data.label_sets[0].forces
    sums: dict[str, list[float]] = {}
    for n in data.train:
        sums.setdefault(data.tiers[n], []).append(float(np.abs(forces[n]).mean()))
    return sorted(sums, key=lambda tier: float(np.mean(sums[tier])))


def _point(
    metal: str,
    protocol: str,
    learner: Learner,
    variant: str,
    data: Dataset,
    train: Sequence[int],
    test: Sequence[int],
) -> Point:
    fit: tuple[int, ...] = ()
    if not learner_entry(learner.name).trained:
        order = np.linspace(0, len(train) - 1, min(len(train), FACTOR_FRAMES)).round()
        fit = tuple(train[k] for k in dict.fromkeys(order.astype(int).tolist()))
    return Point(metal, protocol, learner, variant, data, tuple(train), tuple(test), fit)


def _transfer(metal: str, learner: Learner, data: Dataset) -> Point:
    """Train on the coldest tier; the rows of the others are the transfer."""
    tiers = {data.tiers[n] for n in data.train}
    if len(tiers) < 2:
        raise InputError(
            f"{metal}: the labels name {len(tiers)} tier ({', '.join(sorted(tiers))}): --protocol "
            "transfer needs frames of several (info key tier)"
        )
    cold = coldest(data)
    train = [n for n in data.train if data.tiers[n] == cold]
    if len(train) < FEWEST:
        raise InputError(f"{metal}: tier {cold} holds {len(train)} training frames: give more")
    return _point(metal, "transfer", learner, cold, data, train, data.test)


def _curve(
    settings: BenchmarkSettings, metal: str, learner: Learner, data: Dataset
) -> Iterator[Point]:
    tier = settings.tier or hottest(data)
    among = [n for n in data.train if data.tiers[n] == tier]
    test = [n for n in data.test if data.tiers[n] == tier]
    if len(among) < FEWEST or not test:
        raise InputError(
            f"{metal}: tier {tier} holds {len(among)} training and {len(test)} held-out frames: "
            f"--tier takes one of {', '.join(dict.fromkeys(data.tiers))}"
        )
    for size in curve_sizes(settings.sizes, len(among)):
        drawn = nested_subsets([tier] * len(among), [size], seed=settings.seed)[0]
        train = sorted(among[int(k)] for k in drawn)
        yield _point(metal, "curve", learner, tier, data, train, test)


def curve_sizes(given: Sequence[int] | None, total: int) -> list[int]:
    """Sizes of a learning curve: those given as far as there are frames, else some of all."""
    wanted = given or (SIZES if total >= SIZES[-1] else [round(one * total) for one in SHARES])
    return sorted({size for size in wanted if FEWEST <= size <= total})


def _grid(
    settings: BenchmarkSettings, metal: str, learner: Learner, data: Dataset
) -> Iterator[Point]:
    values = grid_values(settings, learner, data)
    if not values:
        return
    train, validation = validation_split(data, settings.seed)
    for point in product(*values.values()):
        options = dict(zip(values, point, strict=True))
        varied = _varied(settings, learner.name, options)
        made = _point(metal, "grid", varied, "", data, train, validation)
        yield replace(made, options=tuple(options.items()), fit=())


def grid_values(
    settings: BenchmarkSettings, learner: Learner, data: Dataset
) -> dict[str, tuple[Any, ...]]:
    """Options of a learner that are tried, with their values; nothing where it knows none."""
    values: dict[str, tuple[Any, ...]] = dict(settings.vary)
    if not values and isinstance(learner, KnowsGrid):
        values = dict(learner.grid([data.frames[n] for n in data.train]))
    known = set(learner_entry(learner.name).options.model_fields)
    return {name: tried for name, tried in values.items() if name in known}


def _varied(settings: BenchmarkSettings, name: str, options: dict[str, Any]) -> Learner:
    one = settings.model_copy(update={"learner": (name,)})
    return one.make_learners(**options)[0]


def _sizes(metal: str, learner: Learner, small: Dataset, large: Dataset) -> Iterator[Point]:
    """Train on small and on large cells, test both on the large ones.

    The errors of the small cells on themselves are those of the protocol full.
    """
    data, count = _together(small, large), len(small.frames)
    trained = {
        "small cells": tuple(small.train),
        "large cells": tuple(count + n for n in large.train),
    }
    test = [count + n for n in large.test]
    for variant, train in trained.items():
        yield _point(metal, "size", learner, variant, data, train, test)


def _together(small: Dataset, large: Dataset) -> Dataset:
    """Join the label sets that both have by name; a frame of both is a mistake."""
    names = [name for name in small.names if name in large.names]
    if not names:
        raise InputError(
            f"--supercell has the label sets {', '.join(large.names)}, the source has "
            f"{', '.join(small.names)}: one name at least must be the same"
        )
    same = {frame_id(one) for one in small.frames} & {frame_id(one) for one in large.frames}
    if same:
        raise InputError(f"--supercell holds {len(same)} frames of the source: give larger cells")
    stress = small.stress and large.stress
    parts = [
        one.take(label_sets=[one.names.index(name) for name in names], stress=stress)
        for one in (small, large)
    ]
    return parts[0].join(parts[1])
