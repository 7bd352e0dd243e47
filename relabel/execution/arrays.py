"""Plain Slurm arrays: a batch script that needs neither Parsl nor a driver that stays alive."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.relabel.execution.settings import RunSettings


def write_array(
    study: Path, settings: RunSettings, config: Sequence[Path], *, name: str, parts: int
) -> Path:
    """Write the batch script of an array job.

    Parameters
    ----------
    study
        The study's folder.
    settings
        What each part asks Slurm for.
    config
        The same TOML files, which every part reads again.
    name
        Job name.
    parts
        Length of the array; part k works on jobs k, k + parts, k + 2 parts, ...

    Returns
    -------
    Path
        STUDY/array.sh.

    Raises
    ------
    InputError
        If a name cannot stand in a batch script.
    """
    slurm = settings.slurm
    logs = study / "slurm"
    for path in (study, *config):
        _check_name(path.resolve())
    logs.mkdir(parents=True, exist_ok=True)
    options = {
        "job-name": name,
        "array": f"0-{parts - 1}%{slurm.pilots}",
        # in the names of files % begins a pattern
        "output": f"{str(logs.resolve()).replace('%', '%%')}/%A_%a.out",
        "time": slurm.walltime,
        "nodes": slurm.nodes,
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "cpus-per-task": slurm.cores_per_node,
        "mem": f"{slurm.memory_gb}G" if slurm.memory_gb else None,
        "gpus-per-node": slurm.gpus_per_node or None,
    }
    lines = ["#!/bin/bash"]
    lines += [
        f"#SBATCH --{key}={shlex.quote(str(value))}"
        for key, value in options.items()
        if value is not None
    ]
    lines += ["#SBATCH --exclusive"] if slurm.exclusive else []
    lines += [f"#SBATCH {line}" for line in slurm.sbatch]
    work = [sys.executable, "-m", "dosml", "relabel", "work", str(study.resolve())]
    for path in config:
        work += ["--config", str(path.resolve())]
    lines += [
        "",
        slurm.setup,
        f'{shlex.join(work)} --part "$SLURM_ARRAY_TASK_ID" --parts {parts}',
        "",
    ]
    script = study / "array.sh"
    with whole_file(script) as path:
        path.write_bytes(os.fsencode("\n".join(lines)))
    return script


def _check_name(path: Path) -> None:
    """Refuse what sbatch reads otherwise than a shell does: line breaks, and its own escapes."""
    if any(not character.isprintable() or character == "\\" for character in str(path)):
        raise InputError(
            f"{str(path)!r} holds a line break, a backslash or another character that cannot stand "
            "in a batch script: rename the folder or the file"
        )
