"""The campaign folder: it holds a whole study and can be stopped and continued at any moment."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from dosml.errors import CampaignLockedError, CampaignMismatchError, InputError
from dosml.files import FileLock, whole_file
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

#: The record of a campaign: what it is of, and the settings of its latest run.
RECORD = "campaign.json"
LOG_NAME = "dosml.log"
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
    """

    def __init__(self, folder: Path, subject: str) -> None:
        self.folder = folder
        self.subject = subject
        self._lock = FileLock(folder / "campaign.lock")
        self._handler: logging.Handler | None = None

    @property
    def log_path(self) -> Path:
        """Where every step and every traceback is written."""
        return self.folder / LOG_NAME

    def __enter__(self) -> Self:
        """Take the lock, check the subject and open the log.

        Raises
        ------
        InputError
            If the folder cannot be made or written.
        CampaignLockedError
            If another run uses the folder.
        CampaignMismatchError
            If the folder holds another study.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
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
        """Write the traceback of a failed run to the log and let go of the folder."""
        if error is not None:
            logger.error("the run ended early", exc_info=error)
        if self._handler is not None:
            logger.removeHandler(self._handler)
            self._handler.close()
            self._handler = None
        self._lock.release()

    def record(self, run: Mapping[str, object]) -> None:
        """Keep the settings of the latest run beside the subject."""
        content = {"dosml": __version__, "subject": self.subject, "run": dict(run)}
        text = json.dumps(content, indent=2, default=str) + "\n"
        with whole_file(self.folder / RECORD) as path:
            path.write_text(text)

    def _check_subject(self) -> None:
        path = self.folder / RECORD
        if not path.exists():
            self.record({"started": datetime.now(UTC).isoformat(timespec="seconds")})
            return
        try:
            found = json.loads(path.read_text())["subject"]
        except (ValueError, KeyError, TypeError) as error:
            raise CampaignMismatchError(
                f"{path} is not a campaign record: give another --out, or remove the file"
            ) from error
        if found != self.subject:
            raise CampaignMismatchError(
                f"{self.folder} holds a study of {found}, not of {self.subject}: give another --out"
            )

    def _open_log(self) -> None:
        self._handler = logging.FileHandler(self.log_path, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        # a full disk must not turn log lines into tracebacks on the terminal
        logging.raiseExceptions = False
