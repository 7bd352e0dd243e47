"""The fingerprint of gpatom's `RadialAngularFP` for one element, with derivatives as products.

The library sums the derivative of every bin over pairs and triples, for every atom, whatever is
asked. Here they stay factors: a relaxation asks for the slope of one number along the fingerprint
(`Fingerprint.pull`), training for all rows (`Fingerprint.rows`). The Gaussians, peak heights and
cutoffs are the library's own, and its fingerprints are the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.neighbours import NeighborList

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

#: Å and radians: width of the Gaussians of distances and angles, the library's defaults; power of
#: the cutoff of angles.
WIDTHS, GAMMA = (0.4, 0.4), 0.5
#: Bins of distances and of angles.
BINS = (100, 50)
#: A triple on a line has no slope of its angle: how far its cosine is kept from one.
_LINE = 1e-12


@dataclass(frozen=True)
class Reach:
    """How far a fingerprint looks, Å, and what angles weigh against distances."""

    radial: float
    angular: float
    weight: float = 1.0


@dataclass(frozen=True)
class Pairs:
    """Pairs as the library's functions take them: vectors (p, 3) from i to j, Å, and lengths."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    rm: NDArray[np.float64]
    dm: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: Atoms, cutoff: float) -> Pairs:
        """Find every pair once, images included, up to a distance in Å."""
        search = NeighborList(cutoff=cutoff, full_list=False, n_threads=1)
        i, j, lengths, vectors = search.compute(
            atoms.positions, np.asarray(atoms.cell), periodic=True, quantities="ijdD"
        )
        return cls(i.astype(int), j.astype(int), vectors, lengths)

    @property
    def empty(self) -> bool:
        """Whether there is none."""
        return len(self.dm) == 0


@dataclass(frozen=True)
class _Triples:
    """Atoms i, j, k with the angle at i, as the library's functions take them."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    k: NDArray[np.int64]
    arm: NDArray[np.float64]
    erm: NDArray[np.float64]
    adm: NDArray[np.float64]
    edm: NDArray[np.float64]

    @property
    def empty(self) -> bool:
        return len(self.adm) == 0

    @property
    def cos_thetas(self) -> NDArray[np.float64]:
        cosines = np.einsum("ij,ij->i", self.arm, self.erm) / self.adm / self.edm
        return np.asarray(np.clip(cosines, _LINE - 1.0, 1.0 - _LINE))


@dataclass(frozen=True)
class _Part:
    """Some bins: their values, and products left @ right that are their derivatives.

    Attributes
    ----------
    values
        Shape (bins,).
    products
        Pairs of arrays of shapes (3 n_atoms + 9, terms) and (terms, bins).
    """

    values: NDArray[np.float64]
    products: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]


@dataclass(frozen=True)
class Fingerprint:
    """Fingerprint of a structure.

    Attributes
    ----------
    atoms
        The structure.
    reach
        What it was made with.
    pairs
        Of the structure, as far as the fingerprint looks.
    """

    atoms: Atoms
    reach: Reach
    pairs: Pairs
    _distances: _Part
    _angles: _Part

    @classmethod
    def of(cls, atoms: Atoms, reach: Reach) -> Fingerprint:
        """Make the fingerprint of a structure of one element.

        Parameters
        ----------
        atoms
            In a periodic cell.
        reach
            How far it looks.
        """
        pairs = Pairs.of(atoms, reach.radial)
        return cls(
            atoms,
            reach,
            pairs,
            _distance_part(pairs, len(atoms), reach.radial),
            _angle_part(_triples(pairs, len(atoms), reach.angular), len(atoms), reach.angular),
        )

    def weighted(self, weight: float) -> Fingerprint:
        """Give the same with another weight of angles, which is a factor."""
        return replace(self, reach=replace(self.reach, weight=weight))

    @property
    def rho_R(self) -> NDArray[np.float64]:  # noqa: N802 - as the library calls it
        """Bins of distances."""
        return self._distances.values

    @property
    def rho_a(self) -> NDArray[np.float64]:
        """Bins of angles, with their weight."""
        return self.reach.weight * self._angles.values

    @cached_property
    def vector(self) -> NDArray[np.float64]:
        """All bins, shape (bins,)."""
        return np.concatenate([self.rho_R, self.rho_a])

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """Derivatives of all bins by the positions, shape (3 n_atoms, bins)."""
        count = 3 * len(self.atoms)
        distances, angles = (
            sum((a[:count] @ b for a, b in part.products), np.zeros((count, len(part.values))))
            for part in (self._distances, self._angles)
        )
        return np.hstack([distances, self.reach.weight * angles])

    def pull(self, slope: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Carry the slope of a number along the bins over to positions and strain.

        Parameters
        ----------
        slope
            Shape (bins,).

        Returns
        -------
        positions, strain
            Shapes (n_atoms, 3) and (3, 3).
        """
        split = len(self._distances.values)
        weights = (slope[:split], self.reach.weight * slope[split:])
        total = np.zeros(3 * len(self.atoms) + 9)
        for part, weight in zip((self._distances, self._angles), weights, strict=True):
            for left, right in part.products:
                total += left @ (right @ weight)
        return total[:-9].reshape(-1, 3), total[-9:].reshape(3, 3)


