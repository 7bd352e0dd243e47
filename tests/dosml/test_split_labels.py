"""Which frames of labels that are made are held out."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import DosmlError, InputError
from dosml.relabel.dataset import Dataset, LabelSet
from dosml.relabel.frames import canonical
from dosml.studies.labels import split_labels


def labels_of(count, *, test=(), tiers=("cold", "melt"), twin=None) -> Dataset:
    frames = []
    for n in range(count):
        atoms = bulk("Cu")
        atoms.rattle(0.1, seed=0 if n == twin else n)
        atoms.info["tier"] = tiers[n % len(tiers)]
        if test:
            atoms.info["split"] = "test" if n in test else "train"
        frames.append(canonical(atoms))
    forces = [np.zeros((1, 3))] * count
    return Dataset.of(frames, [LabelSet(np.arange(count), forces)])


def test_the_split_of_the_labels_wins_unless_asked():
    data = labels_of(10, test=(1, 7))
    split, how = split_labels(data, seed=0)
    assert split.test == (1, 7)
    assert split.train == (0, 2, 3, 4, 5, 6, 8, 9)
    assert "mark" in how
    drawn, _ = split_labels(data, hold_out=0.4, seed=0)
    assert sorted(drawn.train + drawn.test) == list(range(10))
    # two frames of each tier
    assert [n % 2 for n in drawn.test].count(0) == 2
    assert split_labels(data, hold_out=0.4, seed=0)[0].test == drawn.test
    others = [split_labels(data, hold_out=0.4, seed=seed)[0].test for seed in range(1, 5)]
    assert any(test != drawn.test for test in others)


def test_splits_that_cannot_be():
    with pytest.raises(InputError, match="each side needs one"):
        split_labels(labels_of(3), hold_out=0.01, seed=0)
    with pytest.raises(DosmlError, match="frame 0 and frame 3 are identical"):
        split_labels(labels_of(4, test=(3,), twin=3), seed=0)
