"""Ridge regression on random Fourier features of CHGNet's frozen atom features.

    E(frame) = sum_i theta . z(h_i) + sum_i c(element of i)
    z_m(h) = sqrt(2/M) cos(w_m . h / l + b_m),   w_m ~ N(0, 1)/sqrt(64),   b_m uniform in 0 ... 2 pi

(Rahimi and Recht, NIPS 2007), with h the 64 features of an atom before CHGNet's last network,
standardised over the training atoms. Energies and forces are linear in theta, so that training is
one linear system.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import zipfile
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from chgnet.model import CHGNet
from chgnet.model.model import BatchedGraph
from pymatgen.io.ase import AseAtomsAdaptor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

#: Atoms times directions in one batch.
_BATCH_ATOMS = 512
#: Spreads below which nothing is divided by.
_LEAST = 1e-9


class Features:
    """CHGNet's features of atoms, and their derivatives.

    Parameters
    ----------
    weights
        Name of the weights in the package.
    device
        cpu or cuda.
    dtype
        Precision.
    """

    def __init__(self, weights: str, device: str, dtype: torch.dtype = torch.float64) -> None:
        self.device, self._dtype = device, dtype
        self._model = CHGNet.load(model_name=weights, use_device=device, verbose=False)
        self._model = self._model.to(dtype).eval()
        self._model.graph_converter.set_isolated_atom_response("ignore")
        for parameter in self._model.parameters():
            parameter.requires_grad_(requires_grad=False)
        self._seen: list[Any] = []
        self._model.mlp.register_forward_pre_hook(lambda _, given: self._seen.append(given[0]))

    @property
    def n_parameters(self) -> int:
        """Frozen numbers of the network."""
        return int(sum(one.numel() for one in self._model.parameters()))

    def graph(self, atoms: Atoms) -> Any:
        """Give the graph of a frame."""
        graph = self._model.graph_converter(AseAtomsAdaptor.get_structure(atoms))
        graph = graph.to(self.device)
        graph.lattice = graph.lattice.detach().to(self._dtype)
        graph.atom_frac_coord = graph.atom_frac_coord.detach().to(self._dtype)
        graph.neighbor_image = graph.neighbor_image.to(self._dtype)
        return graph

    def of(self, graphs: Sequence[Any], *, strained: bool = False) -> tuple[Any, Any]:
        """Features of all atoms, shape (n_atoms, 64), and the batch they were made in."""
        batch = BatchedGraph.from_graphs(
            graphs,
            bond_basis_expansion=self._model.bond_basis_expansion,
            angle_basis_expansion=self._model.angle_basis_expansion,
            compute_stress=strained,
        )
        self._seen.clear()
        self._model._compute(batch)  # noqa: SLF001 - the public call wants composition energies
        return self._seen.pop(), batch

    def derivatives(self, atoms: Atoms, directions: Any) -> tuple[Any, Any]:
        """Features of a frame and their derivatives along directions, in forward mode.

        Parameters
        ----------
        directions
            Shape (n_directions, n_atoms, 3).

        Returns
        -------
        features, derivatives
            Shapes (n_atoms, 64) and (n_directions, n_atoms, 64), 1/Å.
        """
        graph = self.graph(atoms)
        moves = torch.as_tensor(directions, dtype=self._dtype, device=self.device)
        moves = moves @ torch.linalg.inv(graph.lattice)

        def at(places: Any) -> Any:
            moved = copy.copy(graph)
            moved.atom_frac_coord = places
            return self.of([moved])[0]

        def along(move: Any) -> Any:
            return torch.func.jvp(at, (graph.atom_frac_coord,), (move,))

        # the features are the same along all directions; torch's annotation forgets the None
        several = torch.func.vmap(along, out_dims=(None, 0))  # type: ignore[arg-type]
        with torch.no_grad():
            found = [
                several(some) for some in torch.split(moves, max(1, _BATCH_ATOMS // len(atoms)))
            ]
        slopes = torch.cat([one for _, one in found])
        return found[0][0].cpu().numpy(), slopes.cpu().numpy()


def fit(
    frames: Sequence[Atoms], config: dict[str, Any], device: str, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Choose length, noise and energy weight on some training frames, then fit to all of them.

    Parameters
    ----------
    folder
        Where the features are kept for other labels of the same frames.

    Returns
    -------
    facts, arrays
        What was chosen, and the model.
    """
    rng = np.random.default_rng(config["seed"])
    directions = _directions(frames, config["directions"], rng)
    features = _kept_features(frames, directions, config["weights"], device, folder)
    data = _Data(frames, directions, features)
    count = config["features"]
    waves = rng.normal(size=(count, data.width)) / np.sqrt(data.width)
    phases = rng.uniform(0, 2 * np.pi, count)
    held = np.zeros(len(frames), dtype=bool)
    held[rng.permutation(len(frames))[: max(1, round(config["chosen_on"] * len(frames)))]] = True
    best: tuple[float, float, float, float] | None = None
    for length in config["lengths"]:
        rows = data.rows(waves / length, phases)
        for weight in config["energy_weights"]:
            solve = rows.system(~held, weight)
            for noise in config["noises"]:
                error = rows.force_error(solve(noise), held)
                if best is None or error < best[0]:
                    best = (error, length, weight, noise)
    assert best is not None
    error, length, weight, noise = best
    rows = data.rows(waves / length, phases)
    every = np.ones(len(frames), dtype=bool)
    theta = rows.system(every, weight)(noise)
    facts = {
        "n_parameters": count + len(data.numbers),
        "n_parameters_frozen": int(features["n_parameters"]),
        "force_directions": len(data.projections),
        "length_scale": length,
        "noise": noise,
        "energy_weight": weight,
        "force_percent_error_chosen_on": 100 * error,
    }
    arrays = {
        "mean": data.mean,
        "spread": data.spread,
        "waves": waves / length,
        "phases": phases,
        "theta": theta,
        "numbers": data.numbers,
        "offsets": rows.offsets(theta),
    }
    return facts, arrays


