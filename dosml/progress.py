"""What a run says while it runs: one place for the console, the log and the progress bars."""

from __future__ import annotations

import contextlib
import logging
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
        """Progress bar of work in stages; call the yielded function with (stage, done, total)."""
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
