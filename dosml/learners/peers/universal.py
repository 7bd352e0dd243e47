"""Universal potentials whose weights come with their packages: CHGNet and SevenNet.

As they are (Deng et al., Nat. Mach. Intell. 5, 1031 (2023); Park et al., J. Chem. Theory Comput.
20, 4857 (2024)), with one energy per element fitted to the training labels; and CHGNet's frozen
atom features under random Fourier features and a ridge regression, after Novelli et al.
(arXiv:2505.05652).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dosml.learners.peers.base import Adapter, UniversalSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData

_WORKER = "universal_worker.py"


class ZeroShotSettings(UniversalSettings):
    """What a finished potential leaves open."""

    energy_frames: int = Field(
        default=20, ge=1, description="training frames that the energy of each element is fitted to"
    )


class ChgnetSettings(ZeroShotSettings):
    """CHGNet: the weights 0.3.0 are of PBE, r2scan of r2SCAN."""

    weights: Literal["0.3.0", "0.2.0", "r2scan"] = Field(
        default="0.3.0", description="which of the weights in the package"
    )


class SevennetSettings(ZeroShotSettings):
    """SevenNet: three sets of weights come with the package."""

    weights: Literal["7net-0", "7net-l3i5", "7net-mf-0"] = Field(
        default="7net-0", description="which of the weights in the package"
    )


class RandomFeatureSettings(UniversalSettings):
    """Random Fourier features of CHGNet's 64 atom features, and a ridge on energies and forces.

    Forces enter as their projections on random directions of each frame, `directions` in all, since
    every one takes about two passes of CHGNet; with as many as three times the atoms of a frame its
    forces enter whole. Length scale, noise and the weight of energies are those with the smallest
    force error on a part of the training frames.
    """

    weights: Literal["0.3.0", "0.2.0", "r2scan"] = Field(
        default="0.3.0", description="which of the weights in the package"
    )
    features: int = Field(default=512, ge=1, le=8192, description="random features")
    directions: int = Field(
        default=1000, ge=1, description="derivatives of the features, over all training frames"
    )
    lengths: tuple[float, ...] = Field(
        default=(2.0, 4.0, 8.0, 16.0),
        min_length=1,
        description="length scales tried, of standardised features",
    )
    noises: tuple[float, ...] = Field(
        default=(1e-8, 1e-7, 1e-6, 1e-5, 1e-4),
        min_length=1,
        description="ridge parameters tried, relative to the normal equations",
    )
    energy_weights: tuple[float, ...] = Field(
        default=(0.1, 1.0, 10.0), min_length=1, description="weights of energies tried"
    )
    chosen_on: float = Field(
        default=0.2, gt=0, lt=1, description="share of the training frames that these are chosen on"
    )


def _configure(settings: UniversalSettings, data: TrainingData) -> dict[str, str]:
    """Write `config.json` for the worker."""
    content = settings.model_dump(exclude={"preset", "device"})
    return {"config.json": json.dumps({**content, "species": data.species}, indent=2)}


def _done(folder: Path) -> int:
    """One pass, whose end the worker's result tells."""
    return int((folder / "model.npz").is_file())


def _adapter(
    name: str,
    text: str,
    settings: type[UniversalSettings],
    package: str,
    quick: Mapping[str, Any],
    *,
    trained: bool,
    definition: int = 1,
) -> Adapter:
    return Adapter(
        name=name,
        help=text,
        settings=settings,
        presets={"quick": quick},
        packages=(package, "torch"),
        worker=_WORKER,
        model_file="model.npz",
        configure=_configure,
        epochs_done=_done,
        validates=False,
        counted="pass",
        definition=definition,
        trained=trained,
    )


_FEW = {"energy_frames": 5}
CHGNET = _adapter(
    "chgnet",
    "CHGNet as it is, a universal potential",
    ChgnetSettings,
    "chgnet",
    _FEW,
    trained=False,
)
SEVENNET = _adapter(
    "sevennet",
    "SevenNet as it is, a universal potential",
    SevennetSettings,
    "sevenn",
    _FEW,
    trained=False,
)
CHGNET_RF = _adapter(
    "chgnet-rf",
    "ridge regression on random features of CHGNet, in closed form",
    RandomFeatureSettings,
    "chgnet",
    {"directions": 300, "features": 256},
    trained=True,
    definition=2,
)
