"""The body-order expansion of an energy: inclusion and exclusion over all sub-clusters.

A function E of sets of atoms, E(no atom) = 0, is the sum of its terms of every set,
E(A) = sum_{T in A} e(T), with e(T) = sum_{U in T} (-1)^(|T| - |U|) E(U) (Moebius). The sum of the
terms of all sets of k atoms is the k-body energy of a cluster of N atoms,

    E_k = sum_{m <= k} (-1)^(k - m) C(N - m, k - m) S_m,   S_m = sum_{|T| = m} E(T),

and E_1 + ... + E_N = E.
Chong et al., J. Chem. Phys. 164, 064121 (2026), arXiv:2509.14146.

A sub-cluster is a number whose bit a says whether atom a is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def members(cluster: int) -> tuple[int, ...]:
    """Atoms of a sub-cluster, in ascending order."""
    return tuple(a for a in range(cluster.bit_length()) if cluster >> a & 1)


def sub_clusters(n_atoms: int, size: int) -> list[int]:
    """Sub-clusters of one size, in ascending order."""
    return sorted(sum(1 << a for a in chosen) for chosen in combinations(range(n_atoms), size))


def up_to(n_atoms: int, order: int) -> list[int]:
    """Sub-clusters of 1 to `order` atoms, the small ones first."""
    return [one for size in range(1, order + 1) for one in sub_clusters(n_atoms, size)]


def parts_of(cluster: int) -> list[int]:
    """Sub-clusters of a sub-cluster, itself included."""
    found, part = [], cluster
    while part:
        found.append(part)
        part = (part - 1) & cluster
    return found


def term(cluster: int, values: Mapping[int, NDArray[np.float64] | float]) -> NDArray[np.float64]:
    """Term e(T) of one set of atoms, from the values of all its parts."""
    size = cluster.bit_count()
    signed = [
        (-1) ** (size - part.bit_count()) * np.asarray(values[part]) for part in parts_of(cluster)
    ]
    return np.asarray(np.sum(signed, axis=0), dtype=np.float64)


def order_sums(
    n_atoms: int,
    values: Mapping[int, NDArray[np.float64] | float],
    max_order: int | None = None,
) -> NDArray[np.float64]:
    """Sum the terms of every order.

    Parameters
    ----------
    n_atoms
        Atoms of the cluster.
    values
        Energy of every sub-cluster of up to `max_order` atoms (eV), or its forces on all atoms of
        the cluster, zero where an atom is not in it (shape (n_atoms, 3), eV/Å).
    max_order
        Largest order; None: all.

    Returns
    -------
    orders
        Shape (max_order, ...): E_1, E_2, ...

    Raises
    ------
    ValueError
        If there is no such order, or a sub-cluster is missing.
    """
    last = n_atoms if max_order is None else max_order
    if not 1 <= last <= n_atoms:
        raise ValueError(f"a cluster of {n_atoms} atoms has orders 1 to {n_atoms}, not {last}")
    lacking = [one for one in up_to(n_atoms, last) if one not in values]
    if lacking:
        raise ValueError(
            f"{len(lacking)} sub-clusters of up to {last} of {n_atoms} atoms have no value, that "
            f"of the atoms {members(lacking[0])} for one"
        )
    # the values of single atoms are far larger than all terms: taken out first, the sums of many
    # numbers of either sign keep their digits
    alone = [np.asarray(values[1 << a], dtype=float) for a in range(n_atoms)]
    sums = [np.sum(alone, axis=0)]
    for size in range(2, last + 1):
        bound = [
            np.asarray(values[one], dtype=float) - np.sum([alone[a] for a in members(one)], axis=0)
            for one in sub_clusters(n_atoms, size)
        ]
        sums.append(np.sum(bound, axis=0))
    orders = [sums[0]]
    for k in range(2, last + 1):
        parts = [(-1) ** (k - m) * comb(n_atoms - m, k - m) * sums[m - 1] for m in range(2, k + 1)]
        orders.append(np.sum(parts, axis=0))
    return np.array(orders)


def effective_body_order(
    orders: NDArray[np.float64], share: float = 0.95, energy: float | None = None
) -> int | None:
    """Smallest K from which on the sum up to K holds a share of the binding energy.

    The binding energy is B = E - E_1; from K on |E_1 + ... + E_K' - E| <= (1 - share) |B| for every
    K' >= K, so that an expansion that runs through the energy is not converged there.

    Parameters
    ----------
    orders
        E_1, E_2, ... as far as they are known, eV.
    share
        Between 0 and 1.
    energy
        E, eV; None: all orders are there, and it is their sum.

    Returns
    -------
    int or None
        None where none of the orders that are known is enough.

    Raises
    ------
    ValueError
        If the share is none, or there is no binding energy.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of the binding energy lies between 0 and 1, got {share:g}")
    whole = float(np.sum(orders)) if energy is None else energy
    binding = whole - float(orders[0])
    if binding == 0:
        raise ValueError("a cluster that does not bind has no effective body order")
    left = np.abs(np.cumsum(orders) - whole)
    # at K = 1 all of it is left: there is always one
    last = int(np.flatnonzero(left > (1 - share) * abs(binding))[-1])
    return last + 2 if last + 1 < len(orders) else None


