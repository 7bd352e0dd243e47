"""What the angular need of several metals says, in words and on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.measures.column import Column
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.angular_need import RULE
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


def need_sentences(needs: pd.DataFrame) -> list[str]:
    """Say for every setting which metals need which l, labels beside their control.

    Parameters
    ----------
    needs
        One row per metal, kind and setting, in the order of settings.
    """
    sentences = []
    for setting, there in needs.groupby("setting", sort=False):
        parts = []
        own = there[there["kind"] == "labels"]
        control = there[there["kind"] == "pairs"].set_index("metal")["angular_need"]
        for _, row in own.iterrows():
            text = f"{row['metal']} l = {row['angular_need']}"
            text += " or more" if row["still_falls"] else ""
            if row["metal"] in control.index:
                text += f" (pair potential on the same frames: {control[row['metal']]})"
            parts.append(text)
        sentences.append(f"At {setting} the force error stops falling at: {'; '.join(parts)}.")
        sentences += _beyond(str(setting), there)
    by = needs.pivot_table(index=["metal", "kind"], columns="setting", values="angular_need")
    own = by[by.index.get_level_values("kind") == "labels"]
    settings = list(dict.fromkeys(needs["setting"]))
    if len(settings) > 1:
        first, last = settings[0], settings[-1]
        fell = int((own[last] < own[first]).sum())
        rose = int((own[last] > own[first]).sum())
        sentences.append(
            f"From {first} to {last} the angular need falls in {fell} of {len(own)} metals and "
            f"rises in {rose}."
        )
    return sentences


def _beyond(setting: str, there: pd.DataFrame) -> list[str]:
    """Say what l beyond 1 is worth, labels beside their control, and which errors may be noise."""
    own = there[there["kind"] == "labels"].dropna(subset=["fall_beyond_l1"])
    control = there[there["kind"] == "pairs"].set_index("metal")["fall_beyond_l1"]
    sentences = []
    if len(own):
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


def write_need_report(
    folder: Path,
    needs: pd.DataFrame,
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
    headline, *rest = need_sentences(needs)
    section["findings"] = rest[4:]
    shown = [c for c in _COLUMNS if c.name in needs.columns and needs[c.name].notna().any()]
    section["table"] = sortable_table(needs, shown)
    metals = ", ".join(dict.fromkeys(needs["metal"]))
    noise = needs.get("label_noise_percent", pd.Series(dtype=float))
    known = "not known" if noise.isna().all() else f"{noise.max():.2g} % of the forces at most"
    answer = Answer(
        question="How much angular resolution do the forces need?",
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
        [section],
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
