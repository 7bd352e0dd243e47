"""Universal potentials and regressions on their features, inside their own environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from worker_common import choose_device, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Fit a regression on the features of a potential, which stays as it is."""
    import ase.io
    from random_features import fit

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    device = choose_device(job["device"])
    frames = list(ase.io.iread(folder / "train.extxyz"))
    # beside the trainings on other labels of the same frames
    facts, arrays = fit(frames, config, device, folder.absolute().parent)
    head = {"learner": job["learner"], "weights": config["weights"]}
    with (folder / ".model.partial").open("wb") as handle:
        np.savez(handle, head=np.array(json.dumps(head)), **arrays)
    (folder / ".model.partial").replace(folder / "model.npz")
    return {"device": device, "epochs": 0, "weights": config["weights"], **facts}


def load(model: Path, device: str) -> Calculator:
    """Give the ase calculator of a model."""
    with np.load(model, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    head = json.loads(str(arrays.pop("head")))
    device = choose_device(device)
    if head["learner"] == "chgnet-rf":
        from random_features import RandomFeatureCalculator

        made: Calculator = RandomFeatureCalculator(head["weights"], arrays, device)
        return made
    calculator = _potential(head["learner"], head["weights"], device)
    return Shifted(calculator, arrays["numbers"], arrays["offsets"])


class Shifted(Calculator):
    """A potential whose energies are moved by one constant per element.

    Parameters
    ----------
    calculator
        The potential.
    numbers, offsets
        Atomic numbers, eV.
    """

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (ase)

    def __init__(self, calculator: Calculator, numbers: Any, offsets: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calculator = calculator
        self._offsets = dict(zip(numbers.tolist(), offsets.tolist(), strict=True))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, list(properties), list(system_changes))  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        asked = self.atoms.copy()
        asked.calc = self._calculator
        shift = sum(self._offsets[int(number)] for number in asked.numbers)
        self.results = {
            "energy": asked.get_potential_energy() + shift,
            "forces": asked.get_forces(),
        }
        if asked.pbc.all():
            self.results["stress"] = asked.get_stress()


def _potential(learner: str, weights: str, device: str) -> Calculator:
    """Give the calculator of a potential."""
    made: Calculator
    if learner == "chgnet":
        from chgnet.model import CHGNet, CHGNetCalculator

        module = CHGNet.load(model_name=weights, use_device=device, verbose=False)
        # the package warns of atoms without neighbours; ours are looked at before
        made = CHGNetCalculator(module, use_device=device, on_isolated_atoms="ignore")
    else:
        from sevenn.calculator import SevenNetCalculator

        # of several fidelities the one of PBE
        more = {"modal": "PBE"} if weights == "7net-mf-0" else {}
        made = SevenNetCalculator(weights, device=device, **more)
    return made


if __name__ == "__main__":
    run(train, load)
