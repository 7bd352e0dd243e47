"""What a run says while it runs: one place for the console, the log and the progress bars."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from dosml.terminal import make_console, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.table import Table

logger = logging.getLogger("dosml")
# outside a campaign there is no log: warnings must not reach the terminal a second time
logger.addHandler(logging.NullHandler())


class Reporter:
    """Lines for the user, which also go to the campaign's log.

    Parameters
    ----------
    console
        Where lines are printed; None: standard output.
    command
        What the user gave, for logs and reports.
    """

    def __init__(self, console: Console | None = None, command: str = "") -> None:
        self.console = console or make_console()
        self.command = command

    def say(self, text: str) -> None:
        """Print one plain line and log it."""
        self.show(text)
        self.log(text)

    def show(self, content: str | Table) -> None:
        """Print one plain line, or a table, which no log needs."""
        show(self.console, content)

    def log(self, text: str) -> None:
        """Log one line without printing it."""
        logger.info(text)

    def warn(self, text: str) -> None:
        """Print one warning line and log it."""
        show(self.console, f"warning: {text}", style="yellow")
        logger.warning(text)

    @contextlib.contextmanager
    def bar(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress bar with time left; call the yielded function with the number done."""
        with self.stages(description) as tell:

            def update(done: int) -> None:
                tell(description, done, total)

            update(0)
            yield update

    @contextlib.contextmanager
    def stages(self, description: str) -> Iterator[Callable[[str, int, int], None]]:
        """Progress bar of work in stages; call the yielded function with (stage, done, total).

        Where there is no terminal, lines at every tenth take its place.
        """
        if not self.console.is_terminal:
            yield _Lines(self.say).tell
            return
        with Progress(
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            TimeRemainingColumn(),
            console=self.console,
        ) as progress:
            task = progress.add_task(description, total=None)

            def tell(stage: str, done: int, total: int) -> None:
                progress.update(task, description=stage, completed=done, total=total)

            yield tell


class _Lines:
    """Progress as lines: one at every tenth of a stage, with the time that is left.

    Stages that end within `QUIET_SECONDS` say nothing.
    """

    QUIET_SECONDS = 10.0

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.stage: str | None = None
        self.start = 0.0
        self.first = 0
        self.tenth = 0

    def tell(self, stage: str, done: int, total: int) -> None:
        """Take note of what is done; print where a tenth more of the stage is."""
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.start, self.first = stage, now, done
            self.tenth = 10 * done // max(total, 1)
            return
        tenth = 10 * done // max(total, 1)
        passed = now - self.start
        if tenth <= self.tenth or passed < self.QUIET_SECONDS:
            return
        self.tenth = tenth
        left = passed / max(done - self.first, 1) * (total - done)
        ending = f"about {duration(left)} left" if done < total else "done"
        self.say(f"{stage}: {done} of {total}, {duration(passed)}, {ending}")


def duration(seconds: float) -> str:
    """Write a time for people: "40 s", "7 min", "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
