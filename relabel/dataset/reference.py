"""The labels that ship with dosml: frames, labels and DOS of real DFT.

`dosml.relabel.reference` holds one dataset folder per metal; its README.md is the data card.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.relabel.dataset.files import RECORD, load_folder

if TYPE_CHECKING:
    from dosml.relabel.dataset.value import Dataset

#: What the set is called where a source of labels is asked for.
REFERENCE = "reference"
#: Where it lies.
FOLDER = Path(__file__).parents[1] / "reference"


def reference_metals() -> tuple[str, ...]:
    """Metals of the set."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob(f"*/{RECORD}")))


def reference_dataset(metal: str | None, *, stress: bool = True) -> Dataset:
    """Read one metal of the set.

    Parameters
    ----------
    metal
        Element symbol.
    stress
        Whether to read the stresses.

    Raises
    ------
    InputError
        If the set does not hold the metal.
    """
    if metal not in reference_metals():
        raise InputError(
            f"the reference set has no {metal}, it has {', '.join(reference_metals())}: choose one "
            "of them, or compute labels"
            if metal
            else f"the reference set holds {', '.join(reference_metals())}: name one metal"
        )
    found = load_folder(FOLDER / metal, stress=stress)
    source = f"the reference set of dosml, {metal}"
    return replace(found, provenance=replace(found.provenance, source=source))
