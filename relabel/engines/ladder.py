"""A ladder: one frame labelled at many settings, each from the converged state of its neighbour."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from dosml.relabel.engines.base import LabelFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from dosml.relabel.label import Label
    from dosml.theory.setting import ElectronicSetting


class LadderCalculation(Protocol):
    """Calculation of one frame that goes from setting to setting."""

    @property
    def suffix(self) -> str:
        """Suffix of the files that `keep` writes."""

    def label(self, setting: ElectronicSetting, previous: Path | None) -> Label | LabelFailure:
        """Label the frame from the neighbour's state, kept in `previous` if there is one.

        A file that is damaged counts as none.
        """

    def keep(self, path: Path) -> None:
        """Write the state of the last label; an `OSError` says that it cannot be kept."""


def ladder_order(settings: Iterable[ElectronicSetting]) -> list[ElectronicSetting]:
    """Order in which each setting is a neighbour of the one before it.

    The widest smearing, which converges easily, comes first; the electron number goes up at one
    width and down at the next, so that a label which starts from the density before it never
    starts far away.
    """
    given = list(settings)
    ordered: list[ElectronicSetting] = []
    for number, width in enumerate(sorted({one.smearing.width for one in given}, reverse=True)):
        row = [one for one in given if one.smearing.width == width]
        ordered += sorted(
            row, key=lambda one: one.electrons_per_atom_shift, reverse=bool(number % 2)
        )
    return ordered


def walk_ladder(
    ladders: Iterable[tuple[LadderCalculation, Sequence[ElectronicSetting]]],
    done: Collection[ElectronicSetting],
    restart_folder: Path,
) -> Iterator[tuple[ElectronicSetting, Label | LabelFailure]]:
    """Label one frame at the settings that are not done, as `Engine.label_ladder` promises.

    Parameters
    ----------
    ladders
        Calculations, one after the other, each with its settings in the order to walk.
    done
        Settings whose labels are stored.
    restart_folder
        This frame's own; removed at the end.
    """
    for calculation, settings in ladders:
        previous: Path | None = None
        for setting in settings:
            kept = restart_folder / f"{setting.name}{calculation.suffix}"
            if setting not in done:
                outcome = calculation.label(setting, previous)
                if not isinstance(outcome, LabelFailure):
                    with suppress(OSError):  # where it cannot be kept, a successor does without
                        _write_whole(calculation, kept)
                yield setting, outcome
            # its label is stored by now: its state takes the place of the one before
            if kept.exists():
                if previous is not None:
                    previous.unlink(missing_ok=True)
                previous = kept
    shutil.rmtree(restart_folder, ignore_errors=True)


def _write_whole(calculation: LadderCalculation, path: Path) -> None:
    """Write in one step.

    Without `dosml.files.whole_file`, which waits for the disk: states are large, and one that a
    power cut damages is lost without harm.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".tmp{path.suffix}")
    try:
        calculation.keep(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
