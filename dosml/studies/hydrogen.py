"""`dosml body-order hydrogen`: force fields trained on exact labels of clusters of hydrogen.

After Chong et al., J. Chem. Phys. 164, 064121 (2026): how a force field shares an energy out among
body orders depends on the force field and on the density of its training clusters.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.body_order import order_figure
from dosml.analysis.figures.style import save_figures
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.hydrogen_report import (
    hydrogen_section,
    hydrogen_sentences,
    order_section,
)
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.body_order import (
    cluster_table,
    order_table,
    part_errors,
    summary_table,
)
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign, logger
from dosml.errors import InputError
from dosml.learners.base import KeepsTrainings
from dosml.learners.registry import make_learner, options_by_learner
from dosml.paths import check_output
from dosml.plan import long_trainings
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.hydrogen import (
    DENSITIES,
    LABELS,
    density_words,
    expanded,
    hydrogen_dataset,
    read_parts,
)
from dosml.studies.body_order import BodyOrderResult, Found, expand_one
from dosml.studies.body_order_energies import EnergySource, Part, part_energies
from dosml.studies.body_order_settings import PartPlan
from dosml.studies.body_order_sources import Cluster, model_source
from dosml.trainings import TrainingStore, tell_warnings
from dosml.version import docs_page, run_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.execution.runner import Runner
    from dosml.studies.body_order_settings import BodyOrderSettings
    from dosml.trainings import Training

#: Å, where none is given: the clusters of the two dense sets fit into it, and default cutoffs
#: follow from volumes, which a box of vacuum does not have.
CUTOFF = 6.0
#: Options of learners that are tried in turn where the user gives none of them.
VARIANTS: Mapping[str, tuple[dict[str, str], ...]] = {
    "sgp": ({"descriptor": "B1"}, {"descriptor": "B2"})
}
#: Sizes of the second training set of learners that train in seconds: larger ones are new to it.
SMALL = 6
REFERENCE = "full CI"
LIMITS = (
    (
        "Full configuration interaction in STO-3G: exact in a basis of one function an atom. "
        "Energies of real hydrogen differ; how orders fall off in a larger basis is in "
        f"{docs_page('body-order')}."
    ),
    "200 training clusters, one draw, one seed: the intervals hold the scatter of clusters only.",
    "Peers trained for few epochs are not what they can become: the table says for how long.",
)


@dataclass(frozen=True)
class _Variant:
    """A learner with its name in tables."""

    name: str
    learner: Learner


def hydrogen_study(settings: BodyOrderSettings, reporter: Reporter) -> BodyOrderResult:
    """Train every learner on every density, test each on all, expand models and reference.

    Parameters
    ----------
    settings
        `learner` and its options, `count` clusters of each size for the expansions, `metals` the
        densities to train on.
    reporter
        Where lines go.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    check_output(settings.folder)
    densities = _densities(settings.metals)
    variants = _variants(settings)
    data, places = _joined()
    found = Found()
    rows: list[dict[str, Any]] = []
    with Campaign(settings.folder, "body orders of hydrogen clusters") as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {campaign.folder}")
        for line in long_trainings([one.learner for one in variants], len(densities)):
            reporter.say(line)
        with open_runner(
            settings.run, campaign.folder, workers=settings.workers, say=reporter.say
        ) as runner:
            store = TrainingStore(campaign.folder / "models")
            for density in densities:
                clusters, reference = _clusters(data, places[density], density, settings.count)
                plans = [
                    PartPlan(tuple(one), len(c.atoms))
                    for c, one in zip(clusters, reference, strict=True)
                ]
                for cluster, plan, known in zip(clusters, plans, reference, strict=True):
                    parts = {one: Part(energy, np.empty(0)) for one, energy in known.items()}
                    expand_one(_EXACT, LABELS, cluster, plan, parts, found)
                for variant in variants:
                    reporter.say(f"{density:g} atoms/Å^3: {variant.name}")
                    training = _train(variant, data, places, density, store, rows, reporter)
                    _model_orders(
                        variant,
                        training,
                        clusters,
                        plans,
                        reference,
                        campaign.folder,
                        found,
                        runner=runner,
                        reporter=reporter,
                    )
        return _write(settings, campaign.folder, found, pd.DataFrame(rows), reporter)


