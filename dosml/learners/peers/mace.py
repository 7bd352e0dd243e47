"""MACE: equivariant message passing of high body order (Batatia et al., NeurIPS 2022)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dosml.learners.peers.base import Adapter, PeerSettings
from dosml.learners.peers.curves import mace_curve

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData


class MaceSettings(PeerSettings):
    """MACE's settings; the defaults are those of its documentation for training from scratch.

    `l_max` is the largest l of the spherical harmonics (max_ell), `message_l_max` that of the
    messages (max_L). In a second stage, the last quarter of the epochs, energies weigh
    `stage_two_energy_weight`: without it a short run leaves a constant offset of the energy.
    """

    l_max: int = Field(
        default=3, ge=0, description="largest l of the spherical harmonics (max_ell)"
    )
    message_l_max: int = Field(default=1, ge=0, description="largest l of the messages (max_L)")
    num_channels: int = Field(default=64, ge=1, description="channels of a message")
    num_interactions: int = Field(default=2, ge=1, description="layers")
    correlation: int = Field(default=3, ge=1, description="body order of a message, minus one")
    batch_size: int = Field(default=2, ge=1, description="frames")
    learning_rate: float = Field(default=0.01, gt=0, description="at the start")
    lr_factor: float = Field(
        default=0.8, gt=0, lt=1, description="factor on the learning rate without progress"
    )
    lr_patience: int = Field(
        default=20, ge=1, description="epochs without progress before the learning rate falls"
    )
    patience: int = Field(default=100, ge=1, description="epochs without progress before the end")
    ema_decay: float = Field(default=0.99, gt=0, lt=1, description="of the averaged weights")
    energy_weight: float = Field(default=1.0, ge=0, description="in the loss")
    force_weight: float = Field(default=100.0, ge=0, description="in the loss")
    stress_weight: float = Field(default=1.0, ge=0, description="in the loss")
    stage_two_energy_weight: float = Field(
        default=1000.0, ge=0, description="in the loss of the last quarter of the epochs"
    )
    dtype: Literal["float32", "float64"] = Field(default="float64", description="precision")


PRESETS = {
    "quick": {"epochs": 10, "num_channels": 8, "message_l_max": 0, "l_max": 2, "correlation": 2,
              "cutoff": 4.5, "dtype": "float32"},
}  # fmt: skip


def configure(settings: MaceSettings, data: TrainingData) -> dict[str, str]:
    """Write `config.yaml` (JSON, which is YAML) for mace_run_train."""
    start_two = max(1, settings.epochs - max(1, settings.epochs // 4))
    config: dict[str, object] = {
        "name": "model",
        "seed": settings.seed,
        "model": "MACE",
        "work_dir": ".",
        "train_file": "train.extxyz",
        "valid_file": "valid.extxyz",
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "stress_key": "REF_stress",
        "E0s": "average",
        "r_max": settings.cutoff,
        "max_ell": settings.l_max,
        "max_L": settings.message_l_max,
        "num_channels": settings.num_channels,
        "num_interactions": settings.num_interactions,
        "correlation": settings.correlation,
        "batch_size": min(settings.batch_size, data.n_train),
        "valid_batch_size": min(5, data.n_valid),
        "max_num_epochs": settings.epochs,
        "eval_interval": 1,
        "lr": settings.learning_rate,
        "lr_factor": settings.lr_factor,
        "scheduler_patience": settings.lr_patience,
        "patience": settings.patience,
        "amsgrad": True,
        "ema": True,
        "ema_decay": settings.ema_decay,
        "loss": "stress" if data.stress else "weighted",
        "energy_weight": settings.energy_weight,
        "forces_weight": settings.force_weight,
        "default_dtype": settings.dtype,
        "error_table": "PerAtomMAE",
        "plot": False,
        "num_workers": 0,
        "restart_latest": True,
    }
    if data.stress:
        config["stress_weight"] = settings.stress_weight
        config["swa_stress_weight"] = settings.stress_weight
    if start_two < settings.epochs:
        config |= {
            "swa": True,
            "start_swa": start_two,
            "swa_energy_weight": settings.stage_two_energy_weight,
            "swa_forces_weight": settings.force_weight,
        }
    return {"config.yaml": json.dumps(config, indent=2)}


def epochs_done(folder: Path) -> int:
    """Count the evaluations in the log of results."""
    return sum(
        '"mode": "eval"' in line and '"epoch": null' not in line
        for path in (folder / "results").glob("model_run-*_train.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
    )


ADAPTER = Adapter(
    name="mace",
    help="MACE, equivariant message passing of high body order",
    settings=MaceSettings,
    presets=PRESETS,
    packages=("mace-torch", "e3nn", "torch"),
    worker="mace_worker.py",
    model_file="mace.model",
    configure=configure,
    epochs_done=epochs_done,
    curve=mace_curve,
)
