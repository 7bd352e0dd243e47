"""SOAP-BPNN and PET, trained by metatrain.

metatrain has no early stopping: its learning rate falls to zero over the epochs that were asked
for. The model of the best validation epoch is kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dosml.learners.peers.base import Adapter, PeerSettings
from dosml.learners.peers.curves import metatrain_curve

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData


class MetatrainSettings(PeerSettings):
    """What both architectures have in common.

    metatrain weighs the virial of the whole cell (eV); here `stress_weight` weighs the virial per
    atom, or else it would rule the loss. Single precision rounds the total energy, which includes
    the atoms' share: too coarse for energy differences of metals.
    """

    batch_size: int = Field(default=2, ge=1, description="frames")
    energy_weight: float = Field(default=1.0, ge=0, description="in the loss")
    force_weight: float = Field(default=1.0, ge=0, description="in the loss")
    stress_weight: float = Field(default=1.0, ge=0, description="in the loss, virial per atom")
    dtype: Literal["float32", "float64"] = Field(default="float64", description="precision")


class SoapBpnnSettings(MetatrainSettings):
    """Behler-Parrinello networks on SOAP; metatrain's defaults, with small batches.

    `l_max` and `n_max` are the angular and radial channels of the SOAP power spectrum.
    """

    l_max: int = Field(default=6, ge=0, description="angular channels of the power spectrum")
    n_max: int = Field(default=7, ge=1, description="radial channels of the power spectrum")
    num_hidden_layers: int = Field(default=2, ge=1, description="hidden layers")
    num_neurons: int = Field(default=32, ge=1, description="neurons in a layer")
    learning_rate: float = Field(default=1e-3, gt=0, description="at the start")


class PetSettings(MetatrainSettings):
    """Point-edge transformer; metatrain's defaults, with small batches.

    `d_pet` is the width of the edge features, `d_node` of the node features.
    """

    cutoff: float = Field(default=4.5, gt=0, description="Å")
    d_pet: int = Field(default=128, ge=8, description="width of the edge features")
    d_node: int = Field(default=256, ge=8, description="width of the node features")
    d_head: int = Field(default=128, ge=8, description="width of the last layers")
    d_feedforward: int = Field(default=256, ge=8, description="width of the feed-forward layers")
    num_heads: int = Field(default=8, ge=1, description="attention heads")
    num_attention_layers: int = Field(default=2, ge=1, description="in a message-passing layer")
    num_gnn_layers: int = Field(default=2, ge=1, description="message-passing layers")
    learning_rate: float = Field(default=1e-4, gt=0, description="at the start")


SOAP_PRESETS = {
    "quick": {"epochs": 10, "l_max": 3, "n_max": 4, "cutoff": 4.5, "learning_rate": 0.01}
}
PET_PRESETS = {
    "quick": {"epochs": 10, "d_pet": 16, "d_node": 32, "d_head": 16, "d_feedforward": 32,
              "num_heads": 2, "num_gnn_layers": 1, "num_attention_layers": 1,
              "learning_rate": 5e-3},
}  # fmt: skip


def configure_soap(settings: SoapBpnnSettings, data: TrainingData) -> dict[str, str]:
    """Write `options.yaml` (JSON, which is YAML) for mtt train."""
    model = {
        "soap": {
            "max_angular": settings.l_max,
            "max_radial": settings.n_max,
            "cutoff": {"radius": settings.cutoff, "width": 0.5},
        },
        "bpnn": {
            "num_hidden_layers": settings.num_hidden_layers,
            "num_neurons_per_layer": settings.num_neurons,
        },
    }
    return _options("soap_bpnn", model, settings, settings.learning_rate, data)


def configure_pet(settings: PetSettings, data: TrainingData) -> dict[str, str]:
    """Write `options.yaml` (JSON, which is YAML) for mtt train."""
    model = {
        "cutoff": settings.cutoff,
        "d_pet": settings.d_pet,
        "d_node": settings.d_node,
        "d_head": settings.d_head,
        "d_feedforward": settings.d_feedforward,
        "num_heads": settings.num_heads,
        "num_attention_layers": settings.num_attention_layers,
        "num_gnn_layers": settings.num_gnn_layers,
    }
    return _options("pet", model, settings, settings.learning_rate, data)


def _options(
    architecture: str,
    model: dict[str, Any],
    settings: MetatrainSettings,
    learning_rate: float,
    data: TrainingData,
) -> dict[str, str]:
    # by these names: others are taken without a word and have no effect
    gradients = {"positions": settings.force_weight}
    if data.stress:
        gradients["strain"] = settings.stress_weight / data.mean_atoms**2

    def frames(name: str) -> dict[str, Any]:
        energy = {
            "key": "REF_energy",
            "unit": "eV",
            "forces": {"key": "REF_forces"},
            "stress": {"key": "REF_stress"} if data.stress else False,
        }
        return {
            "systems": {"read_from": name, "length_unit": "angstrom"},
            "targets": {"energy": energy},
        }

    options = {
        "seed": settings.seed,
        "base_precision": 32 if settings.dtype == "float32" else 64,
        "device": "cpu",
        "architecture": {
            "name": architecture,
            "model": model,
            "training": {
                "batch_size": min(settings.batch_size, data.n_train, data.n_valid),
                "num_epochs": settings.epochs,
                "learning_rate": learning_rate,
                "log_interval": 1,
                "checkpoint_interval": 5,
                "num_workers": 0,
                "loss": {
                    "energy": {
                        "type": "mse",
                        "weight": settings.energy_weight,
                        "gradients": {
                            name: {"type": "mse", "weight": weight}
                            for name, weight in gradients.items()
                        },
                    }
                },
            },
        },
        "training_set": frames("train.extxyz"),
        "validation_set": frames("valid.extxyz"),
        "test_set": 0.0,
    }
    return {"options.yaml": json.dumps(options, indent=2)}


def epochs_done(folder: Path) -> int:
    """Read the last epoch from the log table, two lines of which are the heading."""
    last = -1
    for path in (folder / "outputs").glob("*/*/train.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()[2:]
        last = max([last, *(int(line.split(",")[0]) for line in lines)])
    return last + 1


_PACKAGES = ("metatrain", "metatensor-torch", "metatomic-torch", "torch")
SOAP_BPNN = Adapter(
    name="soap-bpnn",
    help="neural networks on the SOAP power spectrum (metatrain)",
    settings=SoapBpnnSettings,
    presets=SOAP_PRESETS,
    packages=(*_PACKAGES, "torch-spex", "sphericart-torch"),
    worker="metatrain_worker.py",
    model_file="model.pt",
    configure=configure_soap,
    epochs_done=epochs_done,
    curve=metatrain_curve,
)
PET = Adapter(
    name="pet",
    help="PET, a point-edge transformer (metatrain)",
    settings=PetSettings,
    presets=PET_PRESETS,
    packages=_PACKAGES,
    worker="metatrain_worker.py",
    model_file="model.pt",
    configure=configure_pet,
    epochs_done=epochs_done,
    curve=metatrain_curve,
)
