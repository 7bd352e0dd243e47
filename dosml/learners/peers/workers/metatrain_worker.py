"""metatrain (SOAP-BPNN and PET), inside its own environment."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from worker_common import choose_device, count_parameters, drop_broken_checkpoints, run


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run mtt train on `options.yaml`, from the latest checkpoint where there is one."""
    device = choose_device(job["device"])
    checkpoints = drop_broken_checkpoints((folder / "outputs").glob("*/*/*.ckpt"))
    sys.argv = ["mtt", "train", "options.yaml", "-o", "model.pt", "-r", f"device={device}"]
    if checkpoints:
        latest = max(checkpoints, key=lambda path: path.stat().st_mtime)
        sys.argv += ["--restart", str(latest)]
    from metatrain.__main__ import main

    main()
    return {"device": device, **_facts(folder)}


def _facts(folder: Path) -> dict[str, Any]:
    import torch
    from metatrain.utils.io import load_model

    # each attempt has a folder of its own, named by date and time
    rows: list[dict[str, str]] = []
    for path in sorted((folder / "outputs").glob("*/*/train.csv")):
        with path.open() as handle:
            names, _units, *lines = list(csv.reader(handle))
        rows += [dict(zip(names, line, strict=True)) for line in lines]
    state = torch.load(folder / "model.ckpt", map_location="cpu", weights_only=False)
    return {
        "epochs": max(int(row["Epoch"]) for row in rows) + 1,
        "best_epoch": state.get("best_epoch"),
        "best_validation_loss": min(float(row["validation loss"]) for row in rows),
        "n_parameters": count_parameters(load_model(folder / "model.ckpt")),
    }


def load(model: Path, device: str) -> Any:
    """Give the ase calculator of an exported model."""
    # without it an exported SOAP-BPNN gives right energies and wrong forces
    import sphericart.torch  # noqa: F401
    from metatomic_ase import MetatomicCalculator

    return MetatomicCalculator(str(Path(model)), device=choose_device(device))


if __name__ == "__main__":
    run(train, load)
