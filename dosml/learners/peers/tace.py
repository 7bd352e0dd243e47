"""TACE: tensor atomic cluster expansion (Zemin Xu et al., Nanjing University), message passing.

The configuration follows the example of its repository. Version 0.2.4 has spherical tensors only:
the irreducible Cartesian ones of earlier versions were removed from it.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dosml.learners.peers.base import Adapter, PeerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData

#: What is watched for the learning rate and for the best model.
_WATCHED = "val/synth_metric"
#: Where Lightning writes what it measures.
METRICS = "logs/version_0/metrics.csv"


class TaceSettings(PeerSettings):
    """TACE's settings; the defaults are those of its example, with fewer channels.

    `l_max` is the largest l of an edge, `message_l_max` that of a node, `correlation` the body
    order of a message, minus one.
    """

    l_max: int = Field(default=3, ge=0, description="largest l of an edge (lmax)")
    message_l_max: int = Field(default=2, ge=0, description="largest l of a node (Lmax)")
    num_layers: int = Field(default=2, ge=1, description="layers")
    num_channels: int = Field(default=32, ge=1, description="channels")
    correlation: int = Field(default=3, ge=1, description="body order of a message, minus one")
    batch_size: int = Field(default=2, ge=1, description="frames")
    learning_rate: float = Field(default=1e-3, gt=0, description="at the start")
    lr_factor: float = Field(
        default=0.5, gt=0, lt=1, description="factor on the learning rate without progress"
    )
    lr_patience: int = Field(
        default=25, ge=1, description="epochs without progress before the learning rate falls"
    )
    patience: int = Field(default=50, ge=1, description="epochs without progress before the end")
    ema_decay: float = Field(default=0.999, gt=0, lt=1, description="of the averaged weights")
    energy_weight: float = Field(default=1.0, ge=0, description="in the loss")
    force_weight: float = Field(default=5.0, ge=0, description="in the loss")
    stress_weight: float = Field(default=0.5, ge=0, description="in the loss")
    dtype: Literal["float32", "float64"] = Field(default="float64", description="precision")


PRESETS = {
    "quick": {"epochs": 10, "num_channels": 8, "message_l_max": 1, "l_max": 2, "correlation": 2,
              "cutoff": 4.5, "learning_rate": 0.01, "dtype": "float32"},
}  # fmt: skip


def configure(settings: TaceSettings, data: TrainingData) -> dict[str, str]:
    """Write `tace.yaml` (JSON, which is YAML) for tace-train."""
    labels = ["energy", "forces", *(["stress"] if data.stress else [])]
    losses = ["mse_energy_per_atom", "mse_forces", *(["mse_stress"] if data.stress else [])]
    weights = [settings.energy_weight, settings.force_weight]
    watched = {
        "monitor_metric_name": _WATCHED,
        "val/energy_per_atom_rmse": 1.0,
        "val/forces_rmse": 1.0,
    }
    if data.stress:
        weights.append(settings.stress_weight)
        watched["val/stress_rmse"] = 1.0
    loader = {
        "_target_": "torch_geometric.loader.DataLoader",
        "drop_last": False,
        "num_workers": 0,
    }
    config = {
        "resume_from_model": None,
        "finetune_from_model": None,
        "finetune": {},
        "misc": {
            "project_name": "model",
            "global_seed": settings.seed,
            "allow_tf32": False,
            "ignore_warning": True,
            "log_level": "info",
            "env": {},
            "LossSkipController": {"enable": False},
        },
        "logger": {
            "_target_": "lightning.pytorch.loggers.CSVLogger",
            "save_dir": ".",
            "name": "logs",
            "version": 0,
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "num_nodes": 1,
            "accelerator": "auto",
            "devices": 1,
            "max_epochs": settings.epochs,
            "precision": 64 if settings.dtype == "float64" else 32,
            "strategy": "auto",
            "gradient_clip_val": 10.0,
            "enable_progress_bar": True,  # it brings a bar of its own
            "log_every_n_steps": 1,
            "enable_model_summary": False,
            "check_val_every_n_epoch": 1,
            "inference_mode": False,
        },
        "callbacks": _callbacks(settings),
        "dataset": {
            "type": "ase",
            "split_seed": settings.seed,
            "train_file": "train.extxyz",
            "valid_file": "valid.extxyz",
            "test_files": None,
            "valid_ratio": 0.1,
            "valid_from_index": False,
            "no_valid_set": False,
            "neighborlist_backend": "matscipy",
            "storage_mode": "memory",
            "force_dtype": None,
            "keys": {f"{name}_key": f"REF_{name}" for name in ("energy", "forces", "stress")},
            "train_dataloader": {**loader, "batch_size": settings.batch_size, "shuffle": True},
            "valid_dataloader": {**loader, "batch_size": 5, "shuffle": False},
            "test_dataloader": {**loader, "batch_size": 5, "shuffle": False},
        },
        "optimizer": {
            "_target_": "torch.optim.AdamW",
            "lr": settings.learning_rate,
            "weight_decay": 1e-8,
        },
        "scheduler": {
            "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
            "mode": "min",
            "factor": settings.lr_factor,
            "patience": settings.lr_patience,
            "extra": {"monitor": _WATCHED, "interval": "epoch", "frequency": 1},
        },
        "synth_metric": watched,
        "loss": {
            "_target_": "tace.utils.loss.NormalLoss",
            "loss_property": labels,
            "loss_function_name": losses,
            "loss_property_weights": weights,
        },
        "model": {"config": _model(settings)},
    }
    return {"tace.yaml": json.dumps(config, indent=2)}


def _callbacks(settings: TaceSettings) -> dict[str, object]:
    callbacks = "lightning.pytorch.callbacks"
    return {
        "early_stopping": {
            "_target_": f"{callbacks}.EarlyStopping",
            "monitor": _WATCHED,
            "patience": settings.patience,
        },
        "ema": {
            "_target_": "tace.utils.callbacks.EMACallback",
            "decay": settings.ema_decay,
            "use_num_updates": True,
        },
        "checkpoint_epoch": {
            "_target_": f"{callbacks}.ModelCheckpoint",
            "dirpath": "checkpoints",
            "filename": "best",
            "monitor": _WATCHED,
            "mode": "min",
            "save_top_k": 1,
            "save_last": True,
            "every_n_epochs": 1,
            "save_weights_only": False,
            "auto_insert_metric_name": False,
        },
    }


def _model(settings: TaceSettings) -> dict[str, object]:
    return {
        "_target_": "tace.models.e3nnTACE",
        "wrapper": {"_target_": "tace.models.TensorModel"},
        "cutoff": settings.cutoff,
        "max_neighbors": None,
        "atomic_numbers": None,
        "fidelity": [{"name": "labels", "atomic_energy": None}],
        "mmax": settings.l_max,
        "Lmax": settings.message_l_max,
        "lmax": settings.l_max,
        "num_layers": settings.num_layers,
        "num_channel": settings.num_channels,
        "parity": False,
        "node_embedding": {"type": "linear"},
        "edge_embedding": {"type": "identity"},
        "edge_update": {"type": "element2"},
        "radial_basis": {
            "radial_basis": "j0",
            "num_radial_basis": 8,
            "distance_transform": None,
            "cutoff_fn": "c2poly",
            "polynomial_cutoff": 5,
            "order": 0,
            "trainable": False,
            "apply_cutoff": False,
            "hidden": [64, 64],
            "bias": True,
        },
        "resnet": {"type": "BB", "linear_type": "aware", "use_first_resnet": False},
        "layer_norm": {
            "pre_norm_type": None,
            "final_norm_type": None,
            "use_first_pre_norm": False,
        },
        "atomic_basis": {
            "type": "cgtp",
            "scatter_norm": "avg_num_neighbors",
            "nonlinear": "gate",
            "edge_nonlinear": "gate",
        },
        "product_basis": {"type": "cgtp", "correlation": settings.correlation},
        "readout_emlp": {"bias": False, "hidden": [16], "use_alllayer": False},
        "scale_shift": {
            "enable": True,
            "scale_type": "rms_forces",
            "shift_type": None,
            "scale_trainable": False,
            "shift_trainable": False,
            "all_atoms": False,
        },
        "short_range": {"zbl": {"enable": False, "trainable": False}},
        "long_range": {"les": {"enable": False, "les_arguments": {}}},
        "universal_embedding": {
            "charges": {"enable": False},
            "total_charge": {"enable": False},
        },
    }


def epochs_done(folder: Path) -> int:
    """Count the epochs that the log of measures tells of."""
    with (folder / METRICS).open(encoding="utf-8") as handle:
        return max((int(row["epoch"]) for row in csv.DictReader(handle)), default=-1) + 1


ADAPTER = Adapter(
    name="tace",
    help="TACE, tensor atomic cluster expansion with message passing",
    settings=TaceSettings,
    presets=PRESETS,
    packages=("tace", "e3nn", "torch"),
    worker="tace_worker.py",
    model_file="tace.ckpt",
    configure=configure,
    epochs_done=epochs_done,
)
