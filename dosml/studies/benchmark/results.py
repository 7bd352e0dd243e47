"""Results of a benchmark: what was trained, as rows of one table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.benchmark import IN_ALL, SCALED, benchmark_rows, part_of, scaled
from dosml.learners.offsets import composition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dosml.studies.benchmark.points import Point
    from dosml.trainings import Training

#: Facts of a model that become columns, where a learner measured them.
_FACTS = (
    *("seconds_training", "cpu_seconds", "n_parameters", "peak_memory_mib", "device"),
    *IN_ALL,
)


def point_rows(point: Point, training: Training) -> Iterator[dict[str, Any]]:
    """Give the errors of one training on every label set and tier.

    A finished potential has rows of its own with its forces multiplied by one fitted number.
    """
    data, test = point.data, point.test
    tiers = [data.tiers[n] for n in test]
    every = training.held_out(data, (*test, *point.fit))
    for labels, held_all in zip(data.label_sets, every, strict=True):
        held = part_of(held_all, range(len(test)))
        facts = held.facts
        known: dict[str, Any] = {
            "metal": point.metal,
            "protocol": point.protocol,
            "variant": point.variant,
            "learner": point.learner.name,
            "label_set": labels.name,
            "sigma_ev": np.nan if labels.setting is None else labels.setting.smearing.width,
            "n_train": len(point.train),
            "training": training.folder.name,
            **{name: facts.get(name, np.nan) for name in _FACTS},
            "label_noise_percent": np.nan if labels.noise is None else labels.noise.percent,
            "force_factor": np.nan,
        }
        yield from benchmark_rows(known, held, tiers)
        if not point.fit:
            continue
        fit = part_of(held_all, range(len(test), len(test) + len(point.fit)))
        fit = replace(fit, facts={})
        shares = [
            composition([data.frames[n] for n in which], data.elements)
            / np.array([[len(data.frames[n])] for n in which])
            for which in (point.fit, test)
        ]
        turned = scaled(held, fit, *shares)
        known |= {
            "learner": f"{point.learner.name} {SCALED}",
            "force_factor": turned.facts["force_factor"],
            # what it costs is counted with the potential as it is
            "seconds_training": 0.0,
            "cpu_seconds": 0.0,
            **dict.fromkeys(IN_ALL, 0.0),
        }
        yield from benchmark_rows(known, turned, tiers)
