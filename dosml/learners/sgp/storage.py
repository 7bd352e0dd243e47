"""One trained model in one file: arrays in npz, the rest in JSON, nothing that can run code."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import DamagedFileError, InputError, LearnerError
from dosml.files import read_npz, whole_file
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.kernel import Inducing
from dosml.learners.sgp.settings import sgp_settings
from dosml.learners.sgp.trained import SgpModel, SharedBasis

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_FORMAT = "dosml-sgp"
_VERSION = 1


def write_model(path: Path, shared: SharedBasis, model: SgpModel) -> None:
    """Write one model; the file appears only once it is complete.

    Parameters
    ----------
    path
        The file; an old one is replaced.
    shared, model
        What to write.

    Raises
    ------
    LearnerError
        If the file cannot be written.
    """
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "settings": shared.settings.model_dump(),
        "species": list(shared.species),
        "hyperparameters": asdict(model.hyperparameters),
        "facts": model.facts,
    }
    arrays = {
        f"inducing_{z}": block.cpu().numpy()
        for z, block in zip(shared.species, shared.inducing.descriptors, strict=True)
    }
    for z, origin in zip(shared.species, shared.inducing.origins, strict=True):
        arrays[f"origin_{z}"] = origin
    arrays["lower"] = shared.lower.cpu().numpy()
    for name in ("baseline", "weights", "spread"):
        arrays[name] = getattr(model, name).cpu().numpy()
    text = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    try:
        with whole_file(path) as part, part.open("wb") as handle:
            np.savez(handle, allow_pickle=False, head=text, **arrays)
    except OSError as error:
        raise LearnerError(f"cannot write the model {path}: {error}") from error


def read_model(path: Path, *, device: str | None = None) -> tuple[SharedBasis, SgpModel]:
    """Read a model that `write_model` wrote.

    Parameters
    ----------
    path
        The file.
    device
        A torch device; None keeps the one that the model was trained on, if torch sees it here,
        else the CPU.

    Returns
    -------
    shared, model
        As they were written.

    Raises
    ------
    LearnerError
        If the file cannot be read, is not such a model, or holds arrays of other shapes or numbers
        that are not finite.
    """
    try:
        arrays = read_npz(path)
        head = dict(json.loads(arrays.pop("head").tobytes()))
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError) as error:
        raise LearnerError(
            f"{path} is not a model of the sparse Gaussian process: {error}"
        ) from error
    if head.get("format") != _FORMAT or head.get("version") != _VERSION:
        raise LearnerError(
            f"{path} holds format {head.get('format')!r}, version {head.get('version')!r}; "
            f"this version reads {_FORMAT!r}, version {_VERSION}"
        )
    try:
        options = dict(head["settings"])
        if device is not None:
            options["device"] = device
        elif not torch.cuda.is_available():
            options["device"] = "cpu"
        settings = sgp_settings(options)

        def tensor(array: NDArray) -> torch.Tensor:
            return torch.as_tensor(array, device=settings.device)

        shared = SharedBasis(
            settings,
            tuple(head["species"]),
            Inducing(
                tuple(tensor(arrays[f"inducing_{z}"]) for z in head["species"]),
                tuple(arrays[f"origin_{z}"] for z in head["species"]),
            ),
            tensor(arrays["lower"]),
        )
        model = SgpModel(
            Hyperparameters(**head["hyperparameters"]),
            tensor(arrays["baseline"]),
            tensor(arrays["weights"]),
            tensor(arrays["spread"]),
            dict(head["facts"]),
        )
        _check(shared, model)
    except (KeyError, TypeError, ValueError, RuntimeError, AssertionError, InputError) as error:
        raise LearnerError(f"{path} is damaged or does not fit here: {error}") from error
    return shared, model


def _check(shared: SharedBasis, model: SgpModel) -> None:
    """Refuse arrays that no training leaves behind.

    Raises
    ------
    ValueError
        If an array has another shape, or holds numbers that are not finite.
    """
    n_features, size = shared.descriptor().n_features, shared.inducing.size
    wanted: dict[str, tuple[torch.Tensor, tuple[int, ...]]] = {
        "lower": (shared.lower, (size, size)),
        "baseline": (model.baseline, (len(shared.species),)),
        "weights": (model.weights, (size,)),
        "spread": (model.spread, (size, size)),
    }
    for z, block in zip(shared.species, shared.inducing.descriptors, strict=True):
        wanted[f"inducing_{z}"] = (block, (len(block), n_features))
    for name, (values, shape) in wanted.items():
        if tuple(values.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(values.shape)}, expected {shape}")
        if not torch.isfinite(values).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    for name, number in asdict(model.hyperparameters).items():
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"the hyperparameter {name} is {number}")
