"""custodian's error handlers that a study of smearing may use, on a leash.

custodian's `LargeSigmaHandler` lowers SIGMA; `VaspErrorHandler` and others can reset ISMEAR and
SIGMA, change k-points, POSCAR or symmetry. A label must be what was asked for or not be: only the
handlers and errors listed here are used, and `Guarded` undoes whatever they touch beyond the tags
that decide how self-consistency is reached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler
from custodian.vasp.handlers import (
    FrozenJobErrorHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
)
from pymatgen.io.vasp.inputs import Incar

from dosml.relabel.vasp.incar_tags import FREE_TAGS

#: Errors of diagonalisation: their corrections change ALGO, NCORE and the like.
ALLOWED_ERRORS = ("edddav", "eddrmm", "zheev", "eddiag", "grad_not_orth")
#: Files that no correction may change.
FIXED_FILES = ("POSCAR", "KPOINTS", "POTCAR")
FROZEN_SECONDS = 6 * 3600


class Guarded(ErrorHandler):
    """Let a handler correct a job, within bounds.

    Parameters
    ----------
    handler
        custodian's own.
    """

    raises_runtime_error = False

    def __init__(self, handler: ErrorHandler) -> None:
        self.handler: Any = handler
        self.is_monitor = handler.is_monitor
        self.is_terminating = handler.is_terminating

    def check(self, directory: str = "./") -> bool:
        """Whether the handler sees its error."""
        return bool(self.handler.check(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct, and take back what goes too far; then the job counts as not correctable."""
        folder = Path(directory)
        before = {name: (folder / name).read_bytes() for name in _inputs(folder)}
        asked = Incar.from_file(folder / "INCAR")
        result: dict[str, Any] = self.handler.correct(directory)
        for name in FIXED_FILES:
            if name in before and (folder / name).read_bytes() != before[name]:
                (folder / name).write_bytes(before[name])
        if "KPOINTS" not in before:
            (folder / "KPOINTS").unlink(missing_ok=True)
        now = Incar.from_file(folder / "INCAR")
        touched = sorted(
            tag for tag in {*asked, *now} if tag not in FREE_TAGS and asked.get(tag) != now.get(tag)
        )
        if touched:
            (folder / "INCAR").write_bytes(before["INCAR"])
            errors = [*result.get("errors", []), f"correction of {', '.join(touched)} refused"]
            return {"errors": errors, "actions": None}
        return result

    def as_dict(self) -> dict[str, Any]:
        """Describe the handler in custodian's log."""
        return {"@class": f"Guarded({type(self.handler).__name__})"}


def _inputs(folder: Path) -> list[str]:
    return [name for name in ("INCAR", *FIXED_FILES) if (folder / name).exists()]


def allowed_handlers() -> list[ErrorHandler]:
    """Build the handlers of a label run."""
    return [
        Guarded(VaspErrorHandler(errors_subset_to_catch=list(ALLOWED_ERRORS))),
        Guarded(UnconvergedErrorHandler()),
        Guarded(FrozenJobErrorHandler(timeout=FROZEN_SECONDS)),
    ]
