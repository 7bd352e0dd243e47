"""Results for a notebook, read from their folders when asked for."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.statistics.campaigns import campaign_table
from dosml.errors import InputError
from dosml.files import inside
from dosml.learners.registry import load_model
from dosml.records import read_record
from dosml.relabel.dataset import load as load_labels
from dosml.relabel.own_d import own_d
from dosml.studies.scan import LABEL_SETS, MODELS_FILE, ModelsRecord

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from dosml.relabel.dataset import Dataset
    from dosml.theory.dos import ElectronicDos


class Models(Mapping[str, "Calculator"]):
    """Trained force fields by label set, each an ase calculator that is loaded when asked for.

    Attributes
    ----------
    files
        File of each model.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = dict(files)

    def __getitem__(self, name: str) -> Calculator:
        """Load a model."""
        return load_model(self.files[name])

    def __iter__(self) -> Iterator[str]:
        """Names of the label sets."""
        return iter(self.files)

    def __len__(self) -> int:
        """Count the models."""
        return len(self.files)

    def __repr__(self) -> str:
        """Name the models."""
        return f"Models({', '.join(self.files)})"


class Scan:
    """A finished scan, read from its campaign folder when asked for.

    Attributes
    ----------
    folder
        The campaign.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "results.csv").is_file():
            raise InputError(
                f"{folder} holds no results.csv: it is not a finished scan; continue it with the "
                "call or command that began it"
            )

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per electronic setting; units are in the column names.

        Raises
        ------
        InputError
            If the file was changed or cut off since the scan ended.
        """
        found = campaign_table(self.folder, "results.csv")
        if found is None:
            raise InputError(f"{self.folder} holds no results.csv any more: run the scan again")
        return found

    @cached_property
    def dataset(self) -> Dataset:
        """Frames and labels."""
        return load_labels(self.folder / LABEL_SETS)

    @property
    def dos(self) -> dict[str, ElectronicDos | None]:
        """Mean density of states of each label set; None where the labels have none.

        Elements without a d shell have no d states.
        """
        data = self.dataset
        return {one.name: own_d(one.dos, data.elements) for one in data.label_sets}

    @property
    def models(self) -> Models:
        """Force field of each label set, of the learner that the report is about."""
        by_learner = self._models()
        return next(iter(by_learner.values()))

    def models_of(self, learner: str) -> Models:
        """Force fields of one of several learners.

        Raises
        ------
        InputError
            If the scan did not train it.
        """
        by_learner = self._models()
        if learner not in by_learner:
            raise InputError(f"{self.folder} has models of {', '.join(by_learner)}, not {learner}")
        return by_learner[learner]

    def _models(self) -> dict[str, Models]:
        record = read_record(self.folder / MODELS_FILE, ModelsRecord)
        return {
            learner: Models({name: inside(self.folder, file) for name, file in files.items()})
            for learner, files in record.root.items()
        }

    @property
    def figures(self) -> dict[str, Path]:
        """PNG file of each figure, by name."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}

    @property
    def report(self) -> Path:
        """The report, one self-contained file."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        """Name the folder."""
        return f"Scan({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Show the main columns and the force error in a notebook."""
        return _html(
            f"scan in {self.folder}",
            self.table[[name for name in _SHOWN if name in self.table]],
            next((path for name, path in self.figures.items() if name in _ERROR_FIGURES), None),
            self.report,
        )


#: The figure of the force error, in the scans that have one.
_ERROR_FIGURES = ("error_against_sigma", "error_against_electrons", "map")
_SHOWN = (
    "sigma_ev",
    "electrons_per_atom_shift",
    "force_percent_error",
    "force_percent_error_low",
    "force_percent_error_high",
    "force_mae_ev_per_angstrom",
    "force_mav_ev_per_angstrom",
    "d_band_center_ev",
    "n_d_fermi_bare_states_per_ev_atom",
)


def _html(title: str, table: pd.DataFrame, figure: Path | None, report: Path | None) -> str:
    parts = [
        f"<p><b>{html.escape(title)}</b></p>",
        table.to_html(index=False, float_format="{:.4g}".format),
    ]
    if figure is not None:
        data = base64.b64encode(figure.read_bytes()).decode()
        parts.append(f'<img alt="force error" width="480" src="data:image/png;base64,{data}">')
    if report is not None and report.is_file():
        parts.append(f'<p><a href="{html.escape(report.resolve().as_uri())}">report</a></p>')
    return "\n".join(parts)


@dataclass(frozen=True)
class Survey:
    """Scans of several metals and their joined report.

    Attributes
    ----------
    folder
        Of the survey.
    scans
        The finished scan of each metal.
    failures
        Why a metal has none.
    """

    folder: Path
    scans: Mapping[str, Scan]
    failures: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Rows of all scans, with the metal in front."""
        parts = [scan.table.assign(metal=metal) for metal, scan in self.scans.items()]
        joined = pd.concat(parts, ignore_index=True)
        return joined[["metal", *(name for name in joined.columns if name != "metal")]]

    @property
    def figures(self) -> dict[str, Path]:
        """PNG file of each figure, by name."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}

    @property
    def report(self) -> Path:
        """The joined report."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        """Show the force error of every metal in a notebook."""
        shown = self.table[["metal", *(name for name in _SHOWN if name in self.table)]]
        return _html(f"survey in {self.folder}", shown, None, self.report)


@dataclass(frozen=True)
class Trained:
    """Trainings on labels that are made.

    Attributes
    ----------
    folder
        Of the study.
    table
        One row per model: errors of the held-out frames, and costs.
    models
        The force fields, where they were kept.
    figures
        PNG file of each figure, by name.
    fits
        Fitted laws of a learning curve, or None.
    """

    folder: Path
    table: pd.DataFrame
    models: Models
    figures: Mapping[str, Path]
    fits: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        """Show errors in a notebook."""
        return _html(f"trainings in {self.folder}", self.table, None, None)
