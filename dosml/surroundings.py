"""What a machine may lack: a home folder, and one where libraries may keep their caches."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def settle_home() -> None:
    """Let libraries find a home folder where there is no HOME and the user is unknown.

    Some look for it when they are imported (ase), and end there. A container's users are often
    unknown; its root folder is the home that container programs give them, and need not be
    writable.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"


def settle_caches() -> None:
    """Give matplotlib a folder of this process where its own cannot be written.

    It makes one itself, with two lines of advice on the terminal.
    """
    if "MPLCONFIGDIR" in os.environ:
        return
    configured = os.environ.get("XDG_CONFIG_HOME")
    place = (Path(configured) if configured else Path.home() / ".config") / "matplotlib"
    there = next(one for one in (place, *place.absolute().parents) if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    try:
        folder = tempfile.mkdtemp(prefix="dosml-matplotlib-")
    except OSError:
        return  # nothing can be written: let it say so itself
    os.environ["MPLCONFIGDIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
