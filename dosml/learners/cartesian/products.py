"""Multigraph invariants of many environments, made so that gradients of gradients are quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from dosml.theory.cartesian import monomials_to
from dosml.theory.multigraphs import (
    Multigraph,
    irreducible_multigraphs,
    multigraphs,
    polynomial_table,
    trees,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def chosen_graphs(nu: int, l_max: int, *, rings: bool) -> list[tuple[Multigraph, ...]]:
    """Multigraphs of 1, 2, ..., nu nodes, those orders left out that have none."""
    found = [multigraphs(1, l_max)]
    for nodes in range(2, nu + 1):
        graphs = irreducible_multigraphs(nodes, l_max) if rings else trees(nodes, l_max)
        if graphs:
            found.append(graphs)
    return found


class Products(nn.Module):
    """Values of multigraphs for moments of one channel.

    Products of moments are built one factor after the other, and what they have in common is made
    once. Moments come first in memory, so that a factor is one run of numbers.

    Parameters
    ----------
    graphs
        By number of nodes, from one on.
    l_max
        Largest degree of the moments.

    Attributes
    ----------
    n_graphs
        Of all orders.
    """

    def __init__(self, graphs: Sequence[tuple[Multigraph, ...]], l_max: int) -> None:
        super().__init__()
        self.n_graphs = sum(map(len, graphs))
        tables = {one[0].nodes: polynomial_table(one, l_max) for one in graphs}
        largest = max(tables)
        needed: dict[int, set[tuple[int, ...]]] = {
            n: {tuple(row) for row in table.factors.tolist()} for n, table in tables.items()
        }
        for n in range(largest, 2, -1):
            needed.setdefault(n - 1, set()).update(row[:-1] for row in needed[n])
        place: dict[tuple[int, ...], int] = {(m,): m for m in range(len(monomials_to(l_max)))}
        self._largest = largest
        for n in range(2, largest + 1):
            rows = sorted(needed[n])
            self._keep(f"prefix_{n}", [place[row[:-1]] for row in rows])
            self._keep(f"factor_{n}", [row[-1] for row in rows])
            place |= {row: k for k, row in enumerate(rows)}
        for n, table in tables.items():
            size = len(needed[n]) if n > 1 else len(monomials_to(l_max))
            matrix = np.zeros((table.coefficients.shape[1], size))
            at = [place[tuple(row)] for row in table.factors.tolist()]
            matrix[:, at] = table.coefficients.T
            self.register_buffer(f"graphs_{n}", torch.as_tensor(matrix), persistent=False)
        self._orders = sorted(tables)

    def _keep(self, name: str, numbers: list[int]) -> None:
        self.register_buffer(name, torch.tensor(numbers, dtype=torch.int64), persistent=False)

    def forward(self, moments: torch.Tensor) -> torch.Tensor:
        """Shape (n_graphs, n) for moments of shape (n_moments, n)."""
        found = [self.get_buffer("graphs_1") @ moments]
        last = moments
        for n in range(2, self._largest + 1):
            last = last[self.get_buffer(f"prefix_{n}")] * moments[self.get_buffer(f"factor_{n}")]
            if n in self._orders:
                found.append(self.get_buffer(f"graphs_{n}") @ last)
        return torch.cat(found)
