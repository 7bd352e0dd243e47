"""Start a program that dies with the process that started it.

    python -m dosml.relabel.execution.leash PROGRAM ARGUMENT...

A worker that is killed outright cannot end its VASP, which would go on writing into the job folder
while the next run starts another one there. The kernel can: PR_SET_PDEATHSIG (Linux) survives exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent = os.getppid()
    if sys.platform == "linux":
        # SIGTERM, which mpirun and srun pass on to their ranks
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            sys.exit(143)
    program = sys.argv[1:]
    try:
        os.execvp(program[0], program)  # noqa: S606 - the user's own command
    except OSError as error:
        sys.exit(f"cannot start {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
