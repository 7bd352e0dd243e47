"""A trained model, alive in its environment's process: one JSON line asks, one answers."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from dosml.errors import LearnerError
from dosml.learners.peers.jobs import last_line, worker_path
from dosml.relabel.execution.executors import THREAD_VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.learners.peers.base import Adapter
    from dosml.learners.peers.environments import Environment


class ModelProcess:
    """A worker that has loaded one model; starts at the first question.

    Parameters
    ----------
    adapter
        The peer.
    environment
        Where it runs.
    model
        File of the trained model.
    device
        cpu, cuda or auto.
    threads
        Of the worker's numerical libraries.
    """

    def __init__(
        self,
        adapter: Adapter,
        environment: Environment,
        model: Path,
        *,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self._command = [
            str(environment.python),
            str(worker_path(adapter.worker)),
            "serve",
            str(model.absolute()),
            device,
        ]
        self._name = adapter.name
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        """Nothing starts yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self.close()

    def close(self) -> None:
        """End the worker; the next question starts another."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def evaluate(
        self, atoms: Atoms
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64] | None]:
        """Energy (eV), forces (n_atoms, 3) (eV/Å), stress (6,) (eV/Å^3, ase's sign and order).

        The stress is None where the frame is not periodic in all directions.

        Raises
        ------
        LearnerError
            If the worker fails, or its numbers are not finite.
        """
        answer = self._ask(
            {
                "numbers": atoms.numbers.tolist(),
                "positions": atoms.positions.tolist(),
                "cell": atoms.cell.array.tolist(),
                "pbc": atoms.pbc.tolist(),
            }
        )
        try:
            stress = None if answer["stress"] is None else np.array(answer["stress"], dtype=float)
            energy, forces = float(answer["energy"]), np.array(answer["forces"], dtype=float)
        except (KeyError, TypeError, ValueError) as error:
            raise LearnerError(f"the {self._name} model answers nonsense: {error}") from error
        numbers = (energy, forces) if stress is None else (energy, forces, stress)
        if forces.shape != (len(atoms), 3) or not all(np.isfinite(one).all() for one in numbers):
            raise LearnerError(
                f"the {self._name} model gives energy, forces or stress that are not finite, or "
                f"forces of shape {forces.shape} for {len(atoms)} atoms: it is damaged, or the "
                "frame is far from what it was trained on"
            )
        return energy, forces, stress

    def _start(self) -> None:
        # a file, not a pipe: nobody would empty the pipe
        self._log = tempfile.NamedTemporaryFile(  # noqa: SIM115
            "w+", encoding="utf-8", prefix="dosml-model-", suffix=".log"
        )
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(self._threads))},
        )
        weakref.finalize(self, _end, self._process)
        self._answer()

    def _ask(self, content: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(content) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        try:
            answer = dict(json.loads(line))
        except (ValueError, TypeError) as error:
            raise LearnerError(f"the {self._name} model answers nonsense: {line[:80]!r}") from error
        if "error" in answer:
            raise LearnerError(f"the {self._name} model failed: {answer['error']}")
        return answer

    def _died(self) -> LearnerError:
        from pathlib import Path

        assert self._process is not None
        assert self._log is not None
        self._process.wait()
        text = last_line(Path(self._log.name))
        code = self._process.returncode
        self.close()
        return LearnerError(f"the {self._name} model's process ended with code {code}: {text}")


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
