"""Write a job for `flare_peer.py`, run it in FLARE's environment, read the result."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.learners.peers.environments import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.learners.sgp.model import SgpModels
    from dosml.relabel.dataset import LabelSet

PEER = Path(__file__).parent / "flare_peer.py"


def flare_python() -> str | None:
    """Interpreter of FLARE's environment, None where there is none.

    DOSML_FLARE_PYTHON names it, by default that of `dosml env create flare`.
    """
    made = find("flare")
    return os.environ.get("DOSML_FLARE_PYTHON") or (str(made.python) if made else None)


def group(prefix: str, frames: Sequence[Atoms], species: Sequence[int]) -> dict[str, Any]:
    """Arrays of one group of frames, species numbered as FLARE wants them."""
    index = {z: n for n, z in enumerate(species)}
    return {
        f"{prefix}_sizes": np.array([len(frame) for frame in frames]),
        f"{prefix}_cells": np.array([frame.cell.array for frame in frames]),
        f"{prefix}_positions": np.concatenate([frame.positions for frame in frames]),
        f"{prefix}_species": np.array([index[z] for frame in frames for z in frame.numbers]),
    }


def run_flare(
    python: str,
    folder: Path,
    models: SgpModels,
    train: Sequence[Atoms],
    labels: LabelSet,
    test: Sequence[Atoms],
    *,
    hyperparameters: Sequence[float],
    steps: int = 0,
    variances: bool = False,
    descriptors: bool = False,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """Train FLARE on the same frames and inducing environments as `models`, and predict.

    Parameters
    ----------
    python
        Interpreter of FLARE's environment.
    folder
        For the job and the result.
    models
        Ours: settings, inducing environments and energy baseline are taken from here.
    train, labels, test
        The data.
    hyperparameters
        Signal and noises of energy, force and stress that FLARE starts from.
    steps
        Hyperparameter steps of FLARE; 0 keeps the given values.
    variances, descriptors
        Whether to return force variances and raw descriptors of the test frames.
    threads
        OpenMP threads.
    """
    shared = models.shared
    settings = shared.settings
    baseline = models.models[0].baseline.cpu().numpy()
    counts = np.array([[np.sum(f.numbers == z) for z in shared.species] for f in train])
    job = {
        **group("train", train, shared.species),
        **group("test", test, shared.species),
        "energies": labels.energies - counts @ baseline,
        "forces": np.concatenate(labels.forces),
        "inducing": np.concatenate(shared.inducing.origins),
        "options": json.dumps(
            {
                "signal": hyperparameters[0],
                "noises": list(hyperparameters[1:]),
                "cutoff": settings.cutoff,
                "zeta": settings.zeta,
                "n_max": settings.n_max,
                "l_max": settings.l_max,
                "n_species": len(shared.species),
                "jitter": settings.jitter,
                "steps": steps,
                "variances": variances,
                "descriptors": descriptors,
            }
        ),
    }
    if labels.stresses is not None:
        job["stresses"] = labels.stresses
    np.savez(folder / "job.npz", **job)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    subprocess.run(
        [python, str(PEER), str(folder / "job.npz"), str(folder / "result.npz")],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    with np.load(folder / "result.npz") as handle:
        return {name: handle[name] for name in handle.files}
