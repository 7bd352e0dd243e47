"""From the settings of a scan to what it will do: decided once, printed or executed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import InputError, about
from dosml.learners.base import KeepsTrainings
from dosml.paths import check_output
from dosml.relabel.elements import element
from dosml.relabel.engines.registry import default_engine, engine_options, make_engine
from dosml.relabel.store import LabelStore
from dosml.relabel.structures import CELLS
from dosml.studies.frames import FrameCounts, OwnFrames, SampledFrames
from dosml.studies.labels import labels_of, split_labels
from dosml.studies.scan_settings import ElectronScanSettings, MapSettings
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.learners.base import Learner
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine
    from dosml.studies.frames import FrameSource
    from dosml.studies.scan_settings import ScanSettings

#: Fewer settings leave nothing to compare.
FEWEST_SETTINGS = 2
#: Settings that decide frames and labels, which labels that are made bring along.
_MADE = ("engine", "preset", "kpoints", "sampler", "prototype", "cell", "min_length")


@dataclass(frozen=True)
class Labelling:
    """Labels that the scan makes.

    Attributes
    ----------
    engine
        What makes them.
    choice
        Why it is this engine, as words that go on after its name; empty where it was named.
    frames
        What they are made of.
    also
        Settings that are labelled along with those of the scan, for another campaign: an engine
        that has the levels of a frame fills them once more for next to nothing.
    shared
        Campaign folder whose frames and labels are used in place of the scan's own.
    """

    engine: Engine
    choice: str
    frames: FrameSource
    also: tuple[ElectronicSetting, ...] = ()
    shared: Path | None = None

    def place(self, folder: Path) -> Path:
        """Campaign folder that holds frames and labels, given that of the scan."""
        return self.shared or folder

    def store(self, folder: Path) -> LabelStore:
        """Where the labels lie, given the campaign folder of the scan."""
        return LabelStore(self.place(folder) / "labels", self.engine.fingerprint())


@dataclass(frozen=True)
class ScanPlan:
    """Everything that a scan will do.

    Attributes
    ----------
    settings
        What was asked for.
    folder
        The campaign folder.
    subject
        What the campaign is of.
    electronic
        Electronic settings: fewest electrons first, then the narrowest smearing.
    learners
        Force fields to train, the first of which the report is about.
    source
        Labels to make, or labels that are made, with roles.
    dos_engine
        Gives labels that are made a DOS, or None.
    counts
        Of the frames.
    """

    settings: ScanSettings
    folder: Path
    subject: str
    electronic: tuple[ElectronicSetting, ...]
    learners: tuple[Learner, ...]
    source: Labelling | Dataset
    dos_engine: Engine | None
    counts: FrameCounts

    def lines(self) -> list[str]:
        """Say what a run would do, with counts and an estimate; nothing is written."""
        n_train, n_test, n_atoms = self.counts.train, self.counts.test, len(self.counts.first)
        n_frames = n_train + n_test
        n_labels = n_frames * len(self.electronic)
        widths = sorted({one.smearing.width for one in self.electronic})
        shifts = sorted({one.electrons_per_atom_shift for one in self.electronic})
        varied = f"{self.electronic[0].smearing.scheme} sigma {_listed(widths)} eV"
        if any(shifts):
            varied += f" x {_listed(shifts, '+g')} electrons per atom"
        lines = {
            "subject": self.subject,
            "frames": f"{n_frames} of {n_atoms} atoms ({n_train} training, {n_test} held out), "
            f"seed {self.settings.seed}",
            "settings": f"{len(self.electronic)}: {varied}",
            **self._engine_line(),
            "labels": f"{n_labels} {self._labels_words()}",
            "learner": f"{','.join(one.name for one in self.learners)}, {len(self.electronic)} "
            f"force fields{' each' * (len(self.learners) > 1)}",
            "estimate": self.estimate,
        }
        return [
            f"{name:<10}{text}"
            for name, text in [*lines.items(), *(("", one) for one in self.long_trainings())]
        ]

    def _labels_words(self) -> str:
        if not isinstance(self.source, Labelling):
            return f"made by {self.source.provenance.engine}: {self.source.provenance.source}"
        return (
            f"with the engine {self.source.engine.name}, {self._on_disk} on disk in "
            f"{self.folder}{self._noise_words()}"
        )

    def _engine_line(self) -> dict[str, str]:
        if not isinstance(self.source, Labelling) or not self.source.choice:
            return {}
        return {"engine": f"{self.source.engine.name}, {self.source.choice}"}

    def _noise_words(self) -> str:
        count = self.counts.tiers * len(self.electronic)
        words = f"; {count} more on the next denser k-grid, one frame a tier (label noise)"
        return words if self._denser is not None else ""

    @cached_property
    def _denser(self) -> Engine | None:
        """Engine that tells the label noise of the first frame."""
        assert isinstance(self.source, Labelling)
        return self.source.engine.denser(self.counts.first)

    @cached_property
    def _on_disk(self) -> int:
        """Count the labels that were made."""
        assert isinstance(self.source, Labelling)
        return self._made_with(self.source.engine, self.counts.train + self.counts.test)

    def _made_with(self, engine: Engine, n_frames: int) -> int:
        """Count sound labels of an engine on disk, those of so many frames at most."""
        assert isinstance(self.source, Labelling)
        store = LabelStore(self.source.store(self.folder).folder, engine.fingerprint())
        return sum(min(n_frames, store.count(one)) for one in self.electronic)

    @property
    def estimate(self) -> str:
        """How long the labels will take, in words."""
        n_frames, n_atoms = self.counts.train + self.counts.test, len(self.counts.first)
        if not isinstance(self.source, Labelling):
            return "no labels to compute"
        todo = n_frames * len(self.electronic) - self._on_disk
        workers = min(self.settings.workers, n_frames)
        seconds = todo * self.source.engine.seconds_per_label(n_atoms) / workers
        if (denser := self._denser) is not None:
            count = self.counts.tiers * len(self.electronic)
            more = count - self._made_with(denser, self.counts.tiers)
            seconds += more * denser.seconds_per_label(n_atoms) / workers
        if math.isnan(seconds):
            return f"{todo} labels, of a calculator whose speed is not known"
        if seconds <= 1:
            return "no labels to compute"
        return (
            f"{seconds / 60:.1f} min of labelling on {workers} processes, from the speed of a "
            "server core of 2026; the progress bar measures yours"
        )

    def long_trainings(self) -> list[str]:
        """Say which of the learners train for long, one line each."""
        return long_trainings(self.learners, len(self.electronic))

    def record(self) -> dict[str, object]:
        """Spell out what was decided, for the record of the campaign.

        So campaigns compare by what was done, not by what was typed.
        """
        record: dict[str, object] = self.settings.model_dump(mode="json")
        record["scheme"] = self.electronic[0].smearing.scheme
        if not isinstance(self.source, Labelling):
            record["engine"] = self.source.provenance.engine
            record["train"], record["test"] = self.counts.train, self.counts.test
            return record
        engine, frames = self.source.engine, self.source.frames
        record["engine"] = engine.name
        record["kpoints"] = engine.fingerprint().get("kpoints", "Gamma")
        if isinstance(frames, SampledFrames):
            record["cell"] = self.settings.cell or engine.default_cell
            record["crystal"] = self.settings.prototype or element(frames.symbol).prototype
            record["valence_electrons"] = element(frames.symbol).valence_electrons
            record["min_length"] = frames.recipe.min_length
        return record


def long_trainings(learners: Sequence[Learner], n_models: int) -> list[str]:
    """Say before a study starts which of its learners train for long, one line each."""
    return [
        f"{learner.name} trains for long: {learner.effort(n_models)}"
        for learner in learners
        if isinstance(learner, KeepsTrainings)
    ]


def resolve(settings: ScanSettings) -> ScanPlan:
    """Decide everything that a scan will do; nothing is computed and nothing is written.

    Raises
    ------
    DosmlError
        If an option, the frames, the labels, an engine or a learner cannot be used.
    """
    check_output(settings.folder)
    learners = tuple(settings.make_learners())
    if settings.labels is not None:
        return _with_labels(settings, learners)
    own = _own_frames(settings) if settings.target_is_file else None
    symbols = (settings.target,) if own is None else own.symbols
    default = default_engine(symbols, mixed=own is not None and own.mixed)
    name = settings.engine or default.name
    shared = {"preset": settings.preset, "kpoints": settings.kpoints}
    options = engine_options(name, shared, settings.engine_options.get(name, {}))
    with about(settings.target if own else name):
        engine = make_engine(name, options, symbols)
    scheme = settings.scheme or engine.default_scheme
    electronic = _electronic(settings, scheme)
    for setting in electronic:
        engine.check(setting)
    frames = own or _sampled_frames(settings, engine, scheme)
    return ScanPlan(
        settings,
        settings.folder,
        frames.subject,
        electronic,
        learners,
        Labelling(engine, "" if settings.engine else default.reason, frames),
        None,
        frames.counts(),
    )


def _electronic(settings: ScanSettings, scheme: str) -> tuple[ElectronicSetting, ...]:
    try:
        return tuple(
            ElectronicSetting(Smearing(scheme, width), shift)
            for shift in sorted(settings.shifts)
            for width in sorted(settings.sigma)
        )
    except ValueError as error:
        raise InputError(f"--scheme {scheme}: {error}") from error


def _own_frames(settings: ScanSettings) -> OwnFrames:
    exact = bool({"train", "test"} & settings.model_fields_set)
    return OwnFrames(Path(settings.target), settings.train, settings.test, exact, settings.seed)


def _sampled_frames(settings: ScanSettings, engine: Engine, scheme: str) -> FrameSource:
    recipe = CELLS[settings.cell or engine.default_cell]
    drives = settings.sampler == "engine"
    return SampledFrames(
        settings.target,
        settings.prototype,
        replace(recipe, min_length=settings.min_length or recipe.min_length),
        settings.train,
        settings.test,
        settings.seed,
        engine if drives else None,
        # the physical setting: the neutral cell at the narrowest smearing
        ElectronicSetting(Smearing(scheme, min(settings.sigma))) if drives else None,
    )


def _with_labels(settings: ScanSettings, learners: tuple[Learner, ...]) -> ScanPlan:
    assert settings.labels is not None
    if given := settings.model_fields_set & set(_MADE):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given))
        raise InputError(f"{names} cannot be chosen with --labels: frames and labels are made")
    data = labels_of(settings.labels, settings.target, scheme=settings.scheme)
    data = data.take(label_sets=_chosen(settings, data))
    exact = {
        name: getattr(settings, name) for name in settings.model_fields_set & {"train", "test"}
    }
    data, _ = split_labels(data, seed=settings.seed, **exact)
    dos_engine = None
    if settings.dos_engine is not None:
        options = engine_options(
            settings.dos_engine, {}, settings.engine_options.get(settings.dos_engine, {})
        )
        dos_engine = make_engine(settings.dos_engine, options, data.elements)
        for setting in data.electronic:
            dos_engine.check(setting)
    return ScanPlan(
        settings,
        settings.folder,
        f"labels of {settings.target} (sha256 {data.content()})",
        data.electronic,
        learners,
        data,
        dos_engine,
        FrameCounts(
            len(data.train),
            len(data.test),
            len({data.tiers[n] for n in data.test}),
            data.frames[0],
        ),
    )


def _chosen(settings: ScanSettings, data: Dataset) -> list[int]:
    """Label sets that the scan compares: what was asked for, else what this kind of scan varies.

    Raises
    ------
    InputError
        If labels are missing, or too few settings are left to compare.
    """
    there, given = data.electronic, settings.model_fields_set
    schemes = sorted({one.smearing.scheme for one in there})
    if settings.scheme is not None and settings.scheme not in schemes:
        raise InputError(
            f"--scheme {settings.scheme}: the labels of {settings.labels} are made with "
            f"{', '.join(schemes)}"
        )
    if settings.scheme is None and len(schemes) > 1:
        raise InputError(
            f"the labels of {settings.labels} are made with {', '.join(schemes)}: widths of "
            "different schemes are not compared; choose one with --scheme"
        )
    widths = settings.sigma if "sigma" in given else None
    shifts: tuple[float, ...] | None = (0.0,)
    if isinstance(settings, (ElectronScanSettings, MapSettings)):
        named = "electrons" in given or getattr(settings, "as_element", None) is not None
        shifts = settings.shifts if named else None
        if isinstance(settings, ElectronScanSettings) and widths is None:
            widths = (_one_width(there, shifts),)
    chosen = [
        k
        for k, one in enumerate(there)
        if (widths is None or _among(one.smearing.width, widths))
        and (shifts is None or _among(one.electrons_per_atom_shift, shifts))
        and one.smearing.scheme == (settings.scheme or schemes[0])
    ]
    asked = len(widths or ()) * len(shifts or ()) if widths and shifts else 0
    if len(chosen) < max(FEWEST_SETTINGS, asked):
        names = ", ".join(data.names)
        raise InputError(
            f"dosml {settings.command} finds {len(chosen)} of the label sets that it needs in "
            f"{settings.labels}, which holds {names}: choose among them with --sigma and "
            "--electrons; smear-scan compares widths of neutral cells, nelect-scan electron "
            "numbers at one width, map both"
        )
    return sorted(
        chosen, key=lambda k: (there[k].electrons_per_atom_shift, there[k].smearing.width)
    )


def _one_width(there: Sequence[ElectronicSetting], shifts: tuple[float, ...] | None) -> float:
    """Narrowest width at which there are several electron numbers (those asked for)."""
    by_width: dict[float, int] = {}
    for one in there:
        if shifts is None or _among(one.electrons_per_atom_shift, shifts):
            by_width[one.smearing.width] = by_width.get(one.smearing.width, 0) + 1
    several = [width for width, count in by_width.items() if count >= FEWEST_SETTINGS]
    return min(several or by_width or [there[0].smearing.width])


def _among(value: float, values: Sequence[float]) -> bool:
    return any(math.isclose(value, one, rel_tol=1e-9, abs_tol=1e-9) for one in values)


def _listed(values: Sequence[float], form: str = "g") -> str:
    return ", ".join(f"{one:{form}}" if one else "0" for one in values)
