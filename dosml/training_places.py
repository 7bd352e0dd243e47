"""Where a training is done: in a worker, or in the process that asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.learners.base import KeepsTrainings

if TYPE_CHECKING:
    from dosml.learners.base import Learner
    from dosml.relabel.execution.runner import Runner

#: So many trainings are sooner done one by one than workers have started.
FEW = 3


def for_a_worker(learner: Learner, runner: Runner, count: int) -> Learner | None:
    """Give the learner of one of so many trainings to a worker; None: it is sooner done here.

    A learner that keeps its trainings starts processes of its own, as many as it may use cores:
    label sets side by side, or threads, which help small models little. Where there are more
    trainings than workers, each gets one core instead, and no worker waits for the others.
    """
    if not runner.local:
        return learner
    if not isinstance(learner, KeepsTrainings):
        return learner if count > FEW else None
    return learner.on_one_core() if count > max(FEW, runner.slots) else None