def _directions(frames: Sequence[Atoms], total: int, rng: np.random.Generator) -> list[Any]:
    """Draw orthonormal directions of every frame, shapes (n_directions, 3 n_atoms).

    As many as there are coordinates are the forces themselves, turned.
    """
    each = max(1, total // len(frames))
    return [
        np.linalg.qr(rng.normal(size=(3 * len(one), min(each, 3 * len(one)))))[0].T
        for one in frames
    ]


def _kept_features(
    frames: Sequence[Atoms], directions: Sequence[Any], weights: str, device: str, folder: Path
) -> dict[str, Any]:
    """Features of all frames and their derivatives, read where other labels had them computed."""
    content = hashlib.sha256(json.dumps([weights, version("chgnet")]).encode())
    for frame, one in zip(frames, directions, strict=True):
        for array in (frame.numbers, frame.positions, frame.cell.array, one):
            content.update(np.ascontiguousarray(array).tobytes())
    path = folder / f"chgnet-features-{content.hexdigest()[:16]}.npz"
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or cut off
    # six digits are more than the regression uses, at a fraction of the time
    features = Features(weights, device, torch.float32)
    found: dict[str, Any] = {"n_parameters": np.array(features.n_parameters)}
    for number, (frame, one) in enumerate(zip(frames, directions, strict=True)):
        here, slopes = features.derivatives(frame, one.reshape(len(one), -1, 3))
        found[f"here_{number}"], found[f"slopes_{number}"] = here, slopes
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **found)
    partial.replace(path)
    return found


class _Data:
    """Features of the training frames and their labels."""

    def __init__(
        self, frames: Sequence[Atoms], directions: Sequence[Any], features: dict[str, Any]
    ) -> None:
        self.sizes = np.array([len(frame) for frame in frames])
        self.numbers = np.unique(np.concatenate([frame.numbers for frame in frames]))
        self.shares = np.array(
            [[(frame.numbers == number).mean() for number in self.numbers] for frame in frames]
        )
        self.energies = np.array([frame.info["REF_energy"] for frame in frames]) / self.sizes
        self.here = [features[f"here_{k}"].astype(float) for k in range(len(frames))]
        self.slopes = [features[f"slopes_{k}"].astype(float) for k in range(len(frames))]
        self.projections = np.concatenate(
            [
                one @ frame.arrays["REF_forces"].ravel()
                for frame, one in zip(frames, directions, strict=True)
            ]
        )
        self.owners = np.repeat(np.arange(len(frames)), [len(one) for one in directions])
        every = np.concatenate(self.here)
        self.width = every.shape[1]
        self.mean = every.mean(axis=0)
        spread = every.std(axis=0)
        # a feature that does not move tells nothing
        self.spread = np.where(spread > _LEAST, spread, 1.0)

    def rows(self, waves: Any, phases: Any) -> _Rows:
        """Energies per atom and projected forces as linear functions of theta."""
        scale = np.sqrt(2 / len(waves))
        energies, forces = [], []
        for here, slopes, size in zip(self.here, self.slopes, self.sizes, strict=True):
            angles = (here - self.mean) / self.spread @ waves.T + phases
            energies.append(scale * np.cos(angles).sum(axis=0) / size)
            # F = -dE/dR, and the derivative of a cosine is minus the sine
            turned = (slopes / self.spread) @ waves.T
            forces.append(scale * np.einsum("im,kim->km", np.sin(angles), turned))
        return _Rows(self, np.array(energies), np.concatenate(forces))