def _triples(pairs: Pairs, n_atoms: int, cutoff: float) -> _Triples:
    near = pairs.dm < cutoff
    centre = np.concatenate([pairs.i[near], pairs.j[near]])
    other = np.concatenate([pairs.j[near], pairs.i[near]])
    vectors = np.concatenate([pairs.rm[near], -pairs.rm[near]])
    first, second = [], []
    for atom in range(n_atoms):
        around = np.flatnonzero(centre == atom)
        one, two = _couples(len(around))
        first.append(around[one])
        second.append(around[two])
    a, b = np.concatenate(first), np.concatenate(second)
    lengths = np.linalg.norm(vectors, axis=1)
    return _Triples(centre[a], other[a], other[b], vectors[a], vectors[b], lengths[a], lengths[b])


@cache
def _couples(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.triu_indices(count, 1)


def _distance_part(pairs: Pairs, n_atoms: int, cutoff: float) -> _Part:
    from gpatom.gpfp.fingerprint import RadialFPCalculator, RadialFPGradientCalculator

    if pairs.empty:
        return _Part(np.zeros(BINS[0]), ())
    options = {"cutoff": cutoff, "width": WIDTHS[0], "nbins": BINS[0]}
    gaussians, terms = RadialFPCalculator.get_gaussians(pairs, **options)
    slopes = RadialFPGradientCalculator.get_gradient_gaussians(gaussians, pairs, **options)
    left = _leverage(n_atoms, ((pairs.i, pairs.j, pairs.rm, np.ones(len(pairs.dm))),))
    return _Part(terms.sum(axis=0), ((left, slopes),))


def _angle_part(triples: _Triples, n_atoms: int, cutoff: float) -> _Part:
    from gpatom.gpfp.fingerprint import AngularFPCalculator, AngularFPGradientCalculator

    if triples.empty:
        return _Part(np.zeros(BINS[1]), ())
    library: Any = AngularFPGradientCalculator
    gaussians, terms = AngularFPCalculator.get_angle_gaussians(
        triples, width=WIDTHS[1], nbins=BINS[1], aweight=1.0, cutoff=cutoff, gamma=GAMMA
    )
    r, s, cosines = triples.adm, triples.edm, triples.cos_thetas
    across = triples.erm - triples.arm
    faded_r, faded_s = (library.cutoff_function(one, cutoff, GAMMA) for one in (r, s))
    slope_r, slope_s = (library.d_cutofffunction_dr(GAMMA, cutoff, one) for one in (r, s))
    ij = (triples.i, triples.j, triples.arm)
    ik = (triples.i, triples.k, triples.erm)
    jk = (triples.j, triples.k, across)
    # of the cutoffs
    heights = _leverage(n_atoms, ((*ij, slope_r * faded_s), (*ik, slope_s * faded_r)))
    # of the angle, by the three sides of the triangle
    t = np.linalg.norm(across, axis=1)
    places = _leverage(
        n_atoms, ((*ij, 1 / s - cosines / r), (*ik, 1 / r - cosines / s), (*jk, -t / (r * s)))
    )
    away = (library.get_thetavec(BINS[1]) - cosines[:, None]) / WIDTHS[1] ** 2
    moved = (faded_r * faded_s)[:, None] * away * gaussians
    return _Part(terms.sum(axis=0), ((heights, gaussians), (places, moved)))


def _leverage(
    n_atoms: int,
    sides: tuple[
        tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], ...
    ],
) -> NDArray[np.float64]:
    """Give what a slope along each side does to positions and strain.

    Parameters
    ----------
    n_atoms
        Of the structure.
    sides
        Each from atoms to atoms, with vectors (terms, 3) and slopes (terms,).

    Returns
    -------
    numpy.ndarray
        Shape (3 n_atoms + 9, terms).
    """
    terms = np.arange(len(sides[0][0]))
    positions = np.zeros((n_atoms, 3, len(terms)))
    strain = np.zeros((3, 3, len(terms)))
    for start, end, vectors, slopes in sides:
        pull = vectors * (slopes / np.linalg.norm(vectors, axis=1))[:, None]
        positions[start, :, terms] -= pull
        positions[end, :, terms] += pull
        strain += np.einsum("tl,tm->lmt", pull, vectors)
    return np.concatenate([positions.reshape(3 * n_atoms, -1), strain.reshape(9, -1)])
