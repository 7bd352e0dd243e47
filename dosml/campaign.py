"""The campaign folder: it holds a whole study and can be stopped and continued at any moment."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TextIO

from dosml.errors import CampaignLockedError, CampaignMismatchError, EngineError, InputError
from dosml.files import FileLock, open_plain
from dosml.records import CAMPAIGN, CampaignRecord, note_files, read_record, write_record
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

#: The record of a campaign: what it is of, the settings of its latest run, what its files are.
RECORD = CAMPAIGN
LOG_NAME = "dosml.log"
#: What studies write at the top of their folder, without endings.
OWN_NAMES = frozenset(
    (
        *("dataset", "finished", "frames", "labels", "label_sets", "models", "restart", "studies"),
        *("angular_power", "angular_resolution", "d_dos", "electron_axis", "electron_swap"),
        *("figures", "learners", "report", "results"),
        *("errors", "training", "learning_curve", "learning_curve_fit", "transfer", "grid"),
        *("electron_series", "errors_by_element", "worst.extxyz"),
        *("campaigns", "correlations", "metals", "published", "published_errors_our_measures"),
        *("within_metals",),
        *("forces", "phonons"),
        *("hard.extxyz", "hard_frames", "hard_against_random", "overlap"),
    )
)
#: Their endings; folders have none.
OWN_ENDINGS = frozenset(("", ".csv", ".html", ".json", ".npz", ".parquet", ".pdf", ".png", ".zip"))
#: What opening a folder writes, before anything is computed.
_AT_ONCE = frozenset((CAMPAIGN, "campaign.lock", LOG_NAME, "run.json", "run.lock"))
logger = logging.getLogger("dosml")


class Campaign:
    """One folder, one study, one run at a time.

    Use it as a context manager: entering takes the lock and opens the log.

    Parameters
    ----------
    folder
        Created on entering.
    subject
        What the study is of (element, or the frames' content); a folder keeps to one subject.
    names
        What it writes at the top of the folder besides `OWN_NAMES`, without endings.
    """

    def __init__(self, folder: Path, subject: str, names: Collection[str] = ()) -> None:
        self.folder = folder
        self.subject = subject
        self._names = tuple(names)
        self._lock = FileLock(folder / "campaign.lock")
        self._handler: logging.Handler | None = None
        self._new = False

    @property
    def log_path(self) -> Path:
        """Where every step and every traceback is written."""
        return self.folder / LOG_NAME

    def __enter__(self) -> Self:
        """Take the lock, check the subject and open the log.

        Raises
        ------
        InputError
            If the folder cannot be made or written, or is somebody else's and holds files that the
            study would replace.
        CampaignLockedError
            If another run uses the folder.
        CampaignMismatchError
            If the folder holds another study.
        """
        try:
            self._new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / RECORD).exists():
                check_free(self.folder, self._names)
            mine = self._lock.take()
        except OSError as error:
            raise InputError(
                f"cannot use the folder {self.folder} ({error.strerror}): give another --out"
            ) from error
        if not mine:
            raise CampaignLockedError(
                f"{self.folder} is in use by another run ({self._lock.owner()}): wait for it to "
                "end, or give another --out"
            )
        try:
            self._check_subject()
            self._open_log()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the traceback of a failed run to the log and let go of the folder.

        A folder that was made for a run which was refused before it computed anything goes.
        """
        if error is not None:
            logger.error("the run ended early", exc_info=error)
        if self._handler is not None:
            logger.removeHandler(self._handler)
            self._handler.close()
            self._handler = None
        if self._new and isinstance(error, (InputError, EngineError)):
            with contextlib.suppress(OSError):
                self._remove_if_empty()
        self._lock.release()

    def _remove_if_empty(self) -> None:
        found = list(self.folder.iterdir())
        if all(path.name in _AT_ONCE for path in found):
            for path in found:
                path.unlink()
            self.folder.rmdir()

    def record(self, run: Mapping[str, object]) -> None:
        """Keep the settings of the latest run beside the subject, and what is known of files."""
        path = self.folder / RECORD
        files = read_record(path, CampaignRecord).files if path.exists() else {}
        plain = json.loads(json.dumps(dict(run), default=str))
        content = CampaignRecord(dosml=__version__, subject=self.subject, run=plain, files=files)
        write_record(path, content)

    def note(self, paths: Iterable[Path]) -> None:
        """Keep what these files of the campaign are, so that damage to them is noticed."""
        note_files(self.folder, paths)

    def _check_subject(self) -> None:
        path = self.folder / RECORD
        if not path.exists():
            self.record({"started": datetime.now(UTC).isoformat(timespec="seconds")})
            return
        try:
            found = read_record(path, CampaignRecord, remedy="give another --out, or remove it")
        except InputError as error:
            raise CampaignMismatchError(f"{path} is not a campaign record: {error}") from error
        if found.subject != self.subject:
            raise CampaignMismatchError(
                f"{self.folder} holds a study of {found.subject}, not of {self.subject}: give "
                "another --out"
            )

    def _open_log(self) -> None:
        try:
            descriptor = open_plain(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            raise InputError(
                f"cannot write the log {self.log_path} ({error.strerror}): move it away, or give "
                "another --out"
            ) from error
        stream = open(descriptor, "a", encoding="utf-8")  # noqa: PTH123, SIM115 - the handler's
        self._handler = _LogHandler(stream)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        # a full disk must not turn log lines into tracebacks on the terminal
        logging.raiseExceptions = False


class _LogHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream of its own, which it closes."""

    def close(self) -> None:
        """Close the stream, whether or not what is left in it can be written."""
        super().close()
        with contextlib.suppress(OSError):
            self.stream.close()


def check_free(folder: Path, names: Collection[str] = ()) -> None:
    """Refuse a folder without a record of ours that holds files which a study would replace.

    Parameters
    ----------
    folder
        Where a study would write.
    names
        What it writes there besides `OWN_NAMES`, without endings.

    Raises
    ------
    InputError
        Naming one of the files.
    OSError
        If the folder cannot be read.
    """
    known = OWN_NAMES.union(names)
    for path in sorted(folder.iterdir()):
        if any(path.name.removesuffix(end) in known for end in OWN_ENDINGS) or (
            path.name.endswith(".settings.json")
            and path.name.removesuffix(".settings.json") in known
        ):
            raise InputError(
                f"{folder} holds {path.name}, which would be replaced, and no {RECORD} that says "
                "it is a study of dosml: give another --out, or move the file away"
            )
