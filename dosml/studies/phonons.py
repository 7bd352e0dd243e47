"""Phonons of a crystal with a saved force field or an engine; forces are kept and read again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.phonons import phonon_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.phonons import (
    PhononBands,
    check_displacements,
    check_installed,
    phonon_bands,
    phonon_sentences,
    phonon_table,
)
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import check_free
from dosml.errors import EngineError, InputError, about
from dosml.files import whole_file
from dosml.relabel.execution.lock import RECORD as RUN
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.frames import frame_id
from dosml.relabel.store import content_hash
from dosml.studies.force_source import ForceSource, ForceSpec, force_source, read_structure
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.analysis.figures.style import FigureRecord
    from dosml.progress import Reporter
    from dosml.relabel.execution.runner import Runner
    from dosml.relabel.execution.settings import RunSettings

#: Of a supercell, whose force constants are a matrix of three times as many rows.
MOST_ATOMS = 3000
#: eV/Å^3 in GPa.
_GPA = 160.21766208


@dataclass(frozen=True)
class ForceTask:
    """Forces on one supercell, to be kept in a file."""

    spec: ForceSpec
    atoms: Atoms
    path: Path


def run_phonons(
    structure: str,
    sources: list[ForceSource],
    out: Path,
    reporter: Reporter,
    *,
    min_length: float,
    displacement: float,
    points: int,
    run: RunSettings,
    workers: int,
) -> list[str]:
    """Compute, write and describe the phonons of a crystal.

    Parameters
    ----------
    structure
        As `read_structure` takes it.
    sources
        One or two; the second is what the first is compared with.
    out
        Folder for `phonons.csv`, `phonons.parquet`, `phonons.png`, `phonons.pdf`, `phonons.txt`
        and the forces of every supercell, which are not computed twice.
    reporter
        Where lines go.
    min_length
        Shortest supercell vector, Å.
    displacement
        Length of the displacements, Å.
    points
        Points on the path.
    run, workers
        Where forces are computed; on this machine one supercell after the other in this process.

    Returns
    -------
    list of str
        What was found, in words.

    Raises
    ------
    InputError
        If a number is out of range, or the folder cannot be written or is somebody else's and holds
        files that would be replaced, or phonopy is not installed.
    EngineError
        If forces cannot be computed.
    """
    check_displacements(displacement, points)
    if not 0 < min_length < math.inf:
        raise InputError(f"--min-length must be a positive length in Å, got {min_length}")
    crystal = read_structure(structure)
    repeats = [max(1, math.ceil(min_length / length - 1e-9)) for length in crystal.cell.lengths()]
    n_atoms = len(crystal) * math.prod(repeats)
    if n_atoms > MOST_ATOMS:
        raise InputError(
            f"--min-length {min_length:g} makes a supercell of {n_atoms} atoms of {structure}, at "
            f"most {MOST_ATOMS} are meant: phonons of a metal need 10 to 20 Å"
        )
    check_installed()
    reporter.say(
        f"phonons of {structure}: supercell {' x '.join(map(str, repeats))} of {len(crystal)} "
        f"atoms, {n_atoms} in all"
    )
    bands: dict[str, PhononBands] = {}
    lines = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / RUN).exists():
            check_free(out)
    except OSError as error:
        raise InputError(
            f"cannot write into {out} ({error.strerror}): give another --out"
        ) from error
    with open_runner(run, out, workers=workers, say=reporter.say) as runner:
        for source in sources:
            bands[source.name] = phonon_bands(
                crystal,
                repeats,
                partial(_all_forces, source, out / "forces", runner, reporter),
                displacement=displacement,
                points=points,
            )
            lines += [_pressure(source, crystal, repeats)] if _has_stress(source) else []
    lines = [*phonon_sentences(bands), *lines, *(s.warning for s in sources if s.warning)]
    lines.append(
        "The lattice is the one given (experimental constants for a named crystal), not relaxed "
        "with the calculator."
    )
    write_tables(phonon_table(bands), out, "phonons")
    with house_style():
        record = save_figure(
            phonon_figure(bands, structure),
            out,
            "phonons",
            title=f"Phonons of {structure}",
            caption="Bands along the standard path of the crystal, and the density of states over "
            "the whole zone; imaginary frequencies lie below zero.",
        )
    stable = next(iter(bands.values())).stable
    _report(out, structure, sources, lines, record, reporter, stable=stable)
    with whole_file(out / "phonons.txt") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def _report(
    out: Path,
    structure: str,
    sources: Sequence[ForceSource],
    lines: Sequence[str],
    record: FigureRecord,
    reporter: Reporter,
    *,
    stable: bool,
) -> None:
    warned = [one.warning for one in sources if one.warning]
    said = [line for line in lines if line not in warned]
    names = " and ".join(one.name for one in sources)
    answer = Answer(
        question=f"Phonons of {structure} by {sources[0].name}: is the crystal stable?",
        sentence=said[0],
        limits=(f"Forces: {names}; frozen displacements in one supercell.", said[-1]),
        findings=tuple(said[1:-1][:4]),
        figure=record.png.stem,
        word="Yes" if stable else "No",
    )
    write_study_report(
        out,
        answer,
        [],
        lead=f"{structure}, forces from {names}.",
        figures=[record],
        warnings=warned,
        limits=[
            "Harmonic: nothing here knows temperature, thermal expansion or anharmonicity.",
            (
                "Modes between the points of the path and of the mesh are interpolated from one "
                "supercell: long waves that do not fit into it are not computed."
            ),
        ],
        facts={"command": reporter.command, "versions": run_versions()},
    )


def _all_forces(
    source: ForceSource, folder: Path, runner: Runner, reporter: Reporter, cells: list[Atoms]
) -> list[NDArray[np.float64]]:
    """Read the forces on every supercell from the folder, after computing what is not there."""
    paths = [
        folder.resolve() / f"{content_hash({**source.key, 'frame': frame_id(atoms)})}.npy"
        for atoms in cells
    ]
    tasks = [
        ForceTask(source.spec, atoms, path)
        for atoms, path in zip(cells, paths, strict=True)
        if _read_forces(path, len(atoms)) is None
    ]
    done = len(cells) - len(tasks)
    with reporter.bar("forces", len(cells)) as update:
        update(done)
        made = _computed_here(source, tasks) if runner.local else runner.run(compute_forces, tasks)
        for number, _ in enumerate(made, done + 1):
            update(number)
    found = [_read_forces(path, len(atoms)) for atoms, path in zip(cells, paths, strict=True)]
    kept = [one for one in found if one is not None]
    if len(kept) < len(cells):
        raise EngineError(
            f"forces that were written to {folder} cannot be read: is the disk sound?"
        )
    return kept


def _computed_here(
    source: ForceSource, tasks: Sequence[ForceTask]
) -> Iterator[tuple[ForceTask, None]]:
    for task in tasks:
        _compute(source, task)
        yield task, None


def compute_forces(task: ForceTask) -> None:
    """Compute the forces of one task in any process, and keep them."""
    _compute(_cached_source(task.spec), task)


@cache
def _cached_source(spec: ForceSpec) -> ForceSource:
    return force_source(spec.text, sigma=spec.sigma, scheme=spec.scheme, device=spec.device)


def _compute(source: ForceSource, task: ForceTask) -> None:
    from ase.calculators.calculator import CalculationFailed

    atoms = task.atoms.copy()
    atoms.calc = source.calculator
    try:
        with about(source.name):
            computed = np.asarray(atoms.get_forces(), dtype=float)
    except (CalculationFailed, RuntimeError) as error:
        raise EngineError(f"{source.name} gives no forces: {error}") from error
    if computed.shape != (len(atoms), 3) or not np.isfinite(computed).all():
        raise EngineError(
            f"{source.name} gives forces of shape {computed.shape} that are not {len(atoms)} x 3 "
            "finite numbers: the model is damaged, or the crystal is far from what it was made for"
        )
    with whole_file(task.path) as partial_path:
        np.save(partial_path, computed, allow_pickle=False)


def _read_forces(path: Path, n_atoms: int) -> NDArray[np.float64] | None:
    """Read the forces in a file; None where there are none, or none that can be used."""
    try:
        forces = np.asarray(np.load(path, allow_pickle=False), dtype=float)
    except (ValueError, EOFError, OSError):
        return None
    return forces if forces.shape == (n_atoms, 3) and np.isfinite(forces).all() else None


def _has_stress(source: ForceSource) -> bool:
    return "stress" in source.calculator.implemented_properties


def _pressure(source: ForceSource, crystal: Atoms, repeats: list[int]) -> str:
    """Pressure on the crystal: how far the lattice is from the calculator's own."""
    atoms = crystal.repeat(repeats)
    atoms.calc = source.calculator
    pressure = -float(np.mean(atoms.get_stress()[:3])) * _GPA
    return f"{source.name}: pressure {pressure:+.1f} GPa on the undisplaced crystal."
