"""What the angular need of several metals says, in words and on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.measures.column import Column, interval_words
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.exploratory import LEVEL
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.report.verdict import WEAK
from dosml.analysis.statistics.angular_need import BEYOND, EXCESS, LOWEST, NEED, RULE
from dosml.analysis.statistics.label_noise import FACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord

_CHI = "states²/eV/atom²"
_COLUMNS = (
    Column("metal", "metal", "", "Chemical symbol."),
    Column("kind", "labels of", "", "The engine, or the pair potential nearest to them."),
    Column("setting", "setting", "", "Electronic setting."),
    Column("angular_need", "angular need", "", RULE, 0),
    Column("percent_error_l0", "error, l = 0", "%", "Force error at the smallest l_max.", 1),
    Column("percent_error_need", "error at need", "%", "Force error at the angular need.", 1),
    Column("percent_error_lowest", "lowest error", "%", "Of all l_max tried.", 1),
    Column("fall", "fall", "", "Error at the smallest l_max over the lowest one.", 1),
    Column(
        "fall_beyond_l1", "fall beyond l = 1", "", "Error at l_max = 1 over the lowest beyond.", 2
    ),
    Column("label_noise_percent", "label noise", "%", "What a denser k-grid changes.", 2),
    Column("pairs_explain_percent", "pairs hold", "%", "Of the squared force.", 1),
    Column("chi_0_states2_per_ev_atom2", "chi_0", _CHI, "Response index at l = 0.", 2),
    Column("chi_2_states2_per_ev_atom2", "chi_2", _CHI, "Response index at l = 2.", 2),
    Column("chi_4_states2_per_ev_atom2", "chi_4", _CHI, "Response index at l = 4.", 2),
)
_ACROSS = (
    Column("setting", "setting", "", "Electronic setting."),
    Column("quantity", "quantity", "", "Against unsmeared chi_4; logarithms but of the need."),
    Column("n", "metals", "", "With both numbers.", 0),
    Column("pearson", "r", "", "Pearson correlation.", 2),
    Column("pearson_low", "from", "", "Lower end of its 95 % interval over metals.", 2),
    Column("pearson_high", "to", "", "Upper end of it.", 2),
    Column("pearson_p", "p", "", "Two-sided, by permutation; not corrected for many tests.", 4),
    Column("spearman", "Spearman", "", "Correlation of ranks.", 2),
)
#: More metals than these are grouped instead of listed one by one.
_MOST_LISTED = 6


def across_sentence(across: pd.DataFrame) -> str | None:
    """Answer for the smallest σ whether what angles are worth goes with the d response.

    Parameters
    ----------
    across
        From `dosml.analysis.statistics.angular_need.against_response`.

    Returns
    -------
    str or None
        None where there are too few metals.
    """
    if not len(across):
        return None
    first = across["setting"].iloc[0]
    here = across[across["setting"] == first].set_index("quantity")
    asked = EXCESS if EXCESS in here.index else BEYOND
    if asked not in here.index:
        return None
    row = here.loc[asked]
    what = "what l beyond 1 is worth"
    what += " above a pair potential on the same frames" if asked == EXCESS else ""
    if row["pearson_p"] < LEVEL:
        word = "Yes" if row["pearson"] > 0 else "The other way round"
    else:
        word = "No" if row["pearson_high"] < WEAK else "Undecided"
    text = (
        f"{word}: over {row['n']:.0f} metals at {first}, {what} correlates with unsmeared chi_4 "
        f"by {_r(row)}"
    )
    if NEED in here.index:
        text += f"; the l at which the error stops falling by {_r(here.loc[NEED])}"
    if LOWEST in here.index:
        text += f"; the error itself by {_r(here.loc[LOWEST])}"
    return text + "."


def _r(row: pd.Series) -> str:
    interval = interval_words(row["pearson_low"], row["pearson_high"], "+.2f")
    return f"r = {row['pearson']:+.2f}{interval}, p = {row['pearson_p']:.2g}"


def need_sentences(needs: pd.DataFrame) -> list[str]:
    """Say for every setting which metals need which l, labels beside their control.

    Parameters
    ----------
    needs
        One row per metal, kind and setting, in the order of settings.
    """
    sentences = []
    for setting, there in needs.groupby("setting", sort=False):
        parts = _grouped(there) if there["metal"].nunique() > _MOST_LISTED else _listed(there)
        sentences.append(f"At {setting} the force error stops falling at: {'; '.join(parts)}.")
        sentences += _beyond(str(setting), there)
    by = needs.pivot_table(index=["metal", "kind"], columns="setting", values="angular_need")
    own = by[by.index.get_level_values("kind") == "labels"]
    settings = list(dict.fromkeys(needs["setting"]))
    if len(settings) > 1:
        first, last = settings[0], settings[-1]
        own = own.dropna(subset=[first, last])
        fell = int((own[last] < own[first]).sum())
        rose = int((own[last] > own[first]).sum())
        sentences.append(
            f"From {first} to {last} the angular need falls in {fell} of {len(own)} metals and "
            f"rises in {rose}."
        )
    return sentences


def _listed(there: pd.DataFrame) -> list[str]:
    """Metal by metal, the control beside it."""
    parts = []
    own = there[there["kind"] == "labels"]
    control = there[there["kind"] == "pairs"].set_index("metal")["angular_need"]
    for _, row in own.iterrows():
        text = f"{row['metal']} l = {row['angular_need']}"
        text += " or more" if row["still_falls"] else ""
        if row["metal"] in control.index:
            text += f" (pair potential on the same frames: {control[row['metal']]})"
        parts.append(text)
    return parts


def _grouped(there: pd.DataFrame) -> list[str]:
    """All metals of one need together, and how many pair potentials have it."""
    own, control = (there[there["kind"] == kind] for kind in ("labels", "pairs"))
    parts = []
    for need, those in sorted(own.groupby("angular_need")):
        text = f"l = {need}" + (" or more" if those["still_falls"].any() else "")
        text += f" {', '.join(those['metal'])}"
        if len(control):
            same = int((control["angular_need"] == need).sum())
            text += f" ({len(those)}; {same} of the pair potentials on the same frames)"
        parts.append(text)
    return parts


def _beyond(setting: str, there: pd.DataFrame) -> list[str]:
    """Say what l beyond 1 is worth, labels beside their control, and which errors may be noise."""
    own = there[there["kind"] == "labels"].dropna(subset=["fall_beyond_l1"])
    control = there[there["kind"] == "pairs"].set_index("metal")["fall_beyond_l1"]
    sentences = []
    if len(own) > _MOST_LISTED:
        falls = own.set_index("metal")["fall_beyond_l1"]
        text = f"Beyond l = 1 the force error at {setting} falls by a factor of {_range(falls)}"
        if len(control):
            both = falls.index.intersection(control.index)
            more = int((falls[both] > control[both]).sum())
            text += (
                f"; that of the pair potentials on the same frames by {_range(control)}. It falls "
                f"by more than its pair potential's in {more} of {len(both)} metals"
            )
        sentences.append(text + ".")
    elif len(own):
        parts = []
        for _, row in own.iterrows():
            text = f"{row['metal']} {row['fall_beyond_l1']:.1f}"
            if row["metal"] in control.index:
                text += f" (pair potential {control[row['metal']]:.1f})"
            parts.append(text)
        sentences.append(
            f"Beyond l = 1 the force error at {setting} falls by a factor of {', '.join(parts)}"
            + (": what exceeds the pair potential's is not geometry." if len(control) else ".")
        )
    if "label_noise_percent" in own:
        near = own[own["percent_error_lowest"] < FACTOR * own["label_noise_percent"]]
        if len(near):
            sentences.append(
                f"The lowest error of {', '.join(near['metal'])} at {setting} is less than "
                f"{FACTOR:g} times the label noise: where it stops falling may be where the noise "
                "of the k-points begins."
            )
    return sentences


def _range(values: pd.Series) -> str:
    ordered = values.sort_values()
    ends = [f"{value:.1f} ({metal})" for metal, value in ordered.iloc[[0, -1]].items()]
    return f"{' to '.join(ends)}, {values.median():.1f} in the median"


def write_need_report(
    folder: Path,
    needs: pd.DataFrame,
    across: pd.DataFrame,
    figures: Sequence[FigureRecord],
    *,
    learner: str,
    warnings: Sequence[str],
    limits: Sequence[str],
    facts: Mapping[str, object],
) -> Path:
    """Write the report of the angular need.

    Parameters
    ----------
    folder
        Of the study.
    needs
        One row per metal, kind and setting.
    across
        From `dosml.analysis.statistics.angular_need.against_response`; may be empty.
    figures
        Drawn beside it.
    learner
        Which force field.
    warnings, limits, facts
        Of the labels and the run.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    section = new_section("Error against l_max", "angular-need")
    section["text"] = [
        (
            f"The learner {learner} was trained on the same frames and label sets with every "
            "l_max and tested on the same held-out frames."
        ),
        RULE,
    ]
    if (needs["kind"] == "pairs").any():
        section["text"].append(
            "The control: labels of the pair potential that fits the forces best, on the same "
            "frames. What it needs beyond l = 0 is the geometry's."
        )
    over_all = across_sentence(across)
    headline, *rest = [*([over_all] if over_all else []), *need_sentences(needs)]
    section["findings"] = rest[4:]
    shown = [c for c in _COLUMNS if c.name in needs.columns and needs[c.name].notna().any()]
    section["table"] = sortable_table(needs, shown)
    sections = [section]
    if len(across):
        sections.append(_across_section(across))
    metals = ", ".join(dict.fromkeys(needs["metal"]))
    noise = needs.get("label_noise_percent", pd.Series(dtype=float))
    known = "not known" if noise.isna().all() else f"{noise.max():.2g} % of the forces at most"
    answer = Answer(
        question=(
            "Does the angular need of the forces go with the d response?"
            if over_all
            else "How much angular resolution do the forces need?"
        ),
        sentence=headline,
        limits=(
            (
                f"One learner ({learner}), one draw of the training frames, one seed. Mesh noise "
                f"of the labels: {known}."
            ),
            (
                "The rule looks at errors, not at their intervals: steps of a tenth of the error "
                "or less mean nothing."
            ),
        ),
        findings=tuple(rest[:4]),
        figure=figures[0].png.stem,
    )
    return write_study_report(
        folder,
        answer,
        sections,
        lead=f"{metals}. Force error on held-out frames, 100 MAE/MAV, against the largest angular "
        f"momentum of the learner {learner}.",
        figures=figures,
        warnings=list(dict.fromkeys(line for line in warnings if line)),
        limits=[
            "With more training frames higher l can pay that do not here.",
            *dict.fromkeys(limits),
        ],
        facts=facts,
    )


def _across_section(across: pd.DataFrame) -> dict[str, Any]:
    section = new_section("Across metals", "across-metals")
    section["text"] = [
        (
            "What the angular need and the errors of the metals have to do with unsmeared chi_4, "
            "the response of the d band at l = 4. The first row of a setting answers the question "
            "at the top; the others are looked at beside it, uncorrected for their number."
        )
    ]
    section["table"] = sortable_table(across, _ACROSS)
    return section