class _Rows:
    """The linear problem of one length scale."""

    def __init__(self, data: _Data, energies: Any, forces: Any) -> None:
        self._data, self._energies, self._forces = data, energies, forces

    def system(self, frames: Any, weight: float) -> Any:
        """Solve on some frames; gives theta for a ridge parameter.

        Both kinds of labels count by their mean square, relative to their spread; the ridge is
        relative to the mean diagonal of the normal equations.
        """
        data = self._data
        mine = frames[data.owners]
        forces, wanted = self._forces[mine], data.projections[mine]
        shares = data.shares[frames]
        basis = np.linalg.qr(shares)[0]

        def without(values: Any) -> Any:
            """Take out what a constant per element explains."""
            return values - basis @ (basis.T @ values)

        energies, totals = without(self._energies[frames]), without(data.energies[frames])
        of_forces = 1 / max(_LEAST, float(np.mean(wanted**2))) / len(wanted)
        of_energies = weight / max(_LEAST, float(np.mean(totals**2))) / len(totals)
        matrix = of_forces * forces.T @ forces + of_energies * energies.T @ energies
        right = of_forces * forces.T @ wanted + of_energies * energies.T @ totals
        values, vectors = np.linalg.eigh(matrix)
        turned, level = vectors.T @ right, float(np.trace(matrix)) / len(matrix)
        return lambda noise: vectors @ (turned / (np.maximum(values, 0) + noise * level))

    def force_error(self, theta: Any, frames: Any) -> float:
        """Mean absolute error of the projections over their mean absolute value."""
        mine = frames[self._data.owners]
        wanted = self._data.projections[mine]
        missing = np.abs(self._forces[mine] @ theta - wanted).mean()
        return float(missing / max(_LEAST, np.abs(wanted).mean()))

    def offsets(self, theta: Any) -> Any:
        """Energy of an atom of each element, eV."""
        missing = self._data.energies - self._energies @ theta
        return np.linalg.lstsq(self._data.shares, missing, rcond=None)[0]


class RandomFeatureCalculator(Calculator):
    """A fitted model as an ase calculator: forces and stress by automatic differentiation.

    Parameters
    ----------
    weights
        Name of CHGNet's weights.
    arrays
        From `fit`.
    device
        cpu or cuda.
    """

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (ase)

    def __init__(self, weights: str, arrays: dict[str, Any], device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._features = Features(weights, device)
        self._offsets = dict(
            zip(arrays["numbers"].tolist(), arrays["offsets"].tolist(), strict=True)
        )
        names = ("mean", "spread", "waves", "phases", "theta")
        self._held = {
            name: torch.as_tensor(arrays[name], dtype=torch.float64, device=device)
            for name in names
        }

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`, as ase asks."""
        super().calculate(atoms, list(properties), list(system_changes))  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        frame, held = self.atoms, self._held
        graph = self._features.graph(frame)
        graph.atom_frac_coord.requires_grad_()
        here, batch = self._features.of([graph], strained=True)
        angles = (here - held["mean"]) / held["spread"] @ held["waves"].T + held["phases"]
        energy = (torch.cos(angles) @ held["theta"]).sum() * np.sqrt(2 / len(held["theta"]))
        slope, strain = torch.autograd.grad(energy, [batch.atom_positions[0], batch.strains[0]])
        stress = strain.cpu().numpy() / abs(frame.get_volume())
        self.results = {
            "energy": float(energy) + sum(self._offsets[int(one)] for one in frame.numbers),
            "forces": -slope.cpu().numpy(),
            "stress": full_3x3_to_voigt_6_stress((stress + stress.T) / 2),
        }
