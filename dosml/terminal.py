"""The terminal: one way to print, whatever the text, the encoding, and who listens.

Text is data: nothing in it is markup, a control character is shown and not obeyed. A character that
the terminal's encoding lacks becomes another one, and a terminal that is gone never ends a run.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import sys
from typing import TextIO, cast

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

#: What stands for our own symbols where they cannot be written: one character each, so that
#: columns stay in line.
_STAND_INS = str.maketrans("ÅσΔδχφπμΩΣ∫²³·×–—−", "AsDdxfpuOSS23.x---")
_DEGRADE = "dosml-degrade"
#: Wider than any table of ours.
_ANY_WIDTH = 10_000
#: Narrowest column of names that may be folded.
_FOLDED = 12


def _degrade(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks: a symbol by a letter, the rest by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end].translate(_STAND_INS)
    return letters.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(_DEGRADE, _degrade)


class Output(io.TextIOBase):
    """A stream that degrades characters, and keeps the first failure instead of raising it.

    Parameters
    ----------
    stream
        Where text goes; None where there is no such stream.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        #: Why what was written since is lost.
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        if self._stream is not None and self.failure is None:
            written = text.encode(self.encoding, _DEGRADE).decode(self.encoding)
            try:
                self._stream.write(written)
            except OSError as error:
                self.failure = error
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.failure = error

    def end(self) -> None:
        """Hand over what was written; what a stream that failed still holds is dropped."""
        self.flush()
        if self.failure is not None:
            # Python tries once more when it ends
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)

    def writable(self) -> bool:
        """Say so."""
        return True

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Descriptor of the stream."""
        if self._stream is None:
            raise OSError("there is no such stream")
        return self._stream.fileno()


def make_console(*, quiet: bool = False) -> Console:
    """Console on standard output to which all text is plain data."""
    stream = sys.stdout if isinstance(sys.stdout, Output) else Output(sys.stdout)
    return Console(
        file=cast("TextIO", stream), markup=False, emoji=False, highlight=False, quiet=quiet
    )


def one_line(text: str) -> str:
    """Join lines, and show control characters (of a file's name, say) as escapes."""
    joined = re.sub(r"\s*\n\s*", " ", text.rstrip())
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in joined
    )


def new_table(title: str | None = None, caption: str | None = None) -> Table:
    """Make the table of this house."""
    return Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def show(console: Console, content: str | Table, *, style: str | None = None) -> None:
    """Print one line of text, or a table; the one place of this project that does.

    Columns that must not be wrapped (`no_wrap`: numbers) are never cut either: where the console is
    narrower than they are, the table is wider than the console.
    """
    if isinstance(content, str):
        console.print(Text(one_line(content)), style=style, soft_wrap=True)
        return
    spare = 0
    for column in content.columns:
        cells = "\n".join(map(str, (column.header, *column.cells)))
        if column.no_wrap:
            column.min_width = max(map(cell_len, cells.splitlines()), default=0)
        elif column.overflow == "fold":  # a long name may be folded anywhere
            longest = max(map(cell_len, cells.split()), default=0)
            spare += max(0, longest - max(_FOLDED, column.min_width or 0))
    wide = console.options.update(max_width=_ANY_WIDTH)
    needed = Measurement.get(console, wide, content).minimum - spare
    kept = console.width
    if needed > kept:
        console.width = needed  # `print` takes no width beyond the console's
    console.print(content, style=style)
    if needed > kept:
        console.width = kept


def print_document(text: str) -> None:
    """Print what other programs read (JSON, LaTeX), as it is."""
    print(text)


def print_line(text: str) -> None:
    """Print one line where a command has nothing else to say."""
    show(make_console(), text)
