"""`dosml evaluate`: how well a force field that exists does on label sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.parity import PARITY_FIGURE, parity_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.measures.column import row_interval
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.frame_section import NAMED, group_section, worst_section
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.frame_errors import frame_errors, species_rows
from dosml.analysis.statistics.results import HeldOut, error_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign
from dosml.errors import InputError, LearnerError
from dosml.files import whole_file
from dosml.learners.ase_calculator import make_calculator
from dosml.learners.offsets import composition
from dosml.learners.registry import load_model
from dosml.relabel.ase_factory import PREFIX, AseFactory, evaluate
from dosml.settings import default_folder
from dosml.studies.force_source import short_name
from dosml.studies.labels import labels_of, subjects_of
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset, LabelSet

_MEV = 1000.0
#: File with the worst frames, their labels and predictions.
WORST = "worst.extxyz"
_LIMITS = (
    (
        "The intervals hold the scatter of these frames only: frames of one molecular dynamics "
        "run resemble each other, so the true ones may be wider."
    ),
    (
        "Labels carry an error of their own (mesh, functional): an error near the label noise is "
        "not the force field's."
    ),
)
#: The same of a calculator that was not trained on such labels.
_OFFSET_WORDS = (
    "One energy per element is fitted to these labels (programs differ by constants): energies "
    "test differences between frames only. Forces and stresses are as the calculator gives them."
)


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation leaves behind: its folder, errors by label set and tier, the answer."""

    folder: Path
    table: pd.DataFrame
    answer: Answer
    report: Path


def evaluate_model(
    where: str,
    model: str,
    reporter: Reporter,
    *,
    metal: str | None = None,
    scheme: str | None = None,
    frames: str | None = None,
    device: str | None = None,
    out: Path | None = None,
) -> EvaluateResult:
    """Score a force field on label sets, and write tables, figure, worst frames and report.

    Parameters
    ----------
    where
        A campaign, label sets, or "reference".
    model
        File of a saved model, or `ase:MODULE:FUNCTION`.
    metal
        Which of several metals.
    scheme
        Smearing scheme of label sets that do not say it.
    frames
        "all" or "test"; None: the held-out ones where the labels mark a split and the model is a
        file, for it may be trained on the others; else all.
    device
        Where a saved model runs.
    out
        Folder; None: dosml-evaluate-METAL-MODEL.

    Raises
    ------
    DosmlError
        If labels or model cannot be used.
    """
    subjects = subjects_of(where, scheme)
    if metal is None and len(subjects) > 1:
        raise InputError(f"{where} holds {', '.join(subjects)}: name one with --metal")
    metal = metal or subjects[0]
    foreign = model.startswith(PREFIX)
    data, which = _chosen(labels_of(where, metal, scheme=scheme), frames, foreign=foreign)
    calculator = make_calculator(AseFactory.named(model)) if foreign else load_model(model, device)
    name = short_name(model)
    stem = str(Path(name).with_suffix("") if Path(model).is_file() else name).replace("/", "-")
    folder = out or default_folder("evaluate", f"{metal}-{stem}", None)
    with Campaign(folder, f"{model} on labels of {metal} from {where}"):
        reporter.say(f"folder: {folder}")
        reporter.say(f"{model} on {len(data.frames)} frames of {metal} ({which})")
        held = _predicted(model, data, calculator, foreign=foreign, reporter=reporter)
        symbols = [list(frame.symbols) for frame in data.frames]
        rows = [
            {"label_set": name, **row}
            for name, one in held.items()
            for row in error_rows(one, data.tiers)
        ]
        species = [
            {"label_set": name, **row}
            for name, one in held.items()
            for row in species_rows(one, symbols, data.tiers)
        ]
        table = pd.DataFrame(rows)
        write_tables(table, folder, "errors")
        write_tables(pd.DataFrame(species), folder, "errors_by_element")
        first_name, first = next(iter(held.items()))
        by_frame = frame_errors(first, symbols, data.frame_ids, data.tiers)
        write_tables(by_frame.drop(columns="number"), folder, "frames")
        write_worst(folder / WORST, by_frame, data.frames, first)
        key, title, caption = PARITY_FIGURE
        with house_style():
            figure = save_figure(
                parity_figure(first, data.tiers),
                folder / "figures",
                key,
                title=title,
                caption=f"{caption} Label set {first_name}.",
            )
        answer = _answer(metal, name, data, which, table, species, foreign=foreign)
        sections = [group_section("Errors by tier", "tiers", rows)]
        if len(data.elements) > 1:
            sections.append(group_section("Errors by element", "elements", species))
        sections.append(worst_section(by_frame, file=WORST))
        report = write_study_report(
            folder,
            answer,
            sections,
            lead=f"{model} on {len(data.frames)} frames ({which}), label sets "
            f"{', '.join(data.names)}; labels: {data.provenance.engine}.",
            figures=[figure],
            warnings=[one for one in (data.provenance.warning,) if one],
            limits=[*_LIMITS, *([_OFFSET_WORDS] if foreign else [])],
            facts={"command": reporter.command, "versions": run_versions()},
        )
    return EvaluateResult(folder, table, answer, report)


def _chosen(data: Dataset, frames: str | None, *, foreign: bool) -> tuple[Dataset, str]:
    """Frames to score, and what they are."""
    if frames not in {None, "all", "test"}:
        raise InputError(f"--frames {frames}: give all or test")
    if frames == "test" and not data.test:
        raise InputError("--frames test: these labels mark no held-out frames; leave it out")
    if frames == "test" or (frames is None and data.test and not foreign):
        return data.take(data.test), "held out"
    return data, "all of them"


