"""NequIP, inside its own environment."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

from worker_common import choose_device, count_parameters, drop_broken_checkpoints, run

if TYPE_CHECKING:
    from pathlib import Path


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run nequip-train on `config.yaml`, from the last checkpoint where there is one."""
    device = choose_device(job["device"])
    accelerator = "gpu" if device.startswith("cuda") else "cpu"
    sys.argv = [
        "nequip-train",
        "-cp",
        str(folder),
        "-cn",
        "config",
        f"hydra.run.dir={folder}/run",
        "hydra.job.chdir=false",
        f"++trainer.accelerator={accelerator}",
    ]
    last = folder / "run" / "last.ckpt"
    if drop_broken_checkpoints([last] if last.exists() else []):
        sys.argv.append(f"++ckpt_path={last}")
    from nequip.scripts.train import main

    main()
    return {"device": device, **_facts(folder)}


def _facts(folder: Path) -> dict[str, Any]:
    from nequip.model.saved_models.load_utils import load_saved_model

    best = folder / "run" / "best.ckpt"
    best.replace(folder / "model.ckpt")
    # a resumed run keeps a log of its own in the next version_N folder
    rows: list[dict[str, str]] = []
    for path in sorted((folder / "run" / "log").glob("version_*/metrics.csv")):
        with path.open() as handle:
            rows += list(csv.DictReader(handle))
    losses = [float(row[MONITORED]) for row in rows if row.get(MONITORED)]
    epochs = [int(row["epoch"]) for row in rows if row.get("epoch")]
    model = load_saved_model(
        str(folder / "model.ckpt"), compile_mode="eager", model_key="sole_model"
    )
    return {
        "epochs": max(epochs) + 1,
        "best_validation_loss": min(losses),
        "n_parameters": count_parameters(model),
    }


#: The name under which NequIP keeps the number that early stopping watches.
MONITORED = "val0_epoch/weighted_sum"


def load(model: Path, device: str) -> Any:
    """Give the ase calculator of a checkpoint (its averaged weights)."""
    from nequip.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(  # noqa: SLF001 - compiling takes minutes a model
        str(model), device=choose_device(device)
    )


if __name__ == "__main__":
    run(train, load)