@dataclass(frozen=True)
class Sample:
    """Sets of atoms of one order whose terms are to be averaged.

    Attributes
    ----------
    order
        k.
    chosen
        Drawn sets of k atoms, without repetition; all of them where there are not more.
    population
        C(N, k).
    """

    order: int
    chosen: tuple[int, ...]
    population: int

    @property
    def complete(self) -> bool:
        """Whether no set is left out."""
        return len(self.chosen) == self.population


def draw_samples(
    n_atoms: int, max_order: int, per_order: int, rng: np.random.Generator
) -> list[Sample]:
    """Draw sets of every order: a stratum of all sets of k atoms for each k.

    Parameters
    ----------
    n_atoms
        Atoms of the cluster.
    max_order
        Largest order.
    per_order
        Sets of each order; orders with fewer are taken whole. Two or more.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not 1 <= max_order <= n_atoms:
        raise ValueError(f"a cluster of {n_atoms} atoms has orders 1 to {n_atoms}, not {max_order}")
    if per_order < 2:
        raise ValueError(f"a standard error needs 2 sets of an order at least, got {per_order}")
    samples = []
    for order in range(1, max_order + 1):
        population = comb(n_atoms, order)
        # single atoms are parts of everything
        if order == 1 or population <= per_order:
            samples.append(Sample(order, tuple(sub_clusters(n_atoms, order)), population))
            continue
        chosen: set[int] = set()
        while len(chosen) < per_order:
            atoms = rng.choice(n_atoms, order, replace=False)
            chosen.add(sum(1 << int(a) for a in atoms))
        samples.append(Sample(order, tuple(sorted(chosen)), population))
    return samples


def needed(samples: Sequence[Sample]) -> list[int]:
    """Sub-clusters whose values samples need, the small ones first."""
    found = {part for sample in samples for one in sample.chosen for part in parts_of(one)}
    return sorted(found, key=lambda one: (one.bit_count(), one))


@dataclass(frozen=True)
class Estimate:
    """Orders estimated from samples.

    Attributes
    ----------
    orders
        Shape (max_order,), eV.
    errors
        Standard error of each; zero where all sets were taken.
    degrees
        Degrees of freedom of each standard error; 0 where it is exact.
    """

    orders: NDArray[np.float64]
    errors: NDArray[np.float64]
    degrees: NDArray[np.int64]

    @property
    def sums(self) -> NDArray[np.float64]:
        """E_1 + ... + E_K for every K."""
        return np.cumsum(self.orders)

    @property
    def sum_errors(self) -> NDArray[np.float64]:
        """Standard errors of the sums: the draws of different orders are independent."""
        return np.sqrt(np.cumsum(self.errors**2))

    def intervals(self, level: float = 0.95) -> NDArray[np.float64]:
        """Confidence interval of every order by Student's t, shape (max_order, 2)."""
        # where all sets were taken the width is zero, whatever the quantile
        reach = student.ppf((1 + level) / 2, np.maximum(self.degrees, 1)) * self.errors
        return np.stack([self.orders - reach, self.orders + reach], axis=1)


def estimate_orders(samples: Sequence[Sample], values: Mapping[int, float]) -> Estimate:
    """Estimate every order from the terms of its sample, without bias.

    E_k = C(N, k) times the mean term of k atoms. The terms are what is averaged, not energies of
    sub-clusters of one size: those are large, and enter with weights of either sign. The standard
    error is that of a mean drawn without repetition, C(N, k) s / sqrt(n) sqrt(1 - n / C(N, k)).

    Parameters
    ----------
    samples
        From `draw_samples`.
    values
        Energy (eV) of all of `needed(samples)`.
    """
    orders, errors, degrees = [], [], []
    for sample in samples:
        terms = np.array([float(term(one, values)) for one in sample.chosen])
        n, population = len(terms), sample.population
        orders.append(population * terms.mean())
        if sample.complete:
            errors.append(0.0)
            degrees.append(0)
            continue
        spread = terms.std(ddof=1) / np.sqrt(n)
        errors.append(population * spread * np.sqrt(1 - n / population))
        degrees.append(n - 1)
    return Estimate(np.array(orders), np.array(errors), np.array(degrees))
