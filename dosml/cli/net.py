"""How a command ends early: one line that says what to do, and an exit code; never a traceback.

What a user can meet has a sentence here or is a `DosmlError`. The last net, which writes the
traceback to a file, is for bugs only.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import traceback
import unicodedata
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from dosml.errors import InputError
from dosml.paths import expand_home
from dosml.sentences import sentence
from dosml.terminal import Output, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

#: Exit code of an error of the user's, or of the machine's.
FAILED = 2


class Stopped(KeyboardInterrupt):
    """A signal that ends the run as Ctrl-C does.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _PastTyper(Exception):  # noqa: N818 - a parcel rather than an error
    """Carries its cause past typer."""


@contextlib.contextmanager
def past_typer() -> Iterator[None]:
    """Keep from typer what it ends without a word, or with "Aborted."; `net` takes it."""
    try:
        yield
    except (EOFError, OSError, KeyboardInterrupt) as error:
        raise _PastTyper from error


@contextlib.contextmanager
def net() -> Iterator[None]:
    """Run a command; whatever ends it early becomes one line and an exit code.

    Raises
    ------
    SystemExit
        With 2 after an error, 128 and the number of the signal after one.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - the last net
        error = caught.__cause__ if isinstance(caught, _PastTyper) else caught
        assert error is not None
        if isinstance(error, KeyboardInterrupt):
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            # what follows is the end: a second Ctrl-C has nothing left to stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _fail("stopped: run the same command again to continue", 128 + number)
        known = sentence(error)
        if known is None:
            known = f"{type(error).__name__}: {error}; {_details(error)}"
        _fail(known, FAILED)


@contextlib.contextmanager
def output() -> Iterator[None]:
    """Let the command print to a terminal of any encoding, and to one that goes away.

    A run goes on without its listener; at its end it says that what it printed is lost.

    Raises
    ------
    SystemExit
        With the code of the command; with 2 if what it printed could not be written.
    """
    kept = sys.stdout, sys.stderr
    streams = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = cast("tuple[TextIO, TextIO]", streams)
    code: str | int | None = 0
    try:
        yield
    except SystemExit as end:  # typer's way to end a command that went well, too
        code = end.code
    finally:
        for stream in streams:
            stream.end()
        sys.stdout, sys.stderr = kept
    failure = streams[0].failure
    if failure is not None and not code:
        _fail(
            f"what was printed is lost, standard output failed ({failure.strerror}): files that "
            "were written are whole; give the same command with an output that stays open",
            FAILED,
        )
    sys.exit(code)


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does, unless they are ignored (nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _: FrameType | None) -> None:
    # once is enough: the end of the run is not to be cut off by a second one
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise Stopped(number)


def readable(arguments: Sequence[str]) -> list[str]:
    """Arguments as commands take them: `~` written out, after `--option=` too.

    Raises
    ------
    InputError
        If one holds control characters, or bytes that are no text: names of files go into reports,
        tables and scripts.
    """
    for one in arguments:
        odd = {letter for letter in one if unicodedata.category(letter) in {"Cc", "Cs"}}
        if odd:
            what = "bytes that are no text here" if any(map(_byte, odd)) else "control characters"
            raise InputError(
                f"{one!a} holds {what}: rename the file, or give the option without them (under "
                "LC_ALL=C, set PYTHONUTF8=1)"
            )
    expanded = []
    for one in arguments:
        option, equals, value = one.partition("=")
        if option.startswith("--") and equals:
            expanded.append(f"{option}={expand_home(value)}")
        else:
            expanded.append(expand_home(one))
    return expanded


def _byte(letter: str) -> bool:
    """Whether a character stands for a byte that could not be decoded (PEP 383)."""
    return unicodedata.category(letter) == "Cs"


def print_error(message: str) -> None:
    """Print the one line of an error."""
    print(f"dosml: error: {one_line(message)}", file=sys.stderr)


def _fail(message: str, code: int) -> NoReturn:
    print_error(message)
    sys.exit(code)


def _details(error: BaseException) -> str:
    """Write the traceback down, and say where."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="dosml-error-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as handle:
            traceback.print_exception(error, file=handle)
    except OSError as problem:
        return f"this is a bug, and its details cannot be written down ({problem.strerror})"
    return f"this is a bug, please report it with its details in {handle.name}"
