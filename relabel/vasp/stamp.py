"""Whether a file is still the one that was read: by its content, not by its time stamps."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NUMBERS = ("bytes", "changed_ns", "inode_changed_ns")
_CHUNK = 4 * 1024**2


@dataclass(frozen=True)
class Stamp:
    """What is kept of a file that was read.

    Attributes
    ----------
    sha256
        Of its bytes.
    bytes
        Their number.
    changed_ns, inode_changed_ns
        Its time stamps: while both stay, the content need not be read again. The second cannot be
        set back by hand. After a copy both differ, and the content decides.
    """

    sha256: str
    bytes: int
    changed_ns: int
    inode_changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Stamp of a file.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        status = path.stat()
        return cls(_sha256(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def facts(self, prefix: str) -> dict[str, str | int]:
        """Plain values for a table, under names that begin with `prefix`."""
        return {f"{prefix}{name}": value for name, value in asdict(self).items()}

    @classmethod
    def of_facts(cls, facts: Mapping[str, object], prefix: str) -> Stamp:
        """Inverse of `facts`.

        Raises
        ------
        KeyError
            If one of them is missing.
        """
        return cls(
            str(facts[f"{prefix}sha256"]),
            *(int(str(facts[f"{prefix}{name}"])) for name in _NUMBERS),
        )

    def fits(self, path: Path) -> bool:
        """Whether a file holds the same bytes; False where it cannot be read."""
        try:
            status = path.stat()
            if status.st_size != self.bytes:
                return False
            if (status.st_mtime_ns, status.st_ctime_ns) == (self.changed_ns, self.inode_changed_ns):
                return True
            return _sha256(path) == self.sha256
        except OSError:
            return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
