"""`dosml recommend-smearing`: how much electronic smearing the forces of a training set bear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.figures.recommendation import recommendation_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.measures.column import Column, row_interval
from dosml.analysis.measures.columns import tier_column
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.recommendation import ALL, Recommendation, gap_width, recommend
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign
from dosml.errors import InputError
from dosml.files import whole_file
from dosml.settings import default_folder
from dosml.studies.labels import labels_of, subjects_of
from dosml.theory.code_settings import code_settings
from dosml.theory.smearing import Smearing
from dosml.version import run_versions

if TYPE_CHECKING:
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset

_MEV = 1000.0
#: Allowed change of a force component where the labels do not know their mesh noise, eV/Å.
FALLBACK_LIMIT = 0.010
_COLUMNS = (
    Column("tier", "frames", "", "Tier of the frames."),
    Column("sigma_ev", "σ", "eV", "Width of the smearing.", 2),
    Column("force_change_mev", "force change", "meV/Å", "Mean |ΔF| against the smallest σ.", 1),
    Column("force_change_percent", "force change", "%", "The same, of the mean |F|.", 1),
    Column("within_word", "within", "", "Whether the upper end of the interval is in the limit."),
    Column("force_percent_error", "force error", "%", "100 MAE/MAV of the scan's force field.", 2),
)
_LIMITS = (
    (
        "Forces are held against those at the smallest smearing of the labels, not against zero "
        "smearing: what that one changes itself is not seen here."
    ),
    "A mean can hide a frame that moves more: look at the tiers, and at recommended.csv.",
    "Energies change with smearing as well. Train on the force-consistent free energy.",
    "Widths of different schemes are not comparable: the advice is for the scheme of the labels.",
)


@dataclass(frozen=True)
class RecommendResult:
    """What a recommendation leaves behind."""

    folder: Path
    found: Recommendation
    table: pd.DataFrame
    settings: dict[str, str]
    answer: Answer
    report: Path


def recommend_smearing(
    where: str,
    reporter: Reporter,
    *,
    metal: str | None = None,
    scheme: str | None = None,
    within: float | None = None,
    out: Path | None = None,
) -> RecommendResult:
    """Find the largest smearing that labels bear, and write table, figure, settings and report.

    Parameters
    ----------
    where
        A campaign, label sets, or "reference".
    metal
        Which of several metals.
    scheme
        Smearing scheme of label sets that do not say it.
    within
        Allowed mean change of a force component in meV/Å; None: the mesh noise of the labels.
    out
        Folder; None: dosml-recommend-METAL-LABELS.

    Raises
    ------
    DosmlError
        If the labels cannot be read, or do not hold two smearings of one scheme.
    """
    subjects = subjects_of(where, scheme)
    if metal is None and len(subjects) > 1:
        raise InputError(f"{where} holds {', '.join(subjects)}: name one with --metal")
    metal = metal or subjects[0]
    data = labels_of(where, metal, scheme=scheme)
    chosen = _neutral_sets(data, where)
    forces = {width: data.label_sets[k].forces for width, k in chosen.items()}
    kind = data.electronic[0].smearing.scheme
    first = data.label_sets[chosen[min(chosen)]]
    limit, limit_words = _limit(within, None if first.noise is None else first.noise)
    found = recommend(forces, data.tiers, limit=limit)
    errors = _errors(Path(where))
    table = _table(found, errors)
    gaps = _gaps(data, chosen[min(chosen)])
    settings = code_settings(Smearing(kind, found.width))
    folder = out or default_folder("recommend", metal, where)
    with Campaign(folder, f"recommended smearing of {metal} from {where}"):
        write_tables(table, folder, "recommended")
        with whole_file(folder / "settings.txt") as path:
            text = "\n\n".join(f"# {name}\n{lines}" for name, lines in settings.items())
            path.write_text(text + "\n", encoding="utf-8")
        with house_style():
            figure = save_figure(
                recommendation_figure(found, errors),
                folder / "figures",
                "recommended",
                title="How much smearing the forces bear",
                caption="Mean change of a force component against the smallest smearing, with 95 % "
                f"intervals over frames; dashed: the limit, {limit_words}."
                + ("" if errors is None else " Right: force error of the scan's force fields."),
            )
        answer = _answer(metal, kind, found, limit_words, table, gaps, data)
        section = new_section("Every tier and width", "table")
        shown = [one for one in _COLUMNS if one.name in table and table[one.name].notna().any()]
        section["table"] = sortable_table(table, shown)
        section["links"] = [{"name": "recommended.csv", "target": "recommended.csv"}]
        lines = {**new_section("Input settings", "settings"), "open": True}
        lines["table"] = sortable_table(
            pd.DataFrame(
                {"program": [*settings], "lines": [_line(one) for one in settings.values()]}
            ),
            (Column("program", "program", "", "Code."), Column("lines", "lines", "", "Its input.")),
        )
        report = write_study_report(
            folder,
            answer,
            [lines, section],
            lead=f"{len(data.frames)} frames, {len(chosen)} widths of {kind}, labels: "
            f"{data.provenance.engine} ({data.provenance.source or where}).",
            figures=[figure],
            warnings=[one for one in (data.provenance.warning,) if one],
            limits=_LIMITS,
            facts={"command": reporter.command, "versions": run_versions()},
        )
    return RecommendResult(folder, found, table, settings, answer, report)


def _neutral_sets(data: Dataset, where: str) -> dict[float, int]:
    """Width -> label set, of the electron number nearest to neutral."""
    there = data.electronic
    schemes = sorted({one.smearing.scheme for one in there})
    if len(schemes) > 1:
        raise InputError(
            f"{where} is labelled with {', '.join(schemes)}: widths of different schemes are not "
            "compared; keep the label sets of one scheme in a folder of their own"
        )
    shift = min((one.electrons_per_atom_shift for one in there), key=abs)
    return {
        one.smearing.width: k
        for k, one in enumerate(there)
        if one.electrons_per_atom_shift == shift
    }


def _limit(within: float | None, noise: Any) -> tuple[float, str]:
    if within is not None:
        return within / _MEV, f"{within:g} meV/Å as asked for"
    if noise is not None and noise.ev_per_angstrom > 0:
        value = float(noise.ev_per_angstrom)
        return value, f"the mesh noise of the labels, {_MEV * value:.2g} meV/Å"
    return FALLBACK_LIMIT, f"{_MEV * FALLBACK_LIMIT:g} meV/Å, for the mesh noise is not known"


def _errors(folder: Path) -> pd.DataFrame | None:
    """Force errors of a scan at its neutral settings, where the folder is a finished scan."""
    path = folder / "results.csv"
    if not path.is_file():
        return None
    try:
        table: pd.DataFrame = pd.read_csv(path)
        shift = table["electrons_per_atom_shift"]
        kept: pd.DataFrame = table[shift.abs() == shift.abs().min()]
        return kept.sort_values("sigma_ev")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read {path} ({error}): run the scan again") from error


def _table(found: Recommendation, errors: pd.DataFrame | None) -> pd.DataFrame:
    table = found.table.copy()
    for end in ("", "_low", "_high"):
        table[f"force_change_mev{end}"] = _MEV * table[f"force_change_ev_per_angstrom{end}"]
    table["within_word"] = ["yes" if one else "no" for one in table["within"]]
    if errors is not None:
        by_width = errors.set_index("sigma_ev")
        for end in ("", "low", "high"):
            own = f"force_percent_error{'_' * bool(end)}{end}"
            table[own] = [
                by_width[own if tier == ALL else tier_column(tier, end)].get(width, float("nan"))
                if (own if tier == ALL else tier_column(tier, end)) in by_width
                else float("nan")
                for tier, width in zip(table["tier"], table["sigma_ev"], strict=True)
            ]
    return table


def _gaps(data: Dataset, number: int) -> list[float]:
    """Gaps of the frames whose DOS at the smallest smearing is known and has one, eV."""
    parts = data.label_sets[number].dos_parts
    if parts is None:
        return []
    widths = [gap_width(parts[k]) for k in range(len(parts))]
    return [one for one in widths if one > 0]


def _answer(
    metal: str,
    scheme: str,
    found: Recommendation,
    limit_words: str,
    table: pd.DataFrame,
    gaps: list[float],
    data: Dataset,
) -> Answer:
    width = found.width
    rows = table[table["tier"] == ALL]
    widths = [float(one) for one in rows["sigma_ev"]]
    row, first = rows.iloc[widths.index(width)], rows.iloc[0]
    start, widest = widths[0], widths[-1]
    if width == start:
        after = widths[1]
        beyond = table[(table["sigma_ev"] == after) & ~table["within"]]
        # all frames where they are beyond it, else the tier that goes furthest
        there = beyond.sort_values("force_change_mev_high").iloc[-1]
        if ALL in set(beyond["tier"]):
            there = beyond[beyond["tier"] == ALL].iloc[0]
        frames = "" if there["tier"] == ALL else f"{there['tier']} frames of "
        over = there["force_change_ev_per_angstrom"] > found.limit
        sentence = (
            f"Keep σ = {width:g} eV ({scheme}): already at {after:g} eV the forces of {frames}"
            f"{metal} change by {there['force_change_mev']:.1f} meV/Å"
            f"{row_interval(there, 'force_change_mev')}, "
            f"{'' if over else 'which may be '}more than {limit_words}."
        )
    else:
        between = row_interval(row, "force_change_mev")
        more = "" if width < widest else ", the largest that was labelled"
        sentence = (
            f"Take σ = {width:g} eV ({scheme}){more}: the forces of {metal} stay within "
            f"{row['force_change_mev']:.1f} meV/Å{between} of those at {start:g} eV; limit: "
            f"{limit_words}."
        )
    findings = []
    if "force_percent_error" in table and width != start:
        findings.append(
            f"At equal data it buys a force error of {row['force_percent_error']:.1f} % "
            f"({row['force_percent_error_low']:.1f} to {row['force_percent_error_high']:.1f}) in "
            f"place of {first['force_percent_error']:.1f} % "
            f"({first['force_percent_error_low']:.1f} to {first['force_percent_error_high']:.1f})."
        )
    elif "force_percent_error" not in table:
        findings.append("What it buys in force error is not known: no force field was trained.")
    if len(found.widths) > 1:
        each = ", ".join(f"{name} {one:g}" for name, one in found.widths.items() if name != ALL)
        findings.append(f"Tier by tier the largest σ within the limit is, in eV: {each}.")
    if gaps:
        findings.append(
            f"{len(gaps)} of {len(data.frames)} frames have a gap ({min(gaps):.1f} to "
            f"{max(gaps):.1f} eV): there smearing only does harm; take Gaussian smearing (ISMEAR = "
            "0) of 0.05 eV for such frames."
        )
    noise = data.label_sets[0].noise
    known = "not known" if noise is None else f"{_MEV * noise.ev_per_angstrom:.2g} meV/Å"
    return Answer(
        question=f"{metal}: how much smearing may a training set have?",
        sentence=sentence,
        limits=(
            f"Labels: {data.provenance.engine}. Mesh noise at the smallest σ: {known}.",
            f"n = {len(data.frames)} frames; {len(rows)} widths from {start:g} to {widest:g} eV.",
        ),
        findings=tuple(findings[:4]),
        figure="recommended",
    )


def _line(text: str) -> str:
    return text.replace("\n", "; ")
