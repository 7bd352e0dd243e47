"""A trained peer model as an ase calculator, evaluated in its environment's process."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes

from dosml.errors import LearnerError
from dosml.learners.peers.adapters import adapter
from dosml.learners.peers.environments import require
from dosml.learners.peers.process import ModelProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

#: The file in a saved model that says what it is.
CARD = "dosml.json"


class PeerCalculator(Calculator):
    """Energy, forces and stress of one saved peer model, for phonons, dynamics and the like.

    Parameters
    ----------
    path
        A model that a peer learner saved (`models/.../*.zip` in a campaign).
    device
        cpu, cuda or auto.
    threads
        Of the worker's numerical libraries.

    Raises
    ------
    LearnerError
        If the file is no peer model.
    EnvironmentMissingError
        If the peer's environment has not been made.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ase)

    def __init__(self, path: Path, *, device: str = "auto", threads: int = 1) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._folder = tempfile.TemporaryDirectory(prefix="dosml-model-")
        self.card = unpack_model(path, Path(self._folder.name))
        peer = adapter(str(self.card["learner"]))
        self._process = ModelProcess(
            peer,
            require(peer.name),
            Path(self._folder.name) / peer.model_file,
            device=device,
            threads=threads,
        )

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Ask the process; all properties come at once."""
        super().calculate(atoms, list(properties), list(system_changes))  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        energy, forces, stress = self._process.evaluate(self.atoms)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if stress is not None:
            self.results["stress"] = stress

    def close(self) -> None:
        """End the process and remove the unpacked model; also done when the calculator goes."""
        self._process.close()
        self._folder.cleanup()


def pack_model(path: Path, model: Path, card: dict[str, Any]) -> None:
    """Write one file with the peer's own model in it and a card that says what it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CARD, json.dumps(card, indent=2))
        for file in sorted(model.parent.glob(f"{model.name}*")):
            archive.write(file, file.name)


def unpack_model(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack a saved model, give its card.

    Raises
    ------
    LearnerError
        If the file is no peer model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = json.loads(archive.read(CARD))
            archive.extractall(folder)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LearnerError(
            f"{path} is not a model that a peer learner of dosml saved ({error})"
        ) from error
    return dict(card)