def _predicted(
    model: str, data: Dataset, calculator: Calculator, *, foreign: bool, reporter: Reporter
) -> dict[str, HeldOut]:
    """Labels of every set beside the predictions, each frame computed once."""
    found = []
    with reporter.bar("predicting", len(data.frames)) as update:
        for number, frame in enumerate(data.frames):
            try:
                found.append(evaluate(frame, calculator))
            except Exception as error:
                raise LearnerError(
                    f"{model} fails on frame {data.frame_ids[number]} "
                    f"({frame.get_chemical_formula()}): {type(error).__name__}: {error}"
                ) from error
            update(number + 1)
    energies = np.array([one.energy for one in found])
    stresses = [one.stress for one in found if one.stress is not None]
    both = data.stress and len(stresses) == len(found)

    def beside(labels: LabelSet) -> HeldOut:
        told = energies + (_offsets(data, labels.energies - energies) if foreign else 0.0)
        return HeldOut(
            forces=labels.forces,
            forces_predicted=[one.forces for one in found],
            energies=labels.energies,
            energies_predicted=told,
            stresses=labels.stresses if both else None,
            stresses_predicted=np.array(stresses) if both else None,
        )

    return {labels.name: beside(labels) for labels in data.label_sets}


def _offsets(data: Dataset, missing: np.ndarray) -> np.ndarray:
    """Give the energy of the elements of every frame, fitted per atom, eV."""
    counts = composition(data.frames, data.elements)
    sizes = np.array([len(frame) for frame in data.frames])
    best = np.linalg.lstsq(counts / sizes[:, None], missing / sizes, rcond=None)[0]
    return np.asarray(counts @ best)


def write_worst(path: Path, by_frame: pd.DataFrame, frames: Sequence[Atoms], held: HeldOut) -> None:
    """Write the frames with the largest force error, with labels and predictions.

    Parameters
    ----------
    path
        An extxyz file, written whole or not at all.
    by_frame
        From `frame_errors`.
    frames, held
        What it was made of.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    from ase.io import write

    kept = []
    for row in by_frame.head(NAMED).to_dict("records"):
        number = int(row["number"])
        atoms = frames[number].copy()
        atoms.calc = None
        atoms.info.update(
            REF_energy=float(held.energies[number]),
            predicted_energy=float(held.energies_predicted[number]),
            force_mae=float(row["force_mae_ev_per_angstrom"]),
            tier=str(row["tier"]),
            frame=str(row["frame"]),
        )
        labelled, told = held.forces[number], held.forces_predicted[number]
        atoms.arrays["REF_forces"] = np.asarray(labelled)
        atoms.arrays["predicted_forces"] = np.asarray(told)
        atoms.arrays["force_error"] = np.linalg.norm(
            np.asarray(told) - np.asarray(labelled), axis=1
        )
        kept.append(atoms)
    with whole_file(path) as partial:
        write(partial, kept, format="extxyz")


def _answer(
    metal: str,
    model: str,
    data: Dataset,
    which: str,
    table: pd.DataFrame,
    species: list[dict[str, Any]],
    *,
    foreign: bool,
) -> Answer:
    every = table[table["tier"] == "all"]
    row = every.iloc[0]
    between = row_interval(row, "force_percent_error")
    at = f" (label set {row['label_set']})" if len(every) > 1 else ""
    sentence = (
        f"{model} errs on the forces of {metal} by {row['force_percent_error']:.1f} %{between} of "
        f"the mean force, {_MEV * row['force_mae_ev_per_angstrom']:.0f} of "
        f"{_MEV * row['force_mav_ev_per_angstrom']:.0f} meV/Å{at}."
    )
    findings = []
    if len(every) > 1:
        each = ", ".join(
            f"{one['label_set']} {one['force_percent_error']:.1f} %" for _, one in every.iterrows()
        )
        findings.append(f"Label set by label set: {each}.")
    mine = table[(table["label_set"] == row["label_set"]) & (table["tier"] != "all")]
    if len(mine):
        order = mine.sort_values("force_percent_error")
        hard, easy = order.iloc[-1], order.iloc[0]
        findings.append(
            f"Hardest: {hard['tier']} frames, {hard['force_percent_error']:.1f} %; easiest: "
            f"{easy['tier']} frames, {easy['force_percent_error']:.1f} %."
        )
    here = [one for one in species if one["label_set"] == row["label_set"]]
    if len(here) > 1:
        each = ", ".join(f"{one['element']} {one['force_percent_error']:.1f} %" for one in here)
        findings.append(f"Element by element: {each}.")
    words = " after one energy per element is fitted" if foreign else ""
    findings.append(
        f"Energies err by {_MEV * row['energy_mae_ev_per_atom']:.1f} meV/atom (MAE){words}."
    )
    noise = data.label_sets[0].noise
    known = "not known" if noise is None else f"{noise.percent:.2g} % of the forces"
    return Answer(
        question=f"{metal}: how hard is it for {model}?",
        sentence=sentence,
        limits=(
            f"Labels: {data.provenance.engine}. Their mesh noise: {known}.",
            f"n = {len(data.frames)} frames, {which}; the interval holds their scatter only.",
        ),
        findings=tuple(findings[:4]),
        figure=PARITY_FIGURE[0],
    )
