"""Where a scan's frames come from: sampled by molecular dynamics, or the user's own file."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

import ase.io
import numpy as np

from dosml.errors import DosmlError, InputError
from dosml.files import whole_file
from dosml.records import CAMPAIGN, CampaignRecord, as_recorded, find_record, note_files
from dosml.relabel.elements import element
from dosml.relabel.frames import canonical, read_frames
from dosml.relabel.sampling import sample_frames
from dosml.relabel.store import content_hash
from dosml.relabel.structures import build_structure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.relabel.structures import CellRecipe
    from dosml.theory.setting import ElectronicSetting

#: Part of the name of kept frames: raised when the sampling would give other frames.
RECIPE = 1
#: Fewest frames on either side of a split that still give an error with an interval.
FEWEST = 2


@dataclass(frozen=True)
class FrameCounts:
    """What is known of the frames of a scan before there are any.

    Attributes
    ----------
    train, test
        Training and held-out frames.
    tiers
        Tiers among the held-out frames.
    first
        The first frame, or the crystal that the sampling starts from.
    """

    train: int
    test: int
    tiers: int
    first: Atoms


class FrameSource(Protocol):
    """Frames of a scan, each with `info["split"]` "train" or "test" and `info["tier"]`."""

    @property
    def subject(self) -> str:
        """What the campaign is of."""

    @property
    def words(self) -> str:
        """Where the frames come from, for people."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Elements in the frames."""

    def counts(self) -> FrameCounts:
        """Count the frames; nothing is sampled."""

    def get(self, folder: Path, reporter: Reporter) -> list[Atoms]:
        """Canonical frames; sampled ones are kept in the campaign folder."""


