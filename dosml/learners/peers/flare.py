"""FLARE: sparse Gaussian process on ACE descriptors (Vandermause et al., Nat. Commun. 13, 5183)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ase.data import atomic_numbers
from pydantic import Field

from dosml.learners.peers.base import Adapter, PeerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.learners.peers.base import TrainingData


class FlareSettings(PeerSettings):
    """FLARE's settings, named as those of the sgp learner; `epochs` counts likelihood steps.

    The noises are the starting values of TM23. mir-flare 1.4.0 offers its Python users B2 but not
    B1; B2 with l_max = 0 is the square of B1.
    """

    epochs: int = Field(default=20, ge=1, description="largest number of likelihood steps")
    n_max: int = Field(default=8, ge=1, description="radial functions")
    l_max: int = Field(default=3, ge=0, description="largest angular momentum")
    zeta: int = Field(default=2, ge=1, le=2, description="power of the kernel")
    n_inducing: int = Field(default=500, ge=1, description="environments drawn with the seed")
    signal: float = Field(default=2.0, gt=0, description="start, eV")
    energy_noise_per_atom: float = Field(default=0.001, gt=0, description="start, eV/atom")
    force_noise: float = Field(default=0.05, gt=0, description="start, eV/Å")
    stress_noise: float = Field(default=0.005, gt=0, description="start, eV/Å^3")
    gradient_tolerance: float = Field(
        default=1e-4, gt=0, description="of the likelihood, where its maximisation ends"
    )
    jitter: float = Field(default=1e-8, gt=0, description="on the diagonal of K_uu at signal 1")


#: TM23: gradient tolerance 1e-4 and 200 iterations from these noises.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"epochs": 200},
    "quick": {"epochs": 3, "n_max": 4, "l_max": 2, "n_inducing": 60, "cutoff": 4.5},
}


def configure(settings: FlareSettings, data: TrainingData) -> dict[str, str]:
    """Write `config.json` for the worker, which calls FLARE's Python interface."""
    config = {
        **settings.model_dump(exclude={"preset", "device", "validation", "use_stress"}),
        "species": [atomic_numbers[symbol] for symbol in data.species],
    }
    return {"config.json": json.dumps(config, indent=2)}


def epochs_done(folder: Path) -> int:
    """Count the likelihood evaluations in the log."""
    log = folder / "train.log"
    return (
        log.read_text(errors="replace", encoding="utf-8").count("Likelihood:")
        if log.exists()
        else 0
    )


ADAPTER = Adapter(
    name="flare",
    help="FLARE, a sparse Gaussian process on ACE B2",
    settings=FlareSettings,
    presets=PRESETS,
    packages=("mir-flare", "numpy"),
    worker="flare_worker.py",
    model_file="flare.json",
    configure=configure,
    epochs_done=epochs_done,
    validates=False,
    counted="likelihood steps",
)
