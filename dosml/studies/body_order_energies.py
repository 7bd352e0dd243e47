"""Energies and forces of all parts of clusters, each computed once and kept.

```
FOLDER/<source>-<hash>/<hash of cluster>-<number>.npz   a batch of parts at one setting
```
The hash names everything that a number depends on. A batch is there only if it can be read and is
of the parts that are asked for; what is missing is made. A run that is killed loses what its
workers were at.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import measure_all
from dosml.analysis.statistics.electron_axis import chi_four
from dosml.errors import DamagedFileError, DosmlError
from dosml.files import read_npz, whole_file
from dosml.learners.registry import load_model
from dosml.relabel.ase_factory import evaluate
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label, check_label
from dosml.relabel.own_d import own_d
from dosml.relabel.store import content_hash
from dosml.theory.body_order import members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine, LabelFailure
    from dosml.relabel.execution.runner import Runner
    from dosml.theory.setting import ElectronicSetting

#: Parts that one task computes: a worker starts a program for them, and a kill loses at most these.
BATCH = 32


@dataclass(frozen=True)
class EnergySource:
    """What gives energies: an engine at some settings, or a saved model.

    Attributes
    ----------
    name
        For people and tables: of an engine or a learner.
    key
        Everything besides setting and frame that its numbers depend on.
    columns
        Names of its settings; of a model the one of its label set.
    engine, settings
        Of an engine; None and nothing for a model.
    model, device
        File of a saved model, and where it runs.
    of
        Setting of the labels that a model was trained on, where it is known.
    warning
        What a reader must know.
    reference
        What is taken for a fragment: its state and charge.
    """

    name: str
    key: Mapping[str, Any]
    columns: tuple[str, ...]
    engine: Engine | None = None
    settings: tuple[ElectronicSetting, ...] = ()
    model: Path | None = None
    device: str | None = None
    of: ElectronicSetting | None = None
    warning: str = ""
    reference: str = ""

    def setting_of(self, column: str) -> ElectronicSetting | None:
        """Give the setting of a column; None where nobody says."""
        if self.engine is None:
            return self.of
        return self.settings[self.columns.index(column)]

    def folders(self, root: Path) -> list[Path]:
        """Folder of the batches of each column."""
        asked = self.settings or (None,)
        return [
            root / f"{self.name.replace(':', '-')}-"
            f"{content_hash({**self.key, **({} if one is None else one.as_dict())})}"
            for one in asked
        ]


@dataclass(frozen=True)
class Part:
    """Energy and forces of one part, or why there are none.

    Attributes
    ----------
    energy
        eV; NaN where the part has none.
    forces
        On all atoms of the cluster, zero on those that are not in the part, shape (n_atoms, 3).
    reason
        Empty where it has an energy.
    chi_4
        Of the d-DOS of a whole cluster, (states/atom)^2/eV; NaN for other parts and without a DOS.
    """

    energy: float
    forces: NDArray[np.float64]
    reason: str = ""
    chi_4: float = math.nan


@dataclass(frozen=True)
class BatchTask:
    """Some parts of one cluster, with one file for each setting that is missing."""

    source: EnergySource
    cluster: Atoms
    parts: tuple[int, ...]
    files: tuple[Path | None, ...]

    def __str__(self) -> str:
        """Name of the task in messages."""
        return f"{self.source.name}, {len(self.parts)} parts of {frame_id(self.cluster)}"


def part_energies(
    source: EnergySource,
    clusters: Sequence[Atoms],
    parts: Sequence[Sequence[int]],
    folder: Path,
    *,
    runner: Runner,
    reporter: Reporter,
) -> list[list[dict[int, Part]]]:
    """Compute, or read, the parts of clusters.

    Parameters
    ----------
    source
        What computes them.
    clusters
        In their boxes (`dosml.relabel.clusters.in_vacuum`), canonical.
    parts
        Of each cluster, as `dosml.theory.body_order` numbers them.
    folder
        Where batches are kept.
    runner, reporter
        Where tasks run, and who is told.

    Returns
    -------
    list
        For every column of the source a list of one dictionary a cluster.

    Raises
    ------
    DosmlError
        If the disk is full, or a model cannot be loaded. A part that has no energy is no error.
    """
    places = [place.resolve() for place in source.folders(folder)]
    tasks, total = [], 0
    batches: list[tuple[int, tuple[int, ...], list[Path]]] = []
    for number, (cluster, wanted) in enumerate(zip(clusters, parts, strict=True)):
        for start in range(0, len(wanted), BATCH):
            some = tuple(wanted[start : start + BATCH])
            # parts may need more than 64 bits, so their hash is that of their text
            name = content_hash({"cluster": frame_id(cluster), "parts": " ".join(map(str, some))})
            files = [place / f"{name}.npz" for place in places]
            batches.append((number, some, files))
            total += len(some)
            lacking = [path if _read(path, some, len(cluster)) is None else None for path in files]
            if any(path is not None for path in lacking):
                tasks.append(BatchTask(source, cluster, some, tuple(lacking)))
    done = total - sum(len(task.parts) for task in tasks)
    with reporter.bar(source.name[:12], total) as update:
        update(done)
        for task in _run(tasks, runner):
            done += len(task.parts)
            update(done)
    found: list[list[dict[int, Part]]] = [[{} for _ in clusters] for _ in places]
    for number, some, files in batches:
        for column, path in enumerate(files):
            read = _read(path, some, len(clusters[number]))
            if read is None:
                raise DamagedFileError(
                    f"{path} cannot be read though it was just written: is the disk sound? Run "
                    "the same command again"
                )
            found[column][number].update(zip(some, read, strict=True))
    return found


def _run(tasks: Sequence[BatchTask], runner: Runner) -> Iterator[BatchTask]:
    """Do all tasks; in this process where there would be one worker."""
    if runner.local and runner.slots == 1:
        for task in tasks:
            run_batch(task)
            yield task
        return
    for task, _ in runner.run(run_batch, tasks):
        yield task


def run_batch(task: BatchTask) -> None:
    """Compute the parts of a task in any process, and keep them."""
    n_columns, n_atoms = len(task.files), len(task.cluster)
    rows: list[list[Part]] = [[] for _ in range(n_columns)]
    for part in task.parts:
        atoms = list(members(part))
        said = _evaluate(task.source, task.cluster[atoms], whole=len(atoms) == n_atoms)
        for column, one in enumerate(said):
            padded = np.zeros((n_atoms, 3))
            if not one.reason:
                padded[atoms] = one.forces
            rows[column].append(replace(one, forces=padded))
    for path, some in zip(task.files, rows, strict=True):
        if path is not None:
            with whole_file(path) as partial:
                np.savez_compressed(
                    partial,
                    allow_pickle=False,
                    energies=np.array([one.energy for one in some]),
                    forces=np.array([one.forces for one in some]),
                    chi_4=np.array([one.chi_4 for one in some]),
                    facts=np.array(
                        json.dumps(
                            {
                                "parts": list(map(str, task.parts)),
                                "reasons": [one.reason for one in some],
                            }
                        )
                    ),
                )


def _evaluate(source: EnergySource, frame: Atoms, *, whole: bool) -> list[Part]:
    """Compute one part, with forces on its own atoms, at every setting of the source."""
    if source.engine is None:
        assert source.model is not None
        return [_by_calculator(frame, _model(source.model, source.device))]
    with tempfile.TemporaryDirectory(prefix="dosml-parts-") as folder:
        made = dict(source.engine.label_ladder(frame, source.settings, (), Path(folder)))
    return [_of_label(made[one], one, frame, whole=whole) for one in source.settings]


def _of_label(
    outcome: Label | LabelFailure, setting: ElectronicSetting, frame: Atoms, *, whole: bool
) -> Part:
    if not isinstance(outcome, Label):
        return _without(outcome.reason)
    try:
        check_label(outcome, len(frame))
    except ValueError as error:
        return _without(f"the engine gave no label: {error}")
    chi_4 = math.nan
    if whole and outcome.dos is not None:
        dos = own_d(outcome.dos, set(frame.symbols))
        read = measure_all(dos, setting.smearing, DosWindows(), skip_unresolved=True)
        chi_4 = chi_four(read)
    return Part(outcome.free_energy, outcome.forces, chi_4=chi_4)


def _by_calculator(frame: Atoms, calculator: Calculator) -> Part:
    from ase.calculators.calculator import CalculationFailed

    try:
        found = evaluate(frame, calculator)
    except (CalculationFailed, DosmlError, RuntimeError, ValueError) as error:
        return _without(" ".join(str(error).split()) or type(error).__name__)
    return Part(found.energy, found.forces)


def _without(reason: str) -> Part:
    return Part(math.nan, np.empty((0, 3)), reason)


@lru_cache(maxsize=1)
def _model(path: Path, device: str | None) -> Calculator:
    """Load a model once in every process; the one before makes room."""
    return load_model(path, device)


def _read(path: Path, parts: Sequence[int], n_atoms: int) -> list[Part] | None:
    """Read a batch; None where it is missing, damaged or of other parts."""
    try:
        arrays = read_npz(path)
        facts = json.loads(str(arrays["facts"]))
        energies, forces, reasons = arrays["energies"], arrays["forces"], facts["reasons"]
        if facts["parts"] != list(map(str, parts)) or len(reasons) != len(parts):
            return None
        if energies.shape != (len(parts),) or forces.shape != (len(parts), n_atoms, 3):
            return None
        if arrays["chi_4"].shape != (len(parts),):
            return None
        whole = np.isfinite(energies) & np.isfinite(forces).all(axis=(1, 2))
        if not all(fine != bool(reason) for fine, reason in zip(whole, reasons, strict=True)):
            return None
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError):
        return None
    columns = (map(float, energies), forces, map(str, reasons), map(float, arrays["chi_4"]))
    return [Part(*one) for one in zip(*columns, strict=True)]
