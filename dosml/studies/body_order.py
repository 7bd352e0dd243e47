"""`dosml body-order`: the body-order expansion of an engine, of a model, or of a scan's both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.body_order import body_order_figures
from dosml.analysis.figures.style import save_figures
from dosml.analysis.report.body_order_report import (
    CLUSTERS,
    ORDERS,
    PARTS,
    SUMMARY,
    body_order_answer,
    body_order_sentences,
)
from dosml.analysis.report.study_record import StudyRecord
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.report.study_sections import study_section
from dosml.analysis.statistics.body_order import (
    Expansion,
    cluster_table,
    order_table,
    part_errors,
    summary_table,
)
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign, logger
from dosml.errors import LabelError
from dosml.paths import check_output
from dosml.relabel.dataset import load
from dosml.relabel.execution.runner import open_runner
from dosml.studies.attach import attach_record
from dosml.studies.body_order_energies import part_energies
from dosml.studies.body_order_settings import SIZES, plan_parts
from dosml.studies.body_order_sources import (
    draw_clusters_of,
    is_scan,
    sources_of_target,
    subjects_of_target,
)
from dosml.studies.scan import LABEL_SETS
from dosml.theory.body_order import estimate_orders, order_sums
from dosml.version import __version__, run_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dosml.progress import Reporter
    from dosml.relabel.execution.runner import Runner
    from dosml.studies.body_order_energies import EnergySource, Part
    from dosml.studies.body_order_settings import BodyOrderSettings, PartPlan
    from dosml.studies.body_order_sources import Cluster

LIMITS = (
    (
        "Clusters stand in vacuum: an atom at a surface is not one in the metal, and what the "
        "expansion of a cluster needs is not what a force field of the metal needs."
    ),
    (
        "Body orders are those of free energies at the setting: an energy with an entropy in it is "
        "expanded like any other."
    ),
    "The intervals hold the scatter of the clusters only.",
)


@dataclass(frozen=True)
class BodyOrderResult:
    """What the study leaves behind.

    Attributes
    ----------
    folder
        Of the study.
    orders, clusters, summary
        One row per cluster and order; per cluster; per source, setting, subject and size.
    parts
        Errors of models on parts, by size; empty where no engine stands beside them.
    sentences
        What was found, in words.
    files
        Tables, figures and report.
    """

    folder: Path
    orders: pd.DataFrame
    clusters: pd.DataFrame
    summary: pd.DataFrame
    parts: pd.DataFrame
    sentences: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass
class Found:
    """What was computed, subject by subject.

    Attributes
    ----------
    expansions
        Of every cluster that has one.
    chi_4
        Response index of the d-DOS of every whole cluster: columns "source", "setting", "subject",
        "n_atoms", "chi_4_states2_per_ev_atom2".
    parts
        Errors of models on parts.
    failures
        What has no expansion, one sentence each.
    """

    expansions: list[Expansion] = field(default_factory=list)
    chi_4: list[dict[str, Any]] = field(default_factory=list)
    parts: list[pd.DataFrame] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def body_order(settings: BodyOrderSettings, reporter: Reporter) -> BodyOrderResult:
    """Expand clusters of every subject by every source, and write what was found.

    Parameters
    ----------
    settings
        What to do; the same settings continue what was stopped.
    reporter
        Where lines go.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    check_output(settings.folder)
    subjects = subjects_of_target(settings.target, settings.frames, settings.metals)
    sizes = settings.size or SIZES
    drawn = {
        one.name: draw_clusters_of(
            one, settings.size, sizes, settings.count, settings.vacuum, settings.seed
        )
        for one in subjects
    }
    plans = {
        name: [plan_parts(cluster, settings) for cluster in clusters]
        for name, clusters in drawn.items()
    }
    sources = {
        one.name: sources_of_target(
            settings.target,
            one,
            widths=settings.sigma,
            shifts=settings.electrons,
            scheme=settings.scheme,
            options=settings.engine_options,
            device=settings.device,
        )
        for one in subjects
    }
    found = Found()
    with Campaign(settings.folder, f"body orders of {settings.target}") as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"folder: {campaign.folder}")
        for line in dict.fromkeys(s.reference for some in sources.values() for s in some):
            reporter.say(f"fragments: {line}")
        with open_runner(
            settings.run, campaign.folder, workers=settings.workers, say=reporter.say
        ) as runner:
            for name, clusters in drawn.items():
                count = sum(len(plan.parts) for plan in plans[name])
                named = ", ".join(dict.fromkeys(one.name for one in sources[name]))
                reporter.say(f"{name}: {len(clusters)} clusters, {count} parts in all, by {named}")
                expand(
                    clusters,
                    plans[name],
                    sources[name],
                    campaign.folder,
                    found,
                    runner=runner,
                    reporter=reporter,
                )
        for line in found.failures:
            reporter.warn(line)
        if not found.expansions:
            raise LabelError(f"no cluster could be expanded: {found.failures[0]}")
        return _write(settings, campaign.folder, found, sources, reporter)


