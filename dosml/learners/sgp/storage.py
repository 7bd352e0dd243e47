"""One trained model in one file: arrays in npz, the rest in JSON, nothing that can run code."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dosml.errors import DamagedFileError, InputError, LearnerError
from dosml.files import read_npz, whole_file
from dosml.learners.sgp.force_errors import ForceErrors
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.kernel import Inducing
from dosml.learners.sgp.settings import sgp_settings
from dosml.learners.sgp.trained import SgpModel, SharedBasis
from dosml.records import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    arrays = basis_arrays(shared)
    for name in ("baseline", "baseline_alone", "weights", "spread"):
        arrays[name] = getattr(model, name).cpu().numpy()
    head = {
        **basis_head(shared, _FORMAT, _VERSION),
        "hyperparameters": asdict(model.hyperparameters),
        "force_errors": asdict(model.force_errors),
        "facts": model.facts,
    }
    write_file(path, head, arrays)


def basis_head(shared: SharedBasis, kind: str, version: int) -> dict[str, Any]:
    """Head of a file: its format, and what is not an array of the basis."""
    return {
        "format": kind,
        "version": version,
        "settings": shared.settings.model_dump(),
        "species": list(shared.species),
    }


def basis_arrays(shared: SharedBasis) -> dict[str, NDArray]:
    """Arrays of the basis by their names in a file."""
    arrays = {
        f"inducing_{z}": block.cpu().numpy()
        for z, block in zip(shared.species, shared.inducing.descriptors, strict=True)
    }
    for z, origin in zip(shared.species, shared.inducing.origins, strict=True):
        arrays[f"origin_{z}"] = origin
    arrays["lower"] = shared.lower.cpu().numpy()
    return arrays


def write_file(path: Path, head: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> None:
    """Write head and arrays; the file appears only once it is complete.

    Raises
    ------
    LearnerError
        If the file cannot be written.
    """
    text = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    try:
        with whole_file(path) as part, part.open("wb") as handle:
            np.savez(handle, allow_pickle=False, head=text, **arrays)
    except OSError as error:
        raise LearnerError(f"cannot write the model {path}: {error}") from error


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Read head and arrays.

    Raises
    ------
    LearnerError
        If the file cannot be read or is none of ours.
    """
    try:
        arrays = read_npz(path)
        head = json_object(arrays.pop("head").tobytes())
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError) as error:
        raise LearnerError(
            f"{path} is not a model of the sparse Gaussian process: {error}"
        ) from error
    return head, arrays


def check_format(path: Path, head: Mapping[str, Any], kind: str, version: int) -> None:
    """Refuse another format.

    Raises
    ------
    LearnerError
        With both.
    """
    if head.get("format") != kind or head.get("version") != version:
        raise LearnerError(
            f"{path} holds format {head.get('format')!r}, version {head.get('version')!r}; "
            f"this version reads {kind!r}, version {version}"
        )


def read_basis(
    head: Mapping[str, Any], arrays: Mapping[str, NDArray], device: str | None
) -> SharedBasis:
    """Make the basis from a file's head and arrays; `device` as in `read_model`."""
    options = dict(head["settings"])
    # written before there was one: FLARE's
    options.setdefault("degree_decay", 1.0)
    if device is not None:
        options["device"] = device
    elif not torch.cuda.is_available():
        options["device"] = "cpu"
    settings = sgp_settings(options)

    def tensor(array: NDArray) -> torch.Tensor:
        return torch.as_tensor(array, device=settings.device)

    return SharedBasis(
        settings,
        tuple(head["species"]),
        Inducing(
            tuple(tensor(arrays[f"inducing_{z}"]) for z in head["species"]),
            tuple(arrays[f"origin_{z}"] for z in head["species"]),
        ),
        tensor(arrays["lower"]),
    )


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
    head, arrays = read_file(path)
    check_format(path, head, _FORMAT, _VERSION)
    try:
        shared = read_basis(head, arrays, device)

        def tensor(name: str) -> torch.Tensor:
            return torch.as_tensor(arrays[name], device=shared.settings.device)

        model = SgpModel(
            Hyperparameters(**head["hyperparameters"]),
            tensor("baseline"),
            # older models have one baseline, and no measured force errors
            tensor("baseline_alone" if "baseline_alone" in arrays else "baseline"),
            tensor("weights"),
            tensor("spread"),
            ForceErrors(**head.get("force_errors", {})),
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
