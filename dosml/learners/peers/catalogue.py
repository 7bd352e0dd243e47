"""The peers as entries of the registry."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dosml.learners.base import LearnerEntry
from dosml.learners.peers.adapters import ADAPTERS, adapter

if TYPE_CHECKING:
    from pathlib import Path

    from ase.calculators.calculator import Calculator

    from dosml.learners.base import Learner
    from dosml.learners.peers.base import Adapter, AnySettings


def _make(name: str, settings: AnySettings, workers: int) -> Learner:
    from dosml.learners.peers.finished import FinishedLearner
    from dosml.learners.peers.learner import PeerLearner
    from dosml.learners.peers.universal import ZeroShotSettings

    peer = adapter(name)
    given = settings.model_dump(exclude_unset=True)  # a preset decides the others
    made = peer.make_settings(given)
    if isinstance(made, ZeroShotSettings):
        return FinishedLearner(peer, made)
    return PeerLearner(peer, made, workers=workers)


def _load(path: Path, device: str | None) -> Calculator:
    from dosml.learners.peers.calculator import PeerCalculator

    return PeerCalculator(path, device=device or "auto")


def entry(peer: Adapter) -> LearnerEntry:
    """Entry of a peer: its models run in an environment of their own (`dosml env create`)."""
    return LearnerEntry(
        name=peer.name,
        help=peer.help,
        options=peer.settings,
        make=partial(_make, peer.name),
        suffix=".zip",
        load=_load,
        trained=peer.trained,
    )


ENTRIES = tuple(entry(one) for one in ADAPTERS.values())
