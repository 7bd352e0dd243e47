"""What both force fields make of a bond: radial functions, monomials, mixtures by degree."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn

from dosml.theory.cartesian import monomials_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.learners.cartesian.batches import NeighbourTable

#: Power of the polynomial that ends the radial functions (Gasteiger et al. 2020).
CUTOFF_POWER = 6


class Radial(nn.Module):
    """Bessel functions with trainable wave numbers, times a smooth end.

        sqrt(2 / r_c) sin(k_n r) / r * u(r / r_c),   k_n = n pi / r_c at the start

    u is the polynomial of power p = 6 that is 1 at 0 and vanishes at 1 with two derivatives
    (Gasteiger, Gross and Günnemann, ICLR 2020, eq. 8).

    Parameters
    ----------
    cutoff
        Å.
    n_max
        Number of functions.
    """

    def __init__(self, cutoff: float, n_max: int) -> None:
        super().__init__()
        self._cutoff = cutoff
        self.waves = nn.Parameter(torch.arange(1, n_max + 1, dtype=torch.float64) * pi / cutoff)

    def forward(self, distances: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
        """Shape (..., n_max) for distances (Å) of any shape; 0 where not filled."""
        x = distances / self._cutoff
        p = CUTOFF_POWER
        powers = x**p
        end = 1 - powers * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x * x)
        end = end * filled * (x < 1) * sqrt(2 / self._cutoff) / distances
        return torch.sin(distances[..., None] * self.waves) * end[..., None]


class Monomials(nn.Module):
    """Monomials of unit vectors up to a degree, in the order of `monomials_to`."""

    def __init__(self, l_max: int) -> None:
        super().__init__()
        powers = monomials_to(l_max)
        place = {one: n for n, one in enumerate(powers)}
        # each is one of a degree less times a coordinate
        self._l_max = l_max
        for degree in range(1, l_max + 1):
            lower, axes = [], []
            for one in (powers for powers in place if sum(powers) == degree):
                axis = next(n for n in range(3) if one[n])
                lower.append(place[tuple(p - (n == axis) for n, p in enumerate(one))])  # type: ignore[index]
                axes.append(axis)
            first = sum((d + 1) * (d + 2) // 2 for d in range(degree - 1))
            for name, numbers in (("lower", [n - first for n in lower]), ("axes", axes)):
                self.register_buffer(
                    f"{name}_{degree}", torch.tensor(numbers, dtype=torch.int64), persistent=False
                )

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        """Shape (..., n_moments) for unit vectors of shape (..., 3)."""
        last = torch.ones_like(unit[..., :1])
        parts = [last]
        for degree in range(1, self._l_max + 1):
            lower, axes = (self.get_buffer(f"{name}_{degree}") for name in ("lower", "axes"))
            last = last.index_select(-1, lower) * unit.index_select(-1, axes)
            parts.append(last)
        return torch.cat(parts, dim=-1)


class ByDegree(nn.Module):
    """A linear mixture of channels, another one for each degree.

    Parameters
    ----------
    sizes
        Number of elements of each degree.
    inputs, outputs
        Channels.
    groups
        Groups of channels that are mixed among themselves only.
    """

    def __init__(self, sizes: Sequence[int], inputs: int, outputs: int, *, groups: int = 1) -> None:
        super().__init__()
        self._sizes = list(sizes)
        weights = torch.randn(len(sizes), groups, outputs, inputs, dtype=torch.float64)
        self.weights = nn.Parameter(weights / sqrt(inputs))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Shape (n, groups, outputs, n_elements) from (n, groups, inputs, n_elements)."""
        parts = torch.split(values, self._sizes, dim=-1)
        mixed = [w @ part for w, part in zip(self.weights, parts, strict=True)]
        return torch.cat(mixed, dim=-1)


class Readout(nn.Module):
    """Energy of an atom from its invariants: a linear function plus a small network.

    Invariants are shifted and scaled by what they are in the training frames at the start, see
    `settle`.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, inputs: int, hidden: Sequence[int] = (32, 16)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(inputs, dtype=torch.float64))
        self.linear = nn.Linear(inputs, 1, bias=False, dtype=torch.float64)
        nn.init.normal_(self.linear.weight, std=0.1 / sqrt(inputs))
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(inputs, size, dtype=torch.float64), nn.SiLU()]
            inputs = size
        self.network = nn.Sequential(*layers, nn.Linear(inputs, 1, dtype=torch.float64))

    def settle(self, values: torch.Tensor) -> None:
        """Take mean and spread from the invariants of training frames, shape (n, n_invariants)."""
        self.mean.copy_(values.mean(dim=0))
        spread = values.std(dim=0, unbiased=False)
        # what does not vary there says nothing: it stays small
        floor = 1e-3 * self.mean.abs() + 1e-6
        self.scale.copy_(1 / torch.maximum(spread, floor))

    def plain(self, values: torch.Tensor) -> torch.Tensor:
        """Give invariants shifted and scaled, shape (n, n_invariants)."""
        return (values - self.mean) * self.scale

    def forward(self, plain: torch.Tensor) -> torch.Tensor:
        """Energies, shape (n,), of what `plain` gives."""
        return torch.as_tensor((self.linear(plain) + self.network(plain))[:, 0])


class AtomicEnergies(nn.Module):
    """A network of bonds that gives the energy of each atom; the families fill in `_run`."""

    radial: Radial
    angular: nn.Module

    def forward(self, vectors: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
        """Energy of each atom, shape (n_atoms,), for vectors of the table's shape (Å)."""
        return self._run(vectors, table, settle=False)

    def settle(self, table: NeighbourTable) -> None:
        """Take the spread of what the readouts see from training frames."""
        with torch.no_grad():
            self._run(table.vectors, table, settle=True)

    def _bonds(
        self, vectors: torch.Tensor, table: NeighbourTable
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Radial and angular functions of every bond, and whom it leads to."""
        distances = vectors.square().sum(dim=-1).sqrt()
        radial = self.radial(distances, table.filled)
        return radial, self.angular(vectors / distances[..., None]), table.neighbour

    def _run(self, vectors: torch.Tensor, table: NeighbourTable, *, settle: bool) -> torch.Tensor:
        raise NotImplementedError