#: The reference as a source: its energies ship, nothing computes them here.
_EXACT = EnergySource(REFERENCE, {}, (LABELS,))


def _densities(subjects: Sequence[str]) -> list[float]:
    """Densities to train on: all, or those that are named.

    Raises
    ------
    InputError
        If one is none.
    """
    named = {density_words(density): density for density in DENSITIES}
    if unknown := [one for one in subjects if one not in named]:
        raise InputError(
            f"--metals {unknown[0]}: the target hydrogen has {', '.join(named)}: name one of those"
        )
    return [density for name, density in named.items() if not subjects or name in subjects]


def _variants(settings: BodyOrderSettings) -> list[_Variant]:
    given = settings.model_dump(exclude={"run"})
    given["cutoff"] = settings.cutoff or CUTOFF
    options = options_by_learner(settings.learner, given, settings.learner_options)
    found = []
    for name in settings.learner:
        tried: Sequence[dict[str, str]] = VARIANTS.get(name, ({},))
        if any(options[name].get(key) is not None for one in tried for key in one):
            tried = ({},)
        for more in tried:
            called = " ".join([name, *more.values()])
            learner = make_learner(name, {**options[name], **more}, workers=settings.workers)
            found.append(_Variant(called, learner))
    return found


def _joined() -> tuple[Dataset, dict[float, range]]:
    """Clusters of all densities as one dataset, and where those of each density stand."""
    data: Dataset | None = None
    places = {}
    for density in DENSITIES:
        one = hydrogen_dataset(density)
        start = 0 if data is None else len(data.frames)
        places[density] = range(start, start + len(one.frames))
        data = one if data is None else data.join(one)
    assert data is not None
    return data, places


def _clusters(
    data: Dataset, place: range, density: float, count: int
) -> tuple[list[Cluster], list[dict[int, float]]]:
    """Take the first held-out clusters of every size, with the exact energies of all parts."""
    some = expanded(data.frames, [n for n in data.test if n in place])
    seen: Counter[int] = Counter()
    clusters, reference = [], []
    for n, parts in zip(some, read_parts(density), strict=True):
        frame = data.frames[n]
        number = seen[len(frame)]
        seen[len(frame)] += 1
        if number < count:
            clusters.append(Cluster(density_words(density), number, frame, frame))
            reference.append(parts)
    return clusters, reference


def _train(
    variant: _Variant,
    data: Dataset,
    places: Mapping[float, range],
    density: float,
    store: TrainingStore,
    rows: list[dict[str, Any]],
    reporter: Reporter,
) -> Training:
    """Train on one density, test on all; learners that are quick also on small clusters alone."""
    train = [n for n in data.train if n in places[density]]
    made = store.get(variant.learner, data, train, data.test, models=True, reporter=reporter)
    tell_warnings([made], reporter)
    sets = [(made, "all")]
    if not isinstance(variant.learner, KeepsTrainings):
        small = [n for n in train if len(data.frames[n]) <= SMALL]
        few = store.get(variant.learner, data, small, data.test, reporter=reporter)
        sets.append((few, f"up to {SMALL}"))
    for training, words in sets:
        known = {"learner": variant.name, "trained_on": density, "sizes": words}
        rows += _errors(known, training, data, places)
    return made


