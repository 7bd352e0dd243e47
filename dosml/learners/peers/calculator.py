"""A trained peer model as an ase calculator, evaluated in its environment's process."""

from __future__ import annotations

import json
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes
from pydantic import Field

from dosml.errors import LearnerError
from dosml.learners.peers.adapters import adapter
from dosml.learners.peers.environments import require
from dosml.learners.peers.process import ModelProcess
from dosml.records import Record, json_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

#: The file in a saved model that says what it is.
CARD = "dosml.json"
#: No saved model unpacks to more bytes.
MOST_BYTES = 1 << 34
#: What is raised on an archive that is cut off, damaged or something else.
_DAMAGED = (
    *(KeyError, ValueError, TypeError, EOFError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class ModelCard(Record):
    """What a card says, as far as loading asks."""

    learner: str
    species: list[str] = Field(min_length=1)


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
            size = sum(one.file_size for one in archive.infolist())
            if size > MOST_BYTES:
                raise ValueError(f"it unpacks to {size} bytes")
            text = archive.read(CARD)
            card = json_object(text)
            ModelCard.model_validate_json(text)
            archive.extractall(folder)
    except (*_DAMAGED, OSError) as error:
        raise LearnerError(
            f"{path} is not a model that a peer learner of dosml saved, or is damaged "
            f"({type(error).__name__}: {error})"
        ) from error
    return card
