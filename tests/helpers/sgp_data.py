"""Small frames with smooth, exact labels, and an independent naive implementation."""

import numpy as np
from ase import Atoms
from ase.build import bulk
from scipy.special import eval_chebyt, sph_harm_y

from dosml.relabel.dataset import LabelSet


def rattled(symbol="Cu", repeat=2, stdev=0.1, seed=0):
    atoms = bulk(symbol, cubic=True) * (repeat, repeat, repeat)
    rng = np.random.default_rng(seed)
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True
    )
    atoms.positions += stdev * rng.normal(size=atoms.positions.shape)
    return atoms


def alloy(seed=0):
    """Fifteen atoms of two elements and one vacancy."""
    atoms = rattled("Cu", 2, 0.15, seed)[:16]
    atoms.cell = atoms.cell.array * np.array([[1.0], [1.0], [1.0]])
    numbers = atoms.numbers.copy()
    numbers[::3] = 22
    atoms.numbers = numbers
    del atoms[5]
    return atoms


def images(atoms, cutoff):
    """Naive pairs (i, j, vector): every image in a generous block of cells."""
    cell = atoms.cell.array
    reach = [0, 0, 0]
    if atoms.cell.volume > 0:
        heights = atoms.cell.volume / np.linalg.norm(
            np.cross(np.roll(cell, -1, 0), np.roll(cell, -2, 0)), axis=1
        )
        # one cell more than the cutoff needs: positions may lie a little outside the cell
        reach = [
            int(np.ceil(cutoff / h)) + 1 if p else 0
            for h, p in zip(heights, atoms.pbc, strict=True)
        ]
    out = []
    for shift in np.ndindex(*(2 * r + 1 for r in reach)):
        move = (np.array(shift) - reach) @ cell
        vectors = atoms.positions[None] + move - atoms.positions[:, None]
        distances = np.linalg.norm(vectors, axis=2)
        for i, j in np.argwhere((distances > 1e-9) & (distances < cutoff)):
            out.append((i, j, vectors[i, j]))
    return out


def real_harmonics(vector, l_max):
    """Orthonormal real harmonics from scipy's complex ones."""
    x, y, z = vector / np.linalg.norm(vector)
    theta, phi = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
    out = []
    for l in range(l_max + 1):  # noqa: E741
        for m in range(-l, l + 1):
            value = sph_harm_y(l, abs(m), theta, phi)
            factor = np.sqrt(2) * (-1) ** m
            out.append(value.real if m == 0 else factor * (value.real if m > 0 else value.imag))
    return np.array(out)


def naive_descriptor(atoms, kind, species, *, cutoff, n_max, l_max):
    """Raw B1 or B2 of every atom by plain loops."""
    channels = len(species) * n_max
    a = np.zeros((len(atoms), channels, (l_max + 1) ** 2))
    for i, j, vector in images(atoms, cutoff):
        r = np.linalg.norm(vector)
        y = real_harmonics(vector, l_max)
        s = species.index(atoms.numbers[j])
        for n in range(n_max):
            a[i, s * n_max + n] += eval_chebyt(n, r / cutoff) * (cutoff - r) ** 2 * y
    if kind == "B1":
        return a[:, :, 0]
    rows = []
    for i in range(len(atoms)):
        row = []
        for c in range(channels):
            for d in range(c, channels):
                for l in range(l_max + 1):  # noqa: E741
                    m = slice(l * l, (l + 1) ** 2)
                    row.append(a[i, c, m] @ a[i, d, m])
        rows.append(row)
    return np.array(rows)


def toy_labels(frames, *, stress=True, scale=1.0, noise=0.0, seed=0):
    """Energies, forces and stresses of a second-moment potential, with its exact derivatives.

    E = scale sum_i [0.1 sum_j w(r_ij)^2 - sqrt(sum_j w(r_ij))], w smooth and zero at 5 Å.
    """
    rng = np.random.default_rng(seed)
    energies, forces, stresses = [], [], []
    for atoms in frames:
        pairs = images(atoms, 5.0)
        bonds = [weight(np.linalg.norm(v), atoms.numbers[j]) for _, j, v in pairs]
        density = np.full(len(atoms), 1e-3)
        energy = 3.0 * len(atoms)
        for (i, _, _), (w, _) in zip(pairs, bonds, strict=True):
            density[i] += w
            energy += scale * 0.1 * w**2
        energy -= scale * np.sqrt(density).sum()
        force = np.zeros((len(atoms), 3))
        strain = np.zeros((3, 3))
        for (i, j, v), (w, slope) in zip(pairs, bonds, strict=True):
            per_length = scale * (0.2 * w - 0.5 / np.sqrt(density[i])) * slope
            g = per_length * v / np.linalg.norm(v)
            force[j] -= g
            force[i] += g
            strain += np.outer(g, v)
        s = strain / max(atoms.cell.volume, 1e-12)
        energies.append(energy + noise * rng.normal())
        forces.append(force + noise * rng.normal(size=force.shape))
        stresses.append([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]])
    return LabelSet(np.array(energies), forces, np.array(stresses) if stress else None)


def weight(r, number):
    """A decaying bond weight and its slope; titanium's is larger."""
    size = 1.0 if number == 29 else 1.6
    x = 1 - (r / 5.0) ** 2
    decay = size * np.exp(-2.0 * (r - 2.5))
    return decay * x**3, decay * (-2.0 * x**3 - 6 * x**2 * r / 25.0)


def molecule():
    return Atoms("Cu4", positions=[[0, 0, 0], [2.2, 0, 0], [0.3, 2.4, 0], [0.9, 0.8, 2.1]])
