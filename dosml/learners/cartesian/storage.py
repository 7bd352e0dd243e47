"""One trained potential in one safetensors file: tensors and text, nothing that can run code."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dosml.errors import LearnerError
from dosml.files import whole_file
from dosml.learners.cartesian.settings import CaceSettings, CartesianSettings, IctpSettings
from dosml.learners.cartesian.training import Progress, Trained
from dosml.learners.sgp.targets import Baseline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORMAT, _VERSION = "dosml-cartesian", "1"
_BASELINES = ("baseline_bound", "baseline_alone")
KINDS: dict[str, type[CartesianSettings]] = {
    CaceSettings.name: CaceSettings,
    IctpSettings.name: IctpSettings,
}


def write_model(
    path: Path,
    settings: CartesianSettings,
    species: tuple[int, ...],
    trained: Trained,
    facts: Mapping[str, Any],
) -> None:
    """Write one model; the file appears only once it is complete.

    Raises
    ------
    LearnerError
        If it cannot be written.
    """
    head = {
        "settings": settings.model_dump(),
        "species": list(species),
        "neighbours": trained.neighbours,
        "progress": asdict(trained.progress),
        "watched": trained.watched,
        "facts": dict(facts),
    }
    tensors = {f"potential.{name}": value.contiguous() for name, value in trained.state.items()}
    for name, values in zip(
        _BASELINES, (trained.baseline.bound, trained.baseline.alone), strict=True
    ):
        tensors[name] = torch.as_tensor(values).contiguous()
    metadata = {
        "format": _FORMAT,
        "version": _VERSION,
        "learner": settings.name,
        "head": json.dumps(head),
    }
    try:
        with whole_file(path) as part:
            # save_file would make a file that nobody else can read
            part.write_bytes(save(tensors, metadata=metadata))
    except (OSError, SafetensorError) as error:
        raise LearnerError(f"cannot write the model {path}: {error}") from error


def read_model(
    path: Path,
) -> tuple[CartesianSettings, tuple[int, ...], Trained, dict[str, Any]]:
    """Read what `write_model` wrote.

    Returns
    -------
    settings, species, trained, facts
        As they were written.

    Raises
    ------
    LearnerError
        If the file cannot be read, is another format, or holds numbers that are not finite.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise LearnerError(f"{path} is not a model of cace or ictp: {error}") from error
    found = metadata.get("format"), metadata.get("version")
    if found != (_FORMAT, _VERSION):
        raise LearnerError(
            f"{path} holds format {found[0]!r}, version {found[1]!r}; this version reads "
            f"{_FORMAT!r}, version {_VERSION}"
        )
    broken = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if broken:
        raise LearnerError(f"{path} is damaged: {broken[0]} holds numbers that are not finite")
    try:
        head = json.loads(metadata["head"])
        settings = KINDS[metadata["learner"]](**head["settings"])
        species = tuple(map(int, head["species"]))
        trained = _trained(head, tensors, len(species))
        facts = dict(head["facts"])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise LearnerError(f"{path} is damaged or does not fit here: {error}") from error
    return settings, species, trained, facts


def _trained(
    head: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], n_species: int
) -> Trained:
    """Put a file's head and tensors together.

    Raises
    ------
    ValueError
        If something has another shape, or is a number that cannot be.
    """
    state = {
        name.removeprefix("potential."): value
        for name, value in tensors.items()
        if name.startswith("potential.")
    }
    baseline = Baseline(*(tensors[name].numpy() for name in _BASELINES))
    if any(one.shape != (n_species,) for one in (baseline.bound, baseline.alone)):
        raise ValueError("a baseline has another shape than the elements")
    neighbours = float(head["neighbours"])
    if not (math.isfinite(neighbours) and neighbours > 0):
        raise ValueError(f"the usual number of neighbours is {neighbours}")
    return Trained(
        state=state,
        baseline=baseline,
        neighbours=neighbours,
        scale=float(state["scale"]),
        progress=Progress(**head["progress"]),
        watched=int(head["watched"]),
    )
