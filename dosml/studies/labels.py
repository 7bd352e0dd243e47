"""Labels that are made: read from any source, one metal of them, split into training and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import InputError
from dosml.relabel.dataset import REFERENCE, load, reference_metals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.relabel.dataset import Dataset

#: Share of the frames that is held out where nobody says which.
HOLD_OUT = 0.2


def subject_names(data: Dataset) -> tuple[str, ...]:
    """Name of the metal (Ti) or the elements (Cu-Ti) of every frame."""
    return tuple("-".join(sorted(set(frame.symbols))) for frame in data.frames)


def subjects_of(where: str, scheme: str | None = None) -> list[str]:
    """Metals (or sets of elements) that labels are of.

    Raises
    ------
    DosmlError
        If the labels cannot be read.
    """
    if where == REFERENCE:
        return list(reference_metals())
    return sorted(set(subject_names(load(where, scheme=scheme))))


def labels_of(where: str, target: str, *, scheme: str | None = None) -> Dataset:
    """Read the labels of one metal.

    Parameters
    ----------
    where
        "reference", the set that ships with dosml, or what `dosml.relabel.dataset.load` reads.
    target
        One of `subjects_of`.
    scheme
        Smearing scheme of a folder that does not say.

    Raises
    ------
    InputError
        If there are no labels of the target.
    DosmlError
        If the labels cannot be read.
    """
    if where == REFERENCE:
        return load(where, metal=target)
    data = load(where, scheme=scheme)
    names = subject_names(data)
    which = [n for n, name in enumerate(names) if name == target]
    if not which:
        raise InputError(
            f"{where} holds no labels of {target}, it holds {', '.join(sorted(set(names)))}: "
            "name one of them, or none to take all"
        )
    return data if len(which) == len(names) else data.take(which).with_mean_dos()


def split_labels(
    data: Dataset,
    *,
    seed: int,
    hold_out: float | None = None,
    train: int | None = None,
    test: int | None = None,
) -> tuple[Dataset, str]:
    """Give labels their roles.

    Parameters
    ----------
    data
        Labels.
    seed
        Of the draws.
    hold_out
        Share of the frames to hold out, drawn from every tier in turn; None takes the split that
        the labels mark, and a fifth of the frames where they mark none.
    train, test
        Numbers of frames to take, drawn from every tier in turn; None takes all.

    Returns
    -------
    data, how
        The frames that are used, with roles; where the split is from, for people.

    Raises
    ------
    InputError
        If a side is left without frames, or has fewer than asked for.
    """
    if hold_out is None and data.roles:
        if not (data.train and data.test):
            raise InputError(
                f"the labels mark {len(data.train)} frames for training and {len(data.test)} as "
                "held out (info key split): each side needs one at least; mark some, or give "
                "--hold-out or --test-file"
            )
        how = f"the split that the labels mark{_validation(data)}"
        data = data.with_roles(data.test)  # refuses twins across
    else:
        count = len(data.frames)
        share = HOLD_OUT if hold_out is None else hold_out
        wanted = test if test is not None and hold_out is None else round(share * count)
        if not 0 < wanted < count:
            raise InputError(
                f"holding out {share:g} of {count} frames leaves {count - wanted} for training and "
                f"{wanted} held out: each side needs one at least; give --test-file or --hold-out"
            )
        held = _drawn(data, range(count), wanted, seed)
        data = data.with_roles(held)
        how = f"{share:g} of each tier, drawn with seed {seed}"
    kept = list(range(len(data.frames)))
    for name, role, number in (("train", data.train, train), ("test", data.test, test)):
        if number is None or number == len(role):
            continue
        if number > len(role):
            raise InputError(
                f"--{name} {number}: the labels hold {len(role)} such frames, give at most that"
            )
        left = set(role) - set(_drawn(data, role, number, seed))
        kept = [n for n in kept if n not in left]
    return (data if len(kept) == len(data.frames) else data.take(kept).with_mean_dos()), how


def _validation(data: Dataset) -> str:
    """Say what became of frames that are marked for validation."""
    count = sum(frame.info.get("split") == "val" for frame in data.frames)
    marked = {frame.info.get("split") for frame in data.frames}
    if not count:
        return ""
    return f", {count} val frames {'train' if 'test' in marked else 'held out'}"


def _drawn(data: Dataset, among: Sequence[int], number: int, seed: int) -> list[int]:
    """Draw frames from every tier in turn."""
    order = list(among)
    picked = nested_subsets([data.tiers[n] for n in order], [number], seed=seed)[0]
    return sorted(order[int(k)] for k in picked)
