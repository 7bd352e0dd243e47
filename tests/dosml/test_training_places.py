"""Where trainings are done: workers, or the process that asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dosml.training_places import FEW, for_a_worker


class Quick:
    """A learner that is done in one process."""


class Long:
    """A learner that starts processes of its own, on processors or on GPUs."""

    def __init__(self, narrow: str | None) -> None:
        self.narrow = narrow

    def at(self, _folder):
        return self

    def effort(self, _n_models):
        return ""

    def on_one_core(self):
        return self.narrow


HERE, SLURM = SimpleNamespace(local=True, slots=4), SimpleNamespace(local=False, slots=4)


@pytest.mark.parametrize(
    ("learner", "runner", "count", "expected"),
    [
        (Quick(), HERE, FEW, None),
        (Quick(), HERE, FEW + 1, "itself"),
        (Quick(), SLURM, 1, "itself"),
        # fewer than workers: its own processes or threads use the cores
        (Long("narrow"), HERE, 4, None),
        (Long("narrow"), HERE, 5, "narrow"),
        (Long("narrow"), SLURM, 5, "itself"),
        # GPUs are shared out by the learner
        (Long(None), HERE, 5, None),
    ],
)
def test_a_training_goes_to_a_worker_where_that_is_sooner_done(
    learner, runner, count, expected
) -> None:
    found = for_a_worker(learner, runner, count)
    assert found is (learner if expected == "itself" else expected)
