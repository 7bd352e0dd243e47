"""MACE, inside its own environment."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from worker_common import choose_device, count_parameters, drop_broken_checkpoints, run

if TYPE_CHECKING:
    from pathlib import Path


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run mace_run_train on `config.yaml`; it goes on from the latest checkpoint by itself."""
    import mace  # noqa: F401 - must come before e3nn

    device = choose_device(job["device"])
    drop_broken_checkpoints((folder / "checkpoints").glob("*.pt"))
    sys.argv = ["mace_run_train", "--config", "config.yaml", "--device", device]
    from mace.cli.run_train import main

    main()
    return {"device": device, **_facts(folder)}


def _facts(folder: Path) -> dict[str, Any]:
    import torch

    # the second stage, with its larger weight of energies, gives the final model
    two = folder / "model_stagetwo.model"
    final = two if two.exists() else folder / "model.model"
    model = torch.load(final, map_location="cpu", weights_only=False)
    final.replace(folder / "mace.model")
    (log,) = (folder / "results").glob("model_run-*_train.txt")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    evaluated = [row for row in rows if row["mode"] == "eval" and row["epoch"] is not None]
    return {
        "epochs": max(row["epoch"] for row in evaluated) + 1,
        "best_validation_loss": min(row["loss"] for row in evaluated),
        "n_parameters": count_parameters(model),
    }


def load(model: Path, device: str) -> Any:
    """Give the ase calculator of a model."""
    import mace  # noqa: F401 - must come before e3nn
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=str(model), device=choose_device(device))


if __name__ == "__main__":
    run(train, load)
