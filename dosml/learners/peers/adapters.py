"""The peers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.learners.peers import flare, mace, metatrain, nequip, tace, universal

if TYPE_CHECKING:
    from dosml.learners.peers.base import Adapter

#: Name of the learner -> its adapter.
ADAPTERS: dict[str, Adapter] = {
    one.name: one
    for one in (
        universal.CHGNET,
        universal.CHGNET_RF,
        flare.ADAPTER,
        mace.ADAPTER,
        nequip.ADAPTER,
        metatrain.PET,
        universal.SEVENNET,
        metatrain.SOAP_BPNN,
        tace.ADAPTER,
    )
}


def adapter(name: str) -> Adapter:
    """Give the adapter of a peer.

    Raises
    ------
    InputError
        If there is no such peer.
    """
    found = ADAPTERS.get(name)
    if found is None:
        raise InputError(f"there is no peer {name!r}: choose one of {', '.join(sorted(ADAPTERS))}")
    return found
