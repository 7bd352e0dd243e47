"""Environments of the peers: made from locked versions, recorded, found, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import EnvironmentBuildError, EnvironmentMissingError, InputError
from dosml.files import FileLock, whole_file
from dosml.learners.peers.build_flare import build_flare
from dosml.records import Record, find_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Environment variable that names the folder of all environments.
FOLDER_VARIABLE = "DOSML_ENVIRONMENTS"
#: PyTorch's index of small CPU wheels.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
#: Written last: without it a folder is not an environment.
RECORD = "dosml-environment.json"


@dataclass(frozen=True)
class Recipe:
    """How one environment is made.

    Attributes
    ----------
    learners
        The learners that run in it.
    packages
        The packages whose versions a reader asks for.
    torch
        Whether it needs torch.
    """

    learners: tuple[str, ...]
    packages: tuple[str, ...]
    torch: bool = True


RECIPES = {
    "flare": Recipe(("flare",), ("mir-flare", "numpy"), torch=False),
    "mace": Recipe(("mace",), ("mace-torch", "e3nn", "torch")),
    "metatrain": Recipe(("soap-bpnn", "pet"), ("metatrain", "torch-spex", "torch")),
    "nequip": Recipe(("nequip",), ("nequip", "e3nn", "torch")),
}
#: Name of a learner -> name of its environment.
ENVIRONMENT_OF = {learner: name for name, recipe in RECIPES.items() for learner in recipe.learners}


class _EnvironmentRecord(Record):
    """What is kept of an `Environment`."""

    name: str
    python_version: str
    created: str
    size_mb: int
    seconds: float
    versions: dict[str, str]


@dataclass(frozen=True)
class Environment:
    """A complete environment.

    Attributes
    ----------
    size_mb
        Size on disk when it was made, 10^6 bytes.
    versions
        Exact versions of all its packages.
    seconds
        What making it took.
    """

    name: str
    folder: Path
    python_version: str
    created: str
    size_mb: int
    seconds: float
    versions: dict[str, str]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


def environments_folder() -> Path:
    """Folder of all environments: DOSML_ENVIRONMENTS, or dosml/environments in the user's cache."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dosml" / "environments"


def environment_name(name: str) -> str:
    """Name of the environment that a user means by its own name or by a learner's.

    Raises
    ------
    InputError
        If there is no such environment.
    """
    if name in RECIPES:
        return name
    if name in ENVIRONMENT_OF:
        return ENVIRONMENT_OF[name]
    known = ", ".join(sorted({*RECIPES, *ENVIRONMENT_OF}))
    raise InputError(f"there is no environment named {name!r}: choose one of {known}")


def find(name: str) -> Environment | None:
    """Read the record of a complete environment, None where there is none."""
    folder = environments_folder() / name
    record = find_record(folder / RECORD, _EnvironmentRecord)
    if record is None:
        return None
    found = Environment(folder=folder, **record.model_dump())
    return found if found.python.exists() else None


def require(learner: str) -> Environment:
    """Give the environment of a learner.

    Raises
    ------
    EnvironmentMissingError
        If it has not been made; the message says the command.
    """
    name = ENVIRONMENT_OF[learner]
    found = find(name)
    if found is None:
        raise EnvironmentMissingError(
            f"the learner {learner} runs in an environment of its own, and {name} is not in "
            f"{environments_folder()}: make it with `dosml env create {name}`"
        )
    return found


def create(
    name: str, *, torch_index: str = TORCH_CPU_INDEX, say: Callable[[str], None]
) -> Environment:
    """Make an environment from its lock, or give the one that is there.

    What a killed run left is removed first; the record that makes a folder an environment is
    written last.

    Parameters
    ----------
    name
        A key of `RECIPES`.
    torch_index
        Index of the torch wheels; the one of a CUDA version for GPUs.
    say
        Called with each step.

    Raises
    ------
    EnvironmentBuildError
        If a step fails; its output is in `create.log` in the folder.
    """
    folder = environments_folder() / name
    with _one_at_a_time(folder):
        return find(name) or _build(name, folder, torch_index, say)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock beside the folder; the kernel lets go of it when the process ends."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        mine = lock.take()
    except OSError as error:
        raise InputError(
            f"cannot write to {folder.parent} ({error.strerror}): name another folder in "
            f"{FOLDER_VARIABLE}"
        ) from error
    if not mine:
        raise EnvironmentBuildError(
            f"another process is making {folder} ({lock.owner()}): wait for it to end"
        )
    with lock:
        # pip inherits it: where this process is killed, nobody removes the folder under pip
        lock.inherit()
        yield


def _build(name: str, folder: Path, torch_index: str, say: Callable[[str], None]) -> Environment:
    recipe = RECIPES[name]
    began = time.perf_counter()
    if folder.exists():
        say(f"{folder} is not complete: starting anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    log = folder / "create.log"
    python = folder / "bin" / "python"

    def run(command: Sequence[str | Path], variables: dict[str, str] | None = None) -> None:
        _run(command, log, variables)

    say(f"{name}: virtual environment in {folder}")
    run([sys.executable, "-m", "venv", folder])
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    locks = files("dosml.learners.peers") / "locks"
    requirements = folder / "requirements.txt"
    requirements.write_text((locks / f"{name}.txt").read_text(encoding="utf-8"), encoding="utf-8")
    if recipe.torch:
        # torch first and alone: the later step finds it installed and asks no other index
        pinned = (locks / "torch.txt").read_text(encoding="utf-8")
        if torch_index != TORCH_CPU_INDEX:
            pinned = pinned.replace("+cpu", "")
        constraints = folder / "torch.txt"
        constraints.write_text(pinned, encoding="utf-8")
        index = "--extra-index-url" if torch_index == TORCH_CPU_INDEX else "--index-url"
        say(f"{name}: torch from {torch_index}")
        run([*pip, "--retries", "0", index, torch_index, "-c", constraints, "torch"])
        pip += ["-c", constraints]
    say(f"{name}: {', '.join(recipe.packages[:1])} and what it needs, in locked versions")
    run([*pip, "-r", requirements])
    if name == "flare":
        say("flare: compiling, four to ten minutes")
        build_flare(folder, run)
    return _record(name, folder, time.perf_counter() - began)


def remove(name: str) -> Path | None:
    """Remove an environment, also an incomplete one; None where there was nothing."""
    folder = environments_folder() / name
    if not folder.exists():
        return None
    # without its record it is no environment from the first moment on
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)
    return folder


def _record(name: str, folder: Path, seconds: float) -> Environment:
    listed = subprocess.run(  # noqa: S603 - our own interpreter
        [folder / "bin" / "python", "-m", "pip", "list", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    versions = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
    size = sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    record = {
        "name": name,
        "python_version": sys.version.split()[0],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "size_mb": round(size / 1e6),
        "seconds": round(seconds, 1),
        "versions": versions,
    }
    with whole_file(folder / RECORD) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    found = find(name)
    assert found is not None
    return found


def _run(command: Sequence[str | Path], log: Path, variables: dict[str, str] | None) -> None:
    words = [str(word) for word in command]
    with log.open("a", encoding="utf-8") as output:
        output.write(f"$ {' '.join(words)}\n")
        output.flush()
        done = subprocess.run(  # noqa: S603 - no shell, our own words
            words,
            check=False,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(variables or {})},
        )
    if done.returncode:
        lines = [
            line
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.strip()
        ]
        errors = [line for line in lines if "ERROR" in line or "error:" in line]
        raise EnvironmentBuildError(
            f"making the environment failed ({(errors or lines)[-1].strip()}): the output is in "
            f"{log}; mend the cause and run the same command again"
        )
