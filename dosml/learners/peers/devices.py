"""Which GPUs the trainings of a peer may use."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from dosml.errors import InputError

if TYPE_CHECKING:
    from dosml.learners.peers.environments import Environment


def usable_gpus(device: str, environment: Environment) -> list[int]:
    """Numbers of the GPUs that trainings in an environment may use; empty: the processor.

    Raises
    ------
    InputError
        If the device is cuda and there is no GPU that the environment's torch can use.
    """
    torch = environment.versions.get("torch")
    if device == "cpu" or torch is None:  # FLARE knows processors only
        return []
    gpus = visible_gpus()
    name = environment.name
    if device == "cuda" and not gpus:
        raise InputError("--device cuda: nvidia-smi finds no GPU here; leave --device out")
    if device == "cuda" and torch.endswith("+cpu"):
        raise InputError(
            f"--device cuda: the environment {name} has torch for processors ({torch}): run `dosml "
            f"env remove {name}`, then `dosml env create {name} --torch-index` with the index of "
            "your CUDA version, such as https://download.pytorch.org/whl/cu130"
        )
    return [] if torch.endswith("+cpu") else gpus


def visible_gpus() -> list[int]:
    """Numbers of the NVIDIA GPUs here; empty where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], check=False, capture_output=True, text=True)  # noqa: S603
    if listed.returncode:
        return []
    return list(range(sum(line.startswith("GPU ") for line in listed.stdout.splitlines())))
