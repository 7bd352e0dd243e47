"""What a body-order expansion is of: from words on the command line to sources and clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.campaign import RECORD
from dosml.errors import EngineError, InputError, about
from dosml.files import file_hash, inside
from dosml.learners.registry import load_model
from dosml.limits import WIDEST_SMEARING
from dosml.records import CampaignRecord, read_record
from dosml.relabel.ase_factory import PREFIX
from dosml.relabel.clusters import boxed, environment, in_vacuum, is_isolated
from dosml.relabel.dataset import REFERENCE, load, reference_dataset, reference_metals
from dosml.relabel.engines.registry import engine_entry, engine_names, make_engine
from dosml.relabel.frame_files import iter_file
from dosml.relabel.frames import TRAINING, canonical, check_frames
from dosml.relabel.hydrogen import DENSITIES, density_words, hydrogen_dataset
from dosml.studies.body_order_energies import EnergySource
from dosml.studies.labels import subject_names
from dosml.studies.scan import LABEL_SETS, MODELS_FILE, ModelsRecord
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ase import Atoms

    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine

#: eV, where an engine is asked for without --sigma.
DEFAULT_WIDTHS = (0.2,)
#: The clusters of hydrogen that ship, as frames.
HYDROGEN = "hydrogen"
_UNKNOWN_STATE = (
    "Fragments are neutral where the setting adds no electrons; which spin state is taken is the "
    "engine's own."
)


@dataclass(frozen=True)
class Subject:
    """Frames that clusters are taken from.

    Attributes
    ----------
    name
        Such as "Ti".
    frames
        Canonical.
    """

    name: str
    frames: tuple[Atoms, ...]

    @property
    def symbols(self) -> set[str]:
        """Elements."""
        return {symbol for frame in self.frames for symbol in set(frame.symbols)}


@dataclass(frozen=True)
class Cluster:
    """One cluster in its box.

    Attributes
    ----------
    subject
        Name of the subject.
    number
        Which of its size.
    atoms
        Canonical.
    parent
        The frame that it was cut from; the cluster itself where it was none.
    """

    subject: str
    number: int
    atoms: Atoms
    parent: Atoms


def is_scan(target: str) -> bool:
    """Whether a target is the folder of a scan."""
    return (Path(target) / RECORD).is_file() and (Path(target) / LABEL_SETS).is_dir()


def subjects_of_target(target: str, frames: str | None, metals: Collection[str]) -> list[Subject]:
    """Find the frames: those that are named, else those of the scan that a target belongs to.

    Parameters
    ----------
    target
        A scan's folder, the file of a model, or an engine.
    frames
        A file of frames, "reference" or "hydrogen"; None: of the scan.
    metals
        Subjects to take; none: all.

    Raises
    ------
    InputError
        If there are no such frames.
    DosmlError
        If they cannot be read.
    """
    if frames is None:
        place = _campaign_of(target)
        if place is None:
            raise InputError(
                f"{target} brings no frames: name some with --frames, a file, {REFERENCE} (the "
                f"metals that ship) or {HYDROGEN} (the clusters that ship)"
            )
        found = _subjects_of(load(place / LABEL_SETS))
    elif frames == REFERENCE:
        wanted = [one for one in reference_metals() if not metals or one in metals]
        found = [Subject(one, _held_out(reference_dataset(one))) for one in wanted]
    elif frames == HYDROGEN:
        found = [Subject(density_words(one), _held_out(hydrogen_dataset(one))) for one in DENSITIES]
    else:
        path = Path(frames)
        given = [canonical(boxed(atoms)) for atoms in iter_file(path)]
        check_frames(given, path, TRAINING)
        names = ["-".join(sorted(set(frame.symbols))) for frame in given]
        found = [
            Subject(name, tuple(f for f, own in zip(given, names, strict=True) if own == name))
            for name in dict.fromkeys(names)
        ]
    kept = [one for one in found if not metals or one.name in metals]
    if not kept:
        raise InputError(
            f"--metals {','.join(metals)}: the frames are of "
            f"{', '.join(one.name for one in found) or ', '.join(reference_metals())}"
        )
    return kept


def _subjects_of(data: Dataset) -> list[Subject]:
    names = subject_names(data)
    frames = _held_out(data)
    held = [names[n] for n in data.test] if data.roles and data.test else list(names)
    return [
        Subject(name, tuple(f for f, own in zip(frames, held, strict=True) if own == name))
        for name in dict.fromkeys(held)
    ]


def _held_out(data: Dataset) -> tuple[Atoms, ...]:
    """Frames that no force field of the labels was trained on; all where nobody split them."""
    return tuple(data.frames[n] for n in data.test) if data.roles and data.test else data.frames


def _campaign_of(target: str) -> Path | None:
    """Folder of the scan that a target is, or that a model lies in."""
    path = Path(target)
    for folder in (path, *path.resolve().parents[:3]):
        if is_scan(str(folder)):
            return folder
    return None


def draw_clusters_of(
    subject: Subject,
    chosen: Sequence[int],
    sizes: Sequence[int],
    count: int,
    vacuum: float,
    seed: int,
) -> list[Cluster]:
    """Take clusters of a subject: whole frames that stand alone, environments of all others.

    Parameters
    ----------
    subject
        Frames.
    chosen
        Numbers of atoms of frames that stand alone; none: all.
    sizes
        Numbers of atoms of environments.
    count
        Clusters of each size at most; each environment is of another frame while there are any.
    vacuum
        Å between images.
    seed
        Of the draws.

    Raises
    ------
    InputError
        If no frame that stands alone has such a size, or a frame has too few atoms.
    """
    rng = np.random.default_rng(seed)
    alone = [frame for frame in subject.frames if is_isolated(frame)]
    if len(alone) == len(subject.frames):
        there = sorted({len(frame) for frame in alone if len(frame) > 1})
        wanted = [size for size in there if not chosen or size in chosen]
        if not there:
            raise InputError(
                f"{subject.name}: the frames are single atoms, which have no body orders: give "
                "clusters of two atoms and more"
            )
        if not wanted:
            raise InputError(
                f"{subject.name}: the frames are clusters of {', '.join(map(str, there))} atoms, "
                f"none has {', '.join(map(str, chosen))}: give one of those as --size"
            )
        return [
            Cluster(subject.name, number, canonical(in_vacuum(frame, vacuum)), frame)
            for size in wanted
            for number, frame in enumerate([one for one in alone if len(one) == size][:count])
        ]
    order = rng.permutation(len(subject.frames))
    found = []
    for number in range(count):
        frame = subject.frames[int(order[number % len(order)])]
        atom = int(rng.integers(len(frame)))
        # the same atoms in the middle for every size: a smaller cluster is part of a larger one
        for size in sizes:
            with about(subject.name):
                cut = in_vacuum(environment(frame, atom, size), vacuum)
            found.append(Cluster(subject.name, number, canonical(cut), frame))
    return found


def sources_of_target(
    target: str,
    subject: Subject,
    *,
    widths: Sequence[float] | None,
    shifts: Sequence[float],
    scheme: str | None,
    options: Mapping[str, Any],
    device: str | None,
) -> list[EnergySource]:
    """Find what gives energies: an engine, a model, or engine and models of a scan.

    Parameters
    ----------
    target
        A scan's folder, the file of a model, an engine or `ase:MODULE:FUNCTION`.
    subject
        What it will be asked for: some engines are of one metal.
    widths, shifts, scheme
        Settings of an engine; of a scan None and none: its own.
    options
        Of the engine.
    device
        Where models run.

    Raises
    ------
    InputError
        If the target is none of them.
    EngineError
        If the engine cannot do a setting.
    LearnerError
        If a file is no saved model.
    """
    path = Path(target)
    if path.is_file():
        load_model(path, device)  # what is none is refused before there is a folder
        label_set = path.name.removesuffix(path.suffix)
        return [model_source(path, path.parent.name, label_set, device)]
    if is_scan(target):
        return _scan_sources(path, subject, options, device)
    if target not in engine_names() and not target.startswith(PREFIX):
        raise InputError(
            f"{target} is no file, no folder of a scan and no engine: name a saved model "
            f"(models/.../sigma_0.2.npz in a campaign), the folder of a scan, or one of "
            f"{', '.join(engine_names())}"
        )
    engine = vacuum_engine(target, options, subject.symbols)
    name = scheme or engine.default_scheme
    try:
        settings = tuple(
            ElectronicSetting(Smearing(name, width), shift)
            for shift in sorted(shifts)
            for width in sorted(widths or DEFAULT_WIDTHS)
        )
    except ValueError as error:
        raise InputError(f"--sigma, --electrons or --scheme {name}: {error}") from error
    if any(one.smearing.width > WIDEST_SMEARING for one in settings):
        raise InputError(f"--sigma: widths end at {WIDEST_SMEARING:g} eV")
    return [engine_source(engine, settings)]


def vacuum_engine(name: str, options: Mapping[str, Any], symbols: Collection[str]) -> Engine:
    """Make an engine for clusters in vacuum: one k-point, where it has any."""
    own = dict(options)
    if "kpoints" in engine_entry(name).options.model_fields:
        own.setdefault("kpoints", (1, 1, 1))
    return make_engine(name, own, symbols)


def engine_source(engine: Engine, settings: Sequence[ElectronicSetting]) -> EnergySource:
    """Give an engine at some settings as a source.

    Raises
    ------
    EngineError
        If it cannot do a setting.
    """
    for one in settings:
        engine.check(one)
    return EnergySource(
        name=engine.name,
        key=engine.fingerprint(),
        columns=tuple(one.name for one in settings),
        engine=engine,
        settings=tuple(settings),
        warning=engine.warning,
        reference=engine_entry(engine.name).fragments or _UNKNOWN_STATE,
    )


def model_source(path: Path, name: str, label_set: str, device: str | None) -> EnergySource:
    """Give a saved model as a source.

    Parameters
    ----------
    path
        Its file.
    name, label_set
        In tables: its learner, and what it was trained on.
    device
        Where it runs; None: where it was trained.
    """
    return EnergySource(
        name=name,
        key={"model": file_hash(path)},
        columns=(label_set,),
        model=path.resolve(),
        device=device,
        reference="A model knows no electrons: fragments are what it makes of them.",
    )


def _scan_sources(
    folder: Path, subject: Subject, options: Mapping[str, Any], device: str | None
) -> list[EnergySource]:
    data = load(folder / LABEL_SETS)
    run = read_record(folder / RECORD, CampaignRecord).run
    name = data.provenance.engine
    sources = []
    if name in engine_names() or name.startswith(PREFIX):
        fields = engine_entry(name).options.model_fields
        kept = {**(run.get("engine_options") or {}).get(name, {})}
        if run.get("preset") is not None and "preset" in fields:
            kept["preset"] = run["preset"]
        kept.pop("kpoints", None)  # those of the periodic frames
        engine = vacuum_engine(name, {**kept, **options}, subject.symbols)
        settings = [one for one in data.electronic if one is not None]
        if settings:
            sources.append(engine_source(engine, settings))
    if (folder / MODELS_FILE).is_file():
        record = read_record(folder / MODELS_FILE, ModelsRecord).root
        for learner, files in record.items():
            by_set = {one: inside(folder, file) for one, file in files.items()}
            for label_set, file in by_set.items():
                source = model_source(file, learner, label_set, device)
                setting = next(
                    (one.setting for one in data.label_sets if one.name == label_set), None
                )
                sources.append(source if setting is None else replace(source, of=setting))
    if not sources:
        raise EngineError(
            f"{folder}: its labels are of {name}, which is no engine here, and it holds no models: "
            "train some on it, or name an engine with --frames"
        )
    return sources