@dataclass(frozen=True)
class OwnFrames:
    """The user's file, shuffled with a seed, held-out frames first.

    Attributes
    ----------
    path
        Any file with periodic frames, of any elements.
    train, test
        Frames to take.
    exact
        Whether fewer frames than that are refused; else the split shrinks with the file.
    seed
        Of the shuffle.
    """

    path: Path
    train: int
    test: int
    exact: bool
    seed: int

    @property
    def subject(self) -> str:
        """The file's content.

        Raises
        ------
        FrameError
            If it is missing.
        """
        if not self.path.is_file():
            read_frames(self.path)  # raises with the reason
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]
        return f"{self.path.name} (sha256 {digest})"

    @property
    def words(self) -> str:
        """Where the frames come from."""
        return f"the user's file {self.path}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Elements in any of the frames."""
        return tuple(sorted({s for frame in self._frames for s in set(frame.symbols)}))

    @property
    def mixed(self) -> bool:
        """Whether a frame holds several elements."""
        return any(len(set(frame.symbols)) > 1 for frame in self._frames)

    def counts(self) -> FrameCounts:
        """Count the frames."""
        frames = self.read()
        held = [str(frame.info["tier"]) for frame in frames if frame.info["split"] == "test"]
        return FrameCounts(len(frames) - len(held), len(held), len(set(held)), frames[0])

    @cached_property
    def _frames(self) -> list[Atoms]:
        return read_frames(self.path)

    def get(self, folder: Path, reporter: Reporter) -> list[Atoms]:  # noqa: ARG002 - the protocol
        """Read and split them."""
        return self.read()

    def read(self) -> list[Atoms]:
        """Read and split the frames.

        Raises
        ------
        FrameError
            If the file cannot be used.
        InputError
            If it holds fewer frames than asked for.
        """
        frames = self._frames
        train, test = self.train, self.test
        if len(frames) < train + test:
            if self.exact or len(frames) < 2 * FEWEST:
                raise InputError(
                    f"{self.path} holds {len(frames)} frames, but --train {train} and --test "
                    f"{test} need {train + test}: give smaller numbers (each at least {FEWEST})"
                )
            test = max(FEWEST, len(frames) // 4)
            train = len(frames) - test
        order = np.random.default_rng(self.seed).permutation(len(frames))
        chosen: list[Atoms] = []
        for number, index in enumerate(order[: train + test]):
            frame = frames[index]
            frame.info["split"] = "test" if number < test else "train"
            frame.info.setdefault("tier", "all")
            chosen.append(frame)
        return chosen


@dataclass(frozen=True)
class SampledFrames:
    """Molecular dynamics at the temperature tiers, kept in the campaign folder.

    Attributes
    ----------
    symbol, prototype
        The metal, and a crystal other than its ground state.
    recipe
        Cells and tiers.
    train, test
        Frames, spread over the tiers.
    seed
        Of vacancy and velocities.
    engine, setting
        What drives the dynamics; None: the classical potential.
    """

    symbol: str
    prototype: str | None
    recipe: CellRecipe
    train: int
    test: int
    seed: int
    engine: Engine | None = None
    setting: ElectronicSetting | None = None

    @property
    def subject(self) -> str:
        """The element.

        Raises
        ------
        UnknownElementError
            If it is none of the metals.
        """
        return element(self.symbol).symbol

    @property
    def words(self) -> str:
        """Where the frames come from."""
        driver = "classical" if self.engine is None else self.engine.name
        return f"molecular dynamics with the {driver} potential"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The element."""
        return (self.symbol,)

    def counts(self) -> FrameCounts:
        """Count the frames.

        Raises
        ------
        InputError
            If the structure cannot be built.
        """
        start = build_structure(
            self.symbol,
            prototype=self.prototype,
            min_length=self.recipe.min_length,
            primitive=self.recipe.primitive,
            vacancy=self.recipe.vacancy,
        )
        held = tier_counts(self.test, self.recipe.tiers)
        return FrameCounts(self.train, self.test, sum(map(bool, held.values())), start)

    @property
    def name(self) -> str:
        """Hash of everything that decides the frames."""
        return content_hash(self._content())

    def get(self, folder: Path, reporter: Reporter) -> list[Atoms]:
        """Read the frames that were sampled before, or sample them.

        Raises
        ------
        DosmlError
            See `sample_frames`.
        """
        path = folder / "frames" / f"{self.name}.extxyz"
        record = find_record(folder / CAMPAIGN, CampaignRecord)
        kept = self._kept(path) if as_recorded(path, folder, record) else None
        if kept is not None:
            reporter.say(f"frames: {len(kept)} sampled before, read from {path}")
            return kept
        if path.exists():
            reporter.warn(f"{path} was changed or damaged: its frames are sampled anew")
        frames = self._sample(reporter)
        with whole_file(path) as temporary:
            ase.io.write(temporary, frames, format="extxyz")
        if record is not None:
            note_files(folder, [path])
        return frames

    def _kept(self, path: Path) -> list[Atoms] | None:
        """Read the frames that were sampled before; None where they are not all there."""
        try:
            frames = read_frames(path)
        except DosmlError:
            return None
        asked = Counter(
            (tier, role)
            for role, total in (("train", self.train), ("test", self.test))
            for tier, count in tier_counts(total, self.recipe.tiers).items()
            for _ in range(count)
        )
        found = Counter((str(f.info.get("tier")), str(f.info.get("split"))) for f in frames)
        elements = {symbol for frame in frames for symbol in frame.symbols}
        return frames if found == asked and elements == {self.subject} else None

    def _content(self) -> dict[str, object]:
        content: dict[str, object] = {
            "recipe": RECIPE,
            "symbol": self.symbol,
            "prototype": self.prototype,
            "min_length": self.recipe.min_length,
            "train": self.train,
            "test": self.test,
            "seed": self.seed,
            "sampler": "classical" if self.engine is None else "engine",
        }
        if self.recipe.primitive:
            content |= {"cell": "small"}
        if self.engine is not None and self.setting is not None:
            content |= {"engine": self.engine.fingerprint(), "setting": self.setting.as_dict()}
        return content

    def _sample(self, reporter: Reporter) -> list[Atoms]:
        recipe = self.recipe
        train = tier_counts(self.train, recipe.tiers)
        test = tier_counts(self.test, recipe.tiers)
        counts = {tier: train[tier] + test[tier] for tier in recipe.tiers}
        factory = None
        if self.engine is not None and self.setting is not None:
            factory = partial(self.engine.calculator, self.setting)
        with reporter.bar("sampling", sum(counts.values())) as update:
            sampled = sample_frames(
                self.symbol,
                n_frames_per_tier=counts,
                seed=self.seed,
                prototype=self.prototype,
                min_length=recipe.min_length,
                primitive=recipe.primitive,
                vacancy=recipe.vacancy,
                calculator_factory=factory,
                progress=lambda done, _total: update(done),
            )
        frames = [canonical(atoms) for atoms in sampled]
        for tier in recipe.tiers:
            of_tier = [frame for frame in frames if frame.info["tier"] == tier]
            # as in TM23: the last frames of a trajectory are held out, away in time from training
            for number, frame in enumerate(of_tier):
                frame.info["split"] = "train" if number < train[tier] else "test"
        return frames


def tier_counts(total: int, tiers: Sequence[str]) -> dict[str, int]:
    """Spread a number of frames evenly over the tiers, the colder ones first."""
    return {
        name: total // len(tiers) + (index < total % len(tiers)) for index, name in enumerate(tiers)
    }
