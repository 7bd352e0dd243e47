"""TACE, inside its own environment."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

from worker_common import choose_device, count_parameters, drop_broken_checkpoints, run

if TYPE_CHECKING:
    from pathlib import Path


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run tace-train on `tace.yaml`; a run that was cut goes on from its last checkpoint."""
    device = choose_device(job["device"])
    kept = drop_broken_checkpoints((folder / "checkpoints").glob("*.ckpt"))
    overrides = ["hydra.run.dir=.", "hydra.output_subdir=null"]
    overrides.append(f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}")
    if any(path.name == "last.ckpt" for path in kept):
        overrides.append("resume_from_model=checkpoints/last.ckpt")
    sys.argv = ["tace-train", *overrides]
    # it looks for its configuration where it is imported
    from tace.scripts.train import main

    main()
    best = max((folder / "checkpoints").glob("best*.ckpt"), key=lambda path: path.stat().st_mtime)
    model = load_module(best)
    best.replace(folder / "tace.ckpt")
    with (folder / "logs/version_0/metrics.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    watched = [float(row["val/synth_metric"]) for row in rows if row.get("val/synth_metric")]
    return {
        "device": device,
        "epochs": max(int(row["epoch"]) for row in rows) + 1,
        "best_validation_loss": min(watched) if watched else 0.0,
        "n_parameters": count_parameters(model),
    }


def load_module(path: Path) -> Any:
    """Give the torch module of a checkpoint."""
    from tace.lightning import load_tace

    return load_tace(str(path), "cpu", strict=True, use_ema=True)


def load(model: Path, device: str) -> Any:
    """Give the ase calculator of a model."""
    from tace.interface.ase.calculator import TACEAseCalc

    # a model that was trained without stress labels has stresses all the same
    wanted = ["energy", "forces", "stress"]
    return TACEAseCalc(str(model), device=choose_device(device), target_property=wanted)


if __name__ == "__main__":
    run(train, load)