def expand(
    clusters: Sequence[Cluster],
    plans: Sequence[PartPlan],
    sources: Sequence[EnergySource],
    folder: Path,
    found: Found,
    *,
    runner: Runner,
    reporter: Reporter,
) -> None:
    """Expand the clusters of one subject by every source.

    Parameters
    ----------
    clusters, plans
        Of the subject, and which of their parts are computed.
    sources
        The first engine among them is what models are compared with, at the model's own setting.
    folder
        Of the study.
    found
        Is added to.
    """
    beside: dict[str, list[dict[int, float]]] = {}
    for source in sources:
        computed = part_energies(
            source,
            [one.atoms for one in clusters],
            [plan.parts for plan in plans],
            folder / "energies",
            runner=runner,
            reporter=reporter,
        )
        for column, by_cluster in zip(source.columns, computed, strict=True):
            for cluster, plan, parts in zip(clusters, plans, by_cluster, strict=True):
                expand_one(source, column, cluster, plan, parts, found)
            known = [
                {part: one.energy for part, one in parts.items() if not one.reason}
                for parts in by_cluster
            ]
            if source.engine is not None:
                beside[column] = known
            elif column in beside:
                errors = part_errors(beside[column], known)
                errors.insert(0, "subject", clusters[0].subject)
                errors.insert(0, "setting", column)
                errors.insert(0, "source", source.name)
                found.parts.append(errors)


def expand_one(
    source: EnergySource,
    column: str,
    cluster: Cluster,
    plan: PartPlan,
    parts: Mapping[int, Part],
    found: Found,
) -> None:
    """Expand one cluster from the energies of its parts.

    Parameters
    ----------
    source, column
        What gave the energies, and at which of its settings.
    cluster, plan
        What was asked for.
    parts
        Of the plan; where the whole has no forces only energies are expanded.
    found
        Is added to: an expansion, or why there is none.
    """
    failed = [(part, one.reason) for part, one in parts.items() if one.reason]
    if failed:
        found.failures.append(
            f"{source.name}, {column}: cluster {cluster.number} of {cluster.subject} "
            f"({len(cluster.atoms)} atoms) is left out, {len(failed)} of {len(parts)} parts have "
            f"no energy: {failed[0][1]}"
        )
        return
    n = len(cluster.atoms)
    whole = parts[(1 << n) - 1]
    energies = {part: one.energy for part, one in parts.items()}
    force_left = np.empty(0)
    if plan.samples is None:
        orders = order_sums(n, energies, plan.max_order)
        errors = np.zeros_like(orders)
        if whole.forces.size:
            forces = order_sums(n, {part: p.forces for part, p in parts.items()}, plan.max_order)
            lacks = np.cumsum(forces, axis=0) - whole.forces
            force_left = np.sqrt(np.mean(lacks**2, axis=(1, 2)))
    else:
        estimate = estimate_orders(plan.samples, energies)
        orders, errors = estimate.orders, estimate.errors
    setting = source.setting_of(column)
    one = Expansion(
        source=source.name,
        setting=column,
        width=np.nan if setting is None else setting.smearing.width,
        shift=0.0 if setting is None else setting.electrons_per_atom_shift,
        subject=cluster.subject,
        number=cluster.number,
        n_atoms=n,
        energy=whole.energy,
        orders=orders,
        errors=errors,
        force_left=force_left,
    )
    found.expansions.append(one)
    if np.isfinite(whole.chi_4):
        found.chi_4.append({**one.known(), "chi_4_states2_per_ev_atom2": whole.chi_4})


def _write(
    settings: BodyOrderSettings,
    folder: Path,
    found: Found,
    sources: Mapping[str, Sequence[EnergySource]],
    reporter: Reporter,
) -> BodyOrderResult:
    orders, clusters = (
        order_table(found.expansions),
        cluster_table(found.expansions, settings.share),
    )
    summary = summary_table(orders, clusters)
    if found.chi_4:
        by = ["source", "setting", "subject", "n_atoms"]
        means = pd.DataFrame(found.chi_4).groupby(by, as_index=False)
        summary = summary.merge(means["chi_4_states2_per_ev_atom2"].mean(), on=by, how="left")
    parts = pd.concat(found.parts, ignore_index=True) if found.parts else pd.DataFrame()
    named = {ORDERS: orders, CLUSTERS: clusters, SUMMARY: summary}
    if len(parts):
        named[PARTS] = parts
    tables = [path for name, one in named.items() for path in write_tables(one, folder, name)]
    figures = save_figures(body_order_figures(orders, summary), folder / "figures")
    sentences = body_order_sentences(clusters, summary, parts)
    words = _words(sources)
    record = StudyRecord(
        study=settings.command,
        dosml=__version__,
        command=reporter.command,
        folder=str(folder.resolve()),
        seed=settings.seed,
        train_frames={},
        test_frames={},
        label_files={},
        figures=[],
    )
    section = study_section(folder, record)
    section["findings"] = []  # they stand at the top
    report = write_study_report(
        folder,
        body_order_answer(settings.target, sentences, words, figure=figures[0].png.stem),
        [section],
        lead=f"{len(clusters)} expansions of clusters of "
        f"{', '.join(dict.fromkeys(clusters['subject']))}.",
        figures=figures,
        warnings=_once(one.warning for some in sources.values() for one in some),
        limits=[*LIMITS, *words],
        facts={
            "command": reporter.command,
            "seed": settings.seed,
            "left out": "; ".join(found.failures),
            "versions": run_versions(),
        },
    )
    files = [*tables, *(one.png for one in figures), report]
    if is_scan(settings.target):
        campaign = Path(settings.target)
        files += attach_record(
            campaign,
            folder,
            record,
            load(campaign / LABEL_SETS).names,
            tables=[path for path in tables if path.suffix == ".csv"],
            figures=figures,
            reporter=reporter,
        )
    return BodyOrderResult(folder, orders, clusters, summary, parts, tuple(sentences), tuple(files))


def _words(sources: Mapping[str, Sequence[EnergySource]]) -> list[str]:
    """Say once what each source takes for a fragment."""
    return _once(
        f"{one.name}: {one.reference}" for some in sources.values() for one in some if one.reference
    )


def _once(lines: Iterable[str]) -> list[str]:
    return [line for line in dict.fromkeys(lines) if line]
