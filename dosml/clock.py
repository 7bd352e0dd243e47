"""Wall and processor time of a piece of work."""

from __future__ import annotations

import resource
import time


class Clock:
    """Counts seconds from when it is made."""

    def __init__(self) -> None:
        self._began, self._spent = time.perf_counter(), _processor_seconds()

    @property
    def wall(self) -> float:
        """Seconds that have passed."""
        return round(time.perf_counter() - self._began, 3)

    @property
    def processor(self) -> float:
        """Processor seconds of this process, and of those of its children that have ended."""
        return round(_processor_seconds() - self._spent, 3)


def _processor_seconds() -> float:
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
