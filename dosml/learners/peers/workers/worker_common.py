"""What every worker script does: end with its parent, keep time, train, answer requests.

A worker runs in a peer's environment as

    python <peer>_worker.py train FOLDER
    python <peer>_worker.py serve MODEL DEVICE

Training reads `job.json` in the folder and ends with `result.json`. Serving answers one JSON line
(numbers, positions in Å, cell in Å, pbc) with one JSON line (energy in eV, forces in eV/Å, stress
in eV/Å^3, ase's sign and Voigt order). Standard input that ends is the sign to stop at once.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ase.calculators.calculator import Calculator

_TICK_SECONDS = 1.0


def run(train: Callable[..., dict[str, Any]], load: Callable[..., Calculator]) -> None:
    """Do what the command line asks for.

    `train(folder, job)` gives facts; `load(model path, device)` gives an ase calculator.
    """
    if sys.argv[1] == "train":
        _train(train, Path(sys.argv[2]))
    else:
        _serve(load, Path(sys.argv[2]), sys.argv[3])


def choose_device(wanted: str) -> str:
    """Turn auto into cuda where torch sees a GPU, else cpu.

    Raises
    ------
    RuntimeError
        If cuda is asked for and torch sees none.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(
            f"device {wanted} was asked for and torch {torch.__version__} of this environment sees "
            "no GPU: make the environment with `dosml env create NAME --torch-index ...`"
        )
    return wanted


def count_parameters(module: Any) -> int:
    """Learned numbers of a torch module; a saved model may have them frozen."""
    return sum(one.numel() for one in module.parameters())


def drop_broken_checkpoints(paths: Iterable[Path]) -> list[Path]:
    """Remove checkpoints that a kill cut short, give the others."""
    import torch

    whole = []
    for path in paths:
        try:
            torch.load(path, map_location="cpu", weights_only=False)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is of no use
            path.unlink()
        else:
            whole.append(path)
    return whole


def _train(train: Callable[..., dict[str, Any]], folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    attempt = len(list(folder.glob("seconds-*.txt")))
    clock = folder / f"seconds-{attempt}.txt"
    began = time.perf_counter()
    threading.Thread(target=_tick, args=(clock, began), daemon=True).start()
    os.chdir(folder)
    facts = train(folder, job)
    clock.write_text(f"{time.perf_counter() - began:.3f}", encoding="utf-8")
    seconds = sum(
        float(path.read_text(encoding="utf-8") or 0) for path in folder.glob("seconds-*.txt")
    )
    result = {
        **facts,
        "seconds_training": round(seconds, 2),
        "attempts": attempt + 1,
        "peak_memory_mib": round(_peak_memory_mib(), 1),
        "versions": {name: version(name) for name in job["packages"]},
    }
    partial = folder / ".result.json.partial"
    partial.write_text(json.dumps(result, indent=2), encoding="utf-8")
    partial.replace(folder / "result.json")


def _tick(clock: Path, began: float) -> None:
    """Keep the seconds of this attempt on disk, so that a killed one counts too."""
    while True:
        clock.write_text(f"{time.perf_counter() - began:.3f}", encoding="utf-8")
        time.sleep(_TICK_SECONDS)


def _end_with_parent() -> None:
    """Stop at once when the pipe from the parent is closed, however the parent ended."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def _peak_memory_mib() -> float:
    """Of the GPU where one was used, else of this process."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return float(torch.cuda.max_memory_allocated()) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _serve(load: Callable[..., Calculator], model: Path, device: str) -> None:
    # the answers own the pipe: whatever the peer prints goes to the log
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        calculator = load(model, device)
    except Exception as error:  # noqa: BLE001 - the parent says it to the user
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"ready": True})
    for line in sys.stdin:
        try:
            answer(_evaluate(calculator, json.loads(line)))
        except Exception as error:  # noqa: BLE001 - the parent says it to the user
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


def _evaluate(calculator: Calculator, request: dict[str, Any]) -> dict[str, Any]:
    from ase import Atoms

    atoms = Atoms(
        numbers=request["numbers"],
        positions=request["positions"],
        cell=request["cell"],
        pbc=request["pbc"],
    )
    atoms.calc = calculator
    periodic = all(request["pbc"])
    return {
        "energy": float(atoms.get_potential_energy()),
        "forces": _plain(atoms.get_forces()),
        "stress": _plain(atoms.get_stress()) if periodic else None,
    }


def _plain(values: Any) -> Sequence[Any]:
    return values.astype(float).tolist()  # type: ignore[no-any-return]
