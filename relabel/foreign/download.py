"""One large file over HTTP: continued where it was cut off, believed only by its checksum."""

from __future__ import annotations

import errno
import hashlib
import shutil
import time
from typing import TYPE_CHECKING

import requests

from dosml.errors import DamagedFileError, DiskSpaceError, FetchError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Bytes read at a time: a connection that is cut loses less than that.
_BLOCK = 1 << 16
#: Seconds until a connection, or a server that has gone quiet, is given up.
_TIMEOUT = (20.0, 60.0)
#: A connection that is cut so often in a row, without one byte more, is given up.
ATTEMPTS = 5
#: Seconds before the next attempt, times its number.
_WAIT = 2.0
#: How the system says that the disk is full, or the file too large for it.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def fetch_file(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    md5: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    wait: float = _WAIT,
) -> Path:
    """Fetch a file; what an earlier run left (`path` with .partial) is continued.

    Parameters
    ----------
    url
        http or https.
    path
        Where it goes once it is whole.
    size, md5
        What it must be, in bytes and hexadecimal digits; None: not known.
    progress
        Called as progress(bytes done, bytes in all, 0 if not known).
    wait
        Seconds before the second attempt; later ones wait longer.

    Raises
    ------
    InputError
        If the address is none of http or https.
    FetchError
        If the server cannot be reached, refuses, or cuts the connection again and again; what was
        fetched stays.
    DamagedFileError
        If the file is another one; it is removed.
    DiskSpaceError
        If the disk is full; what was fetched stays.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url} is no address to fetch from: give one with http:// or https://")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    _check_room(partial, size)
    if not (size is not None and partial.is_file() and partial.stat().st_size == size):
        _fetch(url, partial, size, progress, wait)
    try:
        check_file(partial, size=size, md5=md5)
    except DamagedFileError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    return path


def check_file(path: Path, *, size: int | None, md5: str | None) -> None:
    """See that a file is what it should be.

    Raises
    ------
    DamagedFileError
        If size or checksum are others.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise DamagedFileError(
            f"{path} has {found} bytes, expected {size}: it is another file, or cut off; fetch it "
            "again"
        )
    if md5 is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != md5:
        raise DamagedFileError(
            f"{path} has the MD5 checksum {digest.hexdigest()}, expected {md5}: it is another "
            "file, or was damaged on its way; fetch it again"
        )


def _check_room(partial: Path, size: int | None) -> None:
    """Refuse at once what the disk has no room for."""
    held = partial.stat().st_size if partial.is_file() else 0
    free = shutil.disk_usage(partial.parent).free
    if size is not None and size - held > free:
        raise DiskSpaceError(
            f"{partial.parent} has {free >> 20} MiB left, {(size - held) >> 20} MiB are to be "
            "fetched: free some, or name another folder in DOSML_DATA"
        )


def _fetch(
    url: str,
    partial: Path,
    size: int | None,
    progress: Callable[[int, int], None],
    wait: float,
) -> None:
    """Fetch what is missing, in as many connections as it takes while each brings something."""
    failures = 0
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            _one_connection(url, partial, before, size, progress)
        except (requests.ConnectionError, requests.Timeout) as error:
            more = partial.is_file() and partial.stat().st_size > before
            failures = 1 if more else failures + 1
            if failures >= ATTEMPTS:
                raise FetchError(
                    f"{url} cannot be fetched ({_reason(error)}): run the same command again to "
                    f"continue, or put the file where it says by hand"
                ) from error
            time.sleep(wait * failures)
        except requests.RequestException as error:
            raise FetchError(f"{url} cannot be fetched: {_reason(error)}") from error
        else:
            return


def _one_connection(
    url: str,
    partial: Path,
    begin: int,
    size: int | None,
    progress: Callable[[int, int], None],
) -> None:
    headers = {"Range": f"bytes={begin}-"} if begin else {}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is left: the checksum decides
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            begin = 0  # a server that knows no ranges sends everything
        length = answer.headers.get("Content-Length", "")
        total = begin + int(length) if length.isdigit() else size or 0
        if size is not None and length.isdigit() and total != size:
            raise DamagedFileError(
                f"{url} offers {total} bytes, expected {size}: it is another file; give the "
                "address of the right one with --url"
            )
        done = begin
        try:
            with partial.open("ab" if begin else "wb") as handle:
                for block in answer.iter_content(_BLOCK):
                    handle.write(block)
                    done += len(block)
                    progress(done, total)
        except requests.exceptions.ChunkedEncodingError as error:
            raise requests.ConnectionError(error) from error
        except OSError as error:
            if error.errno in FULL:
                raise DiskSpaceError(
                    f"no space left on the disk while writing {partial} ({done >> 20} MiB are "
                    "there): free some and run the same command again, it continues"
                ) from error
            raise
    if total and done < total:
        raise requests.ConnectionError(f"{done} of {total} bytes came")


def _reason(error: requests.RequestException) -> str:
    """Say in a few words what went wrong."""
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    inner: BaseException = error
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None) or inner
    return " ".join(str(reason).split())[:200] or type(error).__name__