def _errors(
    known: Mapping[str, Any], training: Training, data: Dataset, places: Mapping[float, range]
) -> list[dict[str, Any]]:
    """Errors on the held-out clusters of every density, of all sizes and of each."""
    (said,), (facts,) = training.predictions, training.facts
    (labels,) = data.take(data.test).label_sets
    rows = []
    for density, place in places.items():
        mine = [k for k, n in enumerate(data.test) if n in place]
        sizes = sorted({len(labels.forces[k]) for k in mine})
        for size in (0, *sizes):
            which = [k for k in mine if size in (0, len(labels.forces[k]))]
            energy = [
                (said.energies[k] - labels.energies[k]) / len(labels.forces[k]) for k in which
            ]
            forces = np.concatenate([labels.forces[k] for k in which])
            errors = np.concatenate([said.forces[k] for k in which]) - forces
            rows.append(
                {
                    **known,
                    "tested_on": density,
                    "n_atoms": size or np.nan,
                    "n_clusters": len(which),
                    "energy_rmse_ev_per_atom": _rms(energy),
                    "force_rmse_ev_per_angstrom": _rms(errors),
                    "force_rms_ev_per_angstrom": _rms(forces),
                    **{
                        name: facts.get(name)
                        for name in ("seconds_training", "epochs", "n_parameters", "device")
                    },
                }
            )
    return rows


def _model_orders(
    variant: _Variant,
    training: Training,
    clusters: Sequence[Cluster],
    plans: Sequence[PartPlan],
    reference: Sequence[Mapping[int, float]],
    folder: Path,
    found: Found,
    *,
    runner: Runner,
    reporter: Reporter,
) -> None:
    """Expand the clusters by a model, and compare all parts with the reference."""
    path = training.models[LABELS]
    source = model_source(path, variant.name, LABELS, None)
    (computed,) = part_energies(
        source,
        [one.atoms for one in clusters],
        [plan.parts for plan in plans],
        folder / "energies",
        runner=runner,
        reporter=reporter,
    )
    for cluster, plan, parts in zip(clusters, plans, computed, strict=True):
        expand_one(source, LABELS, cluster, plan, parts, found)
    said = [
        {part: one.energy for part, one in parts.items() if not one.reason} for parts in computed
    ]
    errors = part_errors(reference, said)
    for name, value in (
        ("subject", clusters[0].subject),
        ("setting", LABELS),
        ("source", variant.name),
    ):
        errors.insert(0, name, value)
    found.parts.append(errors)


def _write(
    settings: BodyOrderSettings,
    folder: Path,
    found: Found,
    errors: pd.DataFrame,
    reporter: Reporter,
) -> BodyOrderResult:
    for line in found.failures:
        reporter.warn(line)
    orders, clusters = (
        order_table(found.expansions),
        cluster_table(found.expansions, settings.share),
    )
    summary = summary_table(orders, clusters)
    parts = pd.concat(found.parts, ignore_index=True)
    named = {
        "body_orders": orders,
        "clusters": clusters,
        "body_order": summary,
        "part_errors": parts,
        "errors": errors,
    }
    tables = [path for name, one in named.items() for path in write_tables(one, folder, name)]
    figures = save_figures(_figures(orders), folder / "figures")
    sentences = hydrogen_sentences(errors, summary, parts, reference=REFERENCE)
    section = hydrogen_section(errors, parts, [f"{name}.csv" for name in named])
    report = write_study_report(
        folder,
        Answer(
            question="Which force field finds the body orders of hydrogen?",
            sentence=sentences[0],
            limits=LIMITS[:2],
            findings=tuple(sentences[1:5]),
            figure=figures[0].png.stem,
        ),
        [section, order_section(summary)],
        lead="Clusters of 2 to 8 hydrogen atoms at three densities, full configuration "
        "interaction in STO-3G.",
        figures=figures,
        limits=LIMITS,
        facts={"command": reporter.command, "seed": settings.seed, "versions": run_versions()},
    )
    files = (*tables, *(one.png for one in figures), report)
    return BodyOrderResult(folder, orders, clusters, summary, parts, tuple(sentences), files)


def _figures(orders: pd.DataFrame) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield name, title, caption and figure: drawn when asked for, inside the house style."""
    yield (
        "body_orders",
        "What every body order adds",
        (
            "Mean over held-out clusters of 8 atoms of |E_k| per atom: full configuration "
            "interaction, and force fields trained on the same density."
        ),
        order_figure(orders.assign(setting="")),
    )


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
