"""FLARE (mir-flare 1.4.0), inside its own environment: sparse Gaussian process on B2.

The model file holds the training frames, the inducing environments and the hyperparameters; the
process is rebuilt from them on loading, as FLARE's own model files do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from worker_common import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

#: FLARE orders stress xx xy xz yy yz zz, with the sign of a pressure.
UPPER = np.triu_indices(3)
TO_VOIGT = [0, 3, 5, 4, 2, 1]


class Process:
    """A sparse Gaussian process with the objects that it only points to."""

    def __init__(self, settings: dict[str, Any], hyperparameters: Sequence[float]) -> None:
        from flare.bffs.sgp._C_flare import B2, NormalizedDotProduct, SparseGP

        signal, *noises = hyperparameters
        self.settings = settings
        # these must outlive the Gaussian process: it keeps bare pointers
        self.kernel = NormalizedDotProduct(signal, settings["zeta"])
        self.descriptor = B2(
            "chebyshev",
            "quadratic",
            [0.0, settings["cutoff"]],
            [],
            [len(settings["species"]), settings["n_max"], settings["l_max"]],
        )
        self.gp = SparseGP([self.kernel], *noises)
        self.gp.Kuu_jitter = settings["jitter"] * signal**2
        self.frames: list[Any] = []

    def structure(self, atoms: Atoms) -> Any:
        """FLARE's form of a frame."""
        from flare.bffs.sgp._C_flare import Structure

        codes = [self.settings["species"].index(z) for z in atoms.numbers.tolist()]
        return Structure(
            atoms.cell.array, codes, atoms.positions, self.settings["cutoff"], [self.descriptor]
        )

    def add(self, atoms: Atoms, inducing: list[int]) -> None:
        """Add a labelled frame and those of its environments that become inducing ones."""
        frame = self.structure(atoms)
        counts = np.array([np.sum(atoms.numbers == z) for z in self.settings["species"]])
        energy = atoms.info["REF_energy"] - counts @ self.settings["atom_energies"]
        frame.energy = np.array([energy])
        frame.forces = atoms.arrays["REF_forces"].ravel()
        if "REF_stress" in atoms.info:
            stress = np.reshape(atoms.info["REF_stress"], (3, 3))
            frame.stresses = -stress[UPPER]
        self.gp.add_training_structure(frame)
        if inducing:
            self.gp.add_specific_environments(frame, inducing)
        self.frames.append(frame)


def build(
    settings: dict[str, Any],
    hyperparameters: Sequence[float],
    frames: Sequence[Atoms],
    inducing: Sequence[list[int]],
) -> Process:
    """Make the process of labelled frames."""
    process = Process(settings, hyperparameters)
    for atoms, chosen in zip(frames, inducing, strict=True):
        process.add(atoms, chosen)
    process.gp.update_matrices_QR()
    return process


def train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Build the process and maximise its likelihood from the starting noises."""
    from flare.bffs.sgp.sparse_gp import optimize_hyperparameters

    del job
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    frames = list(ase.io.read(folder / "train.extxyz", ":"))
    sizes = np.array([len(atoms) for atoms in frames])
    counts = np.array([[np.sum(a.numbers == z) for z in settings["species"]] for a in frames])
    energies = np.array([atoms.info["REF_energy"] for atoms in frames])
    settings["atom_energies"] = np.linalg.lstsq(counts, energies, rcond=None)[0].tolist()
    owner = np.repeat(np.arange(len(frames)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    rng = np.random.default_rng(settings["seed"])
    chosen = np.sort(rng.permutation(len(owner))[: settings["n_inducing"]])
    inducing = [place[chosen[owner[chosen] == k]].tolist() for k in range(len(frames))]
    start = [
        settings["signal"],
        settings["energy_noise_per_atom"] * float(sizes.mean()),
        settings["force_noise"],
        settings["stress_noise"],
    ]
    process = build(settings, start, frames, inducing)
    optimize_hyperparameters(
        process.gp,
        max_iterations=settings["epochs"],
        gradient_tolerance=settings["gradient_tolerance"],
        method="L-BFGS-B",  # BFGS without bounds may step to negative noises
        bounds=[(1e-3, None)] + [(1e-5, None)] * 3,
    )
    found = [float(value) for value in process.gp.hyperparameters]
    model = {"settings": settings, "hyperparameters": found, "inducing": inducing}
    (folder / "flare.json").write_text(json.dumps(model), encoding="utf-8")
    ase.io.write(folder / "flare.json.extxyz", frames, format="extxyz")
    return {
        "device": "cpu",
        "epochs": settings["epochs"],
        "n_parameters": len(chosen),
        "n_inducing": len(chosen),
        "log_likelihood": float(process.gp.log_marginal_likelihood),
        "signal_ev": found[0],
        "energy_noise_ev": found[1],
        "force_noise_ev_per_angstrom": found[2],
        "stress_noise_ev_per_angstrom3": found[3],
    }


class FlareCalculator(Calculator):
    """Mean of the process."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (ase)

    def __init__(self, process: Process) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.process = process

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Predict; all properties come at once."""
        super().calculate(atoms, list(properties), list(system_changes))  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        settings = self.process.settings
        frame = self.process.structure(self.atoms)
        self.process.gp.predict_mean(frame)
        mean = np.array(frame.mean_efs)
        counts = np.array([np.sum(self.atoms.numbers == z) for z in settings["species"]])
        self.results = {
            "energy": float(np.ravel(mean[0])[0] + counts @ settings["atom_energies"]),
            "forces": mean[1:-6].reshape(-1, 3),
            "stress": -mean[-6:][TO_VOIGT],
        }


def load(model: Path, device: str) -> Calculator:
    """Rebuild the process; FLARE runs on processors only."""
    del device
    read = json.loads(model.read_text(encoding="utf-8"))
    frames = list(ase.io.read(model.with_name(model.name + ".extxyz"), ":"))
    process = build(read["settings"], read["hyperparameters"], frames, read["inducing"])
    return FlareCalculator(process)


if __name__ == "__main__":
    run(train, load)
