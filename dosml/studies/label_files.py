"""Which frames of a dataset are held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.errors import InputError
from dosml.relabel.dataset import Dataset, label_files, load_files
from dosml.relabel.frames import frame_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

__all__ = ["LabelledFrames", "check_apart", "label_files", "read_label_sets", "split_frames"]

# names that callers still use
LabelledFrames = Dataset
read_label_sets = load_files


def split_frames(
    data: Dataset, *, hold_out: float | None, seed: int
) -> tuple[list[int], list[int], str]:
    """Choose training and held-out frames.

    Parameters
    ----------
    data
        Frames with their tiers, and with roles where the file marks them.
    hold_out
        Share of the frames to hold out, drawn from every tier in turn; None takes the split that
        the file marks, and a fifth of the frames where it marks none.
    seed
        Seed of the draw.

    Returns
    -------
    train, test, how
        Indices in ascending order, and one line that says where the split is from.

    Raises
    ------
    InputError
        If no training or no held-out frame is left, or a held-out frame equals a training frame.
    """
    count = len(data.frames)
    if hold_out is None and data.roles:
        test = list(data.test)
        how = "the split that the file marks"
    else:
        share = 0.2 if hold_out is None else hold_out
        wanted = round(share * count)
        if not 0 < wanted < count:
            raise InputError(
                f"holding out {share:g} of {count} frames leaves {count - wanted} for training and "
                f"{wanted} held out: each side needs one at least; give --test-file or --hold-out"
            )
        test = sorted(int(n) for n in nested_subsets(data.tiers, [wanted], seed=seed)[0])
        how = f"{share:g} of each tier, drawn with seed {seed}"
    kept = set(test)
    train = [n for n in range(count) if n not in kept]
    if not train or not test:
        raise InputError(
            f"the file marks {len(train)} training and {len(test)} held-out frames: each side "
            "needs one at least; give --hold-out or --test-file"
        )
    check_apart(data.frames, train, test)
    return train, test, how


def check_apart(frames: Sequence[Atoms], train: Sequence[int], test: Sequence[int]) -> None:
    """Refuse a held-out frame that is also a training frame.

    Raises
    ------
    InputError
        If there is one.
    """
    seen = {frame_id(frames[n]): n for n in train}
    for n in test:
        same = seen.get(frame_id(frames[n]))
        if same is not None:
            raise InputError(
                f"frames {same} and {n} are identical: a held-out frame must not also be a "
                "training frame; remove one"
            )
