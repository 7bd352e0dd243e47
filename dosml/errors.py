"""Named exceptions: one kind, one name.

This module imports nothing of ours, so that every room except `dosml.theory` (which raises
`ValueError`) may use it. The command line prints the message as one line and exits with code 2.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class DosmlError(Exception):
    """Base of every error that a user can meet and mend."""


@contextlib.contextmanager
def about(what: object) -> Iterator[None]:
    """Let an error name what it is about (a file, labels), where its message does not.

    Raises
    ------
    InputError, EngineError, LearnerError
        The error of the block, of the same kind; others pass as they are.
    """
    try:
        yield
    except (InputError, EngineError, LearnerError) as error:
        if str(what) in str(error):
            raise
        raise type(error)(f"{what}: {error}") from error


class InputError(DosmlError):
    """An option, a configuration key or a value that cannot be used."""


class TooLargeError(InputError):
    """Something that would fill the memory: a packed file, a frame, a neighbour list."""


class UnknownElementError(InputError):
    """A chemical symbol that the element table does not hold."""


class FrameError(InputError):
    """A frame file that cannot be read, or frames that a study cannot use."""


class EngineError(DosmlError):
    """An engine that cannot do what was asked."""


class EngineMissingError(EngineError):
    """An engine whose package is not installed."""


class WorkerLostError(DosmlError):
    """Worker processes that were killed, or tasks that lost their Slurm job too often."""


class LabelError(DosmlError):
    """A label that could not be computed (SCF failure, occupied top band)."""


class CampaignLockedError(DosmlError):
    """A campaign folder that another run is using."""


class CampaignMismatchError(DosmlError):
    """A campaign folder made for another study."""


class DamagedFileError(DosmlError):
    """A file of dosml's own that was cut off, changed or damaged, or is something else."""


class DiskSpaceError(DosmlError):
    """The disk is full."""


class LearnerError(DosmlError):
    """A force field that could not be trained, saved or loaded."""


class EnvironmentMissingError(LearnerError):
    """A peer force field whose environment has not been made."""


class EnvironmentBuildError(LearnerError):
    """An environment of a peer that could not be made."""


class FetchError(DosmlError):
    """A file that cannot be fetched from the network."""
