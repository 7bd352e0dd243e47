"""What the functions of the Python API share: a quiet reporter, and targets as options."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dosml.progress import Reporter
from dosml.terminal import make_console

if TYPE_CHECKING:
    from collections.abc import Mapping


def study_options(targets: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Put what a study works on beside its options."""
    given = [targets] if isinstance(targets, (str, Path)) else list(targets)
    return {**options, "targets": tuple(map(str, given)) or None}


class _QuietReporter(Reporter):
    """Says nothing but warnings, in Python's own way."""

    def say(self, text: str) -> None:
        """Log a line."""
        self.log(text)

    def warn(self, text: str) -> None:
        """Warn the caller."""
        self.log(text)
        warnings.warn(text, stacklevel=2)


def reporter_for(command: str, *, progress: bool) -> Reporter:
    """Make the reporter of a function: quiet unless progress is wanted."""
    words = f"dosml.{command.replace('-', '_')}(...) from Python"
    if progress:
        return Reporter(command=words)
    return _QuietReporter(make_console(quiet=True), words)
