"""NequIP: E(3)-equivariant message passing (Batzner et al., Nat. Commun. 13, 2453 (2022))."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dosml.learners.peers.base import Adapter, PeerSettings
from dosml.learners.peers.curves import nequip_curve

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData

_MONITORED = "val0_epoch/weighted_sum"


class NequipSettings(PeerSettings):
    """NequIP's settings; the defaults are those of its tutorial, with batches of one frame.

    The learning rate falls by `lr_factor` after `lr_patience` epochs without progress on the
    validation loss; training stops after `patience` such epochs, or under `lr_stop`.
    """

    l_max: int = Field(default=1, ge=0, le=5, description="largest l of the features")
    num_layers: int = Field(default=4, ge=1, description="layers")
    num_features: int = Field(default=32, ge=1, description="features of each l")
    parity: bool = Field(default=True, description="also odd features")
    batch_size: int = Field(default=1, ge=1, description="frames")
    learning_rate: float = Field(default=0.01, gt=0, description="at the start")
    lr_factor: float = Field(
        default=0.6, gt=0, lt=1, description="factor on the learning rate without progress"
    )
    lr_patience: int = Field(
        default=10, ge=1, description="epochs without progress before the learning rate falls"
    )
    lr_stop: float = Field(default=1e-6, ge=0, description="learning rate at which training ends")
    patience: int = Field(default=50, ge=1, description="epochs without progress before the end")
    ema_decay: float = Field(default=0.99, gt=0, lt=1, description="of the averaged weights")
    energy_weight: float = Field(default=1.0, ge=0, description="in the loss, per atom")
    force_weight: float = Field(default=1.0, ge=0, description="in the loss")
    stress_weight: float = Field(default=1.0, ge=0, description="in the loss")
    dtype: Literal["float32", "float64"] = Field(default="float32", description="precision")


#: TM23: per-atom energy, forces and stress weigh 1 each; the learning rate is reduced by 80 % after
#: 100 epochs without progress; the end is at 1e-5.
PRESETS = {
    "paper": {"epochs": 100_000, "lr_factor": 0.2, "lr_patience": 100, "lr_stop": 1e-5,
              "patience": 100_000, "ema_decay": 0.99},
    "quick": {"epochs": 10, "num_layers": 2, "num_features": 8, "cutoff": 4.5},
}  # fmt: skip


def configure(settings: NequipSettings, data: TrainingData) -> dict[str, str]:
    """Write `config.yaml` (JSON, which is YAML) for nequip-train."""
    kind = "EnergyForceStress" if data.stress else "EnergyForce"
    weights = {"total_energy": settings.energy_weight, "forces": settings.force_weight}
    metrics = {"per_atom_energy_rmse": 1.0, "forces_rmse": 1.0, "total_energy_rmse": None}
    mapping = {"REF_energy": "total_energy", "REF_forces": "forces"}
    if data.stress:
        weights["stress"] = settings.stress_weight
        metrics["stress_rmse"] = 1.0
        mapping["REF_stress"] = "stress"
    loader = {"_target_": "torch.utils.data.DataLoader", "num_workers": 0}
    metrics_block = {"_target_": f"nequip.train.{kind}Metrics", "coeffs": metrics}
    config = {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": settings.seed,
            "train_file_path": "train.extxyz",
            "val_file_path": "valid.extxyz",
            "include_keys": list(mapping),
            "key_mapping": mapping,
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": data.species,
                    "chemical_species_to_atom_type_map": {one: one for one in data.species},
                },
                {
                    "_target_": "nequip.data.transforms.NeighborListTransform",
                    "r_max": settings.cutoff,
                },
            ],
            "train_dataloader": {**loader, "batch_size": settings.batch_size, "shuffle": True},
            "val_dataloader": {**loader, "batch_size": 5},
            "stats_manager": {
                "_target_": "nequip.data.CommonDataStatisticsManager",
                "dataloader_kwargs": {"batch_size": 10},
                "type_names": data.species,
            },
        },
        "trainer": _trainer(settings),
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": settings.ema_decay,
            "loss": {
                "_target_": f"nequip.train.{kind}Loss",
                "per_atom_energy": True,
                "coeffs": weights,
            },
            "val_metrics": metrics_block,
            "train_metrics": metrics_block,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": settings.learning_rate},
            "lr_scheduler": {
                "scheduler": {
                    "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
                    "factor": settings.lr_factor,
                    "patience": settings.lr_patience,
                    "threshold": 1e-4,
                },
                "monitor": _MONITORED,
                "interval": "epoch",
                "frequency": 1,
            },
            "model": _model(settings, data),
        },
    }
    return {"config.yaml": json.dumps(config, indent=2)}


def _trainer(settings: NequipSettings) -> dict[str, Any]:
    callbacks = "lightning.pytorch.callbacks"
    return {
        "_target_": "lightning.Trainer",
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": settings.epochs,
        "enable_progress_bar": False,
        "log_every_n_steps": 1_000_000,
        "logger": {
            "_target_": "lightning.pytorch.loggers.CSVLogger",
            "save_dir": "run",
            "name": "log",
            "flush_logs_every_n_steps": 1,
        },
        "callbacks": [
            {
                "_target_": f"{callbacks}.ModelCheckpoint",
                "monitor": _MONITORED,
                "dirpath": "run",
                "filename": "best",
                "save_last": True,
                "enable_version_counter": False,
            },
            {"_target_": f"{callbacks}.LearningRateMonitor", "logging_interval": "epoch"},
            {
                "_target_": f"{callbacks}.EarlyStopping",
                "monitor": _MONITORED,
                "min_delta": 0.0,
                "patience": settings.patience,
            },
            {
                "_target_": f"{callbacks}.EarlyStopping",
                "monitor": "lr-Adam",
                "min_delta": 0.0,
                "patience": 1_000_000,
                "stopping_threshold": settings.lr_stop,
            },
        ],
    }


def _model(settings: NequipSettings, data: TrainingData) -> dict[str, Any]:
    return {
        "_target_": "nequip.model.NequIPGNNModel",
        "seed": settings.seed,
        "model_dtype": settings.dtype,
        "type_names": data.species,
        "r_max": settings.cutoff,
        "num_bessels": 8,
        "polynomial_cutoff_p": 6,
        "num_layers": settings.num_layers,
        "l_max": settings.l_max,
        "parity": settings.parity,
        "num_features": settings.num_features,
        "radial_mlp_depth": 2,
        "radial_mlp_width": 64,
        "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
        "per_type_energy_scales": "${training_data_stats:per_type_forces_rms}",
        "per_type_energy_shifts": "${training_data_stats:per_atom_energy_mean}",
    }


def epochs_done(folder: Path) -> int:
    """Count the lines of the metrics log: one a training epoch, one a validation, one a rate."""
    count = 0
    for path in (folder / "run" / "log").glob("version_*/metrics.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        column = lines[0].split(",").index(_MONITORED) if lines and _MONITORED in lines[0] else None
        if column is not None:
            count += sum(bool(line.split(",")[column : column + 1] != [""]) for line in lines[1:])
    return count


ADAPTER = Adapter(
    name="nequip",
    help="NequIP, equivariant message passing",
    settings=NequipSettings,
    presets=PRESETS,
    packages=("nequip", "e3nn", "torch"),
    worker="nequip_worker.py",
    model_file="model.ckpt",
    configure=configure,
    epochs_done=epochs_done,
    curve=nequip_curve,
)
