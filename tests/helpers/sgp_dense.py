"""The sparse Gaussian process written as in the textbook: an oracle for the real one."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import multivariate_normal

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from helpers.sgp_data import toy_labels

SMALL = {"cutoff": 4.0, "n_max": 4, "l_max": 2, "n_inducing": 20}
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def fit(frames, labels=None, **options):
    labels = labels or [toy_labels(frames)]
    return SgpLearner(SgpSettings(**{**SMALL, **options})).fit(frames, labels)


def strained(atoms, strain):
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return moved


class Dense:
    """DTC written down as in the textbook: full matrices, derivatives by finite differences."""

    def __init__(self, models):
        self.models = models
        self.shared = models.shared
        self.settings = self.shared.settings
        self.species = self.shared.species
        blocks = [block.numpy() for block in self.shared.inducing.descriptors]
        self.blocks = blocks
        m = sum(len(block) for block in blocks)
        self.gram = np.zeros((m, m))
        start = 0
        for block in blocks:
            end = start + len(block)
            self.gram[start:end, start:end] = (block @ block.T) ** self.settings.zeta
            start = end
        self.gram += self.settings.jitter * np.eye(m)

    def atom_rows(self, atoms):
        batch = self.shared.pair_builder().build([atoms])
        p = self.shared.descriptor().environments(batch).values.numpy()
        out = []
        for number, block in zip(self.species, self.blocks, strict=True):
            same = (atoms.numbers == number)[:, None]
            out.append(np.where(same, (p @ block.T) ** self.settings.zeta, 0))
        return np.concatenate(out, axis=1)

    def rows(self, atoms, stress, h=1e-4):
        """Rows E, F, S of K_fu: central differences with one Richardson step."""

        def total(frame):
            return self.atom_rows(frame).sum(axis=0)

        def slope(move):
            coarse = (total(move(2 * h)) - total(move(-2 * h))) / (4 * h)
            fine = (total(move(h)) - total(move(-h))) / (2 * h)
            return (4 * fine - coarse) / 3

        def shift(a, x):
            def move(step):
                moved = atoms.copy()
                moved.positions[a, x] += step
                return moved

            return move

        def stretch(a, b):
            def move(step):
                strain = np.zeros((3, 3))
                strain[a, b] += step / 2
                strain[b, a] += step / 2
                return strained(atoms, strain)

            return move

        energy = [total(atoms)]
        force = [-slope(shift(a, x)) for a in range(len(atoms)) for x in range(3)]
        if not stress:
            return energy, force, []
        return energy, force, [slope(stretch(a, b)) / atoms.cell.volume for a, b in VOIGT]

    def training(self, frames, labels, baseline):
        parts = [self.rows(frame, labels.stresses is not None) for frame in frames]
        self.rows_by_kind = [np.array([r for part in parts for r in part[k]]) for k in range(3)]
        energies = labels.energies - np.array(
            [
                sum(baseline[s] * np.sum(f.numbers == z) for s, z in enumerate(self.species))
                for f in frames
            ]
        )
        stresses = np.zeros(0) if labels.stresses is None else labels.stresses.ravel()
        self.labels = [energies, np.concatenate(labels.forces).ravel(), stresses]

    def assemble(self, hypers):
        noises = (hypers.energy_noise, hypers.force_noise, hypers.stress_noise)
        rows = np.concatenate([r for r in self.rows_by_kind if len(r)])
        y = np.concatenate(self.labels)
        noise = np.concatenate(
            [np.full(len(v), s**2) for v, s in zip(self.labels, noises, strict=True)]
        )
        return rows, y, noise

    def log_likelihood(self, hypers):
        rows, y, noise = self.assemble(hypers)
        q = hypers.signal**2 * rows @ cho_solve(cho_factor(self.gram), rows.T)
        return multivariate_normal.logpdf(y, np.zeros(len(y)), q + np.diag(noise))

    def posterior_covariance(self, hypers):
        """(K_uu + K_uf Lambda^-1 K_fu)^-1 with the signal in."""
        rows, _, noise = self.assemble(hypers)
        s = hypers.signal**2
        return np.linalg.inv(s * self.gram + s**2 * (rows.T / noise) @ rows)

    def weights(self, hypers):
        """Of the unit-signal kernel."""
        rows, y, noise = self.assemble(hypers)
        s = hypers.signal**2
        return s * self.posterior_covariance(hypers) @ (s * rows.T @ (y / noise))

    def atom_variance(self, atoms, hypers):
        k = hypers.signal**2 * self.atom_rows(atoms)
        prior = hypers.signal**2
        known = np.einsum("nu,uv,nv->n", k, np.linalg.inv(hypers.signal**2 * self.gram), k)
        left = np.einsum("nu,uv,nv->n", k, self.posterior_covariance(hypers), k)
        return prior - known + left
