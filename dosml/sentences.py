"""What a user can do about an error that is not one of ours: of the system, of memory."""

from __future__ import annotations

import errno

from dosml.errors import DosmlError

_AGAIN = "run the same command again; finished work is kept"
_FULL = f"no space left on the disk{{where}}: free some and {_AGAIN}"
_DENIED = "no permission to read or write{where}: change it, or give another place (--out)"
_WRONG_KIND = "there is a folder where a file is expected, or the reverse{where}: move it away"
_TOO_MANY_FILES = (
    "this process may not open more files{where}: raise the limit (ulimit -n 4096) or give fewer "
    f"--workers, and {_AGAIN}"
)
_MEMORY = f"out of memory{{where}}: give fewer --workers or smaller cells, and {_AGAIN}"
_BUSY = f"no more processes or threads may be started{{where}} (ulimit -u): {_AGAIN}"
_DISK = f"the disk cannot be read or written{{where}}: see that it is sound, then {_AGAIN}"
#: What the system says, and what that means to a user.
_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.EISDIR: _WRONG_KIND,
    errno.ENOTDIR: _WRONG_KIND,
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
    errno.ENOMEM: _MEMORY,
    errno.EAGAIN: _BUSY,
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ELOOP: "symbolic links lead in a circle, or may not be followed{where}: mend the link",
    errno.ENAMETOOLONG: "a name is too long for the disk{where}: give a shorter one (--out)",
    errno.EFBIG: "a file is larger than may be written{where}: raise the limit (ulimit -f)",
}
#: Of libraries that have no exception of their own for it (torch, threads, the loader).
_WORDS = {
    "out of memory": _MEMORY,
    "can't allocate memory": _MEMORY,
    "cannot allocate memory": _MEMORY,
    "failed to map segment": _MEMORY,
    "too many open files": _TOO_MANY_FILES,
    "can't start new thread": _BUSY,
}


def sentence(error: BaseException) -> str | None:
    """Say what a user can do about an error; None where it is a bug."""
    if isinstance(error, DosmlError):
        return str(error)
    if isinstance(error, MemoryError):
        return _MEMORY.format(where=f" ({error})" if str(error) else "")
    if isinstance(error, OSError) and error.errno in _SENTENCES:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        where = f" ({', '.join(names)})" if names else ""
        return _SENTENCES[error.errno].format(where=where)
    if isinstance(error, (RuntimeError, ImportError)):
        said = str(error).lower()
        return next((text.format(where="") for word, text in _WORDS.items() if word in said), None)
    return None
