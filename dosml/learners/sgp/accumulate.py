"""Whitened normal equations, accumulated while the frames stream by.

With K_uu + jitter = L L^T and V_k = L^-1 K_uk for each label kind k (energies, forces, stresses)
the evidence needs only Phi_k = V_k V_k^T, b_k = V_k y_k, y_k . y_k and the label counts: memory
does not grow with the number of frames, and one more label set costs one more column of b_k.
V is formed before it is squared (not L^-1 (K K^T) L^-T afterwards): that keeps Phi positive
semidefinite to rounding although K_uu is nearly singular.

Energy labels are large sums, so Phi_E has eigenvalues many orders above the rest. At the end
everything is rotated by the orthogonal factor of V_E = Q R: the large numbers then stand in the
leading block and exact zeros elsewhere, and a Cholesky factorisation of I + sum Phi_k loses
nothing of the small ones. Stress labels, where they are few, join the leading block. Where that
block is the smaller part, the rest is turned to the eigenvectors of its Phi_F, so that

    Phi_E, Phi_S = [X 0; 0 0],    Phi_F = [F C; C^T diag]

and `block_likelihood` evaluates a likelihood without any work of order M^3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from dosml.errors import LearnerError

if TYPE_CHECKING:
    from dosml.learners.sgp.kernel import KernelRows

#: Label kinds in the order of their noise hyperparameters.
KINDS = ("energy", "force", "stress")
_LARGEST_JITTER = 1e-2
#: Largest share of the energy and stress labels in M with which the block form is made.
LEADING_SHARE = 0.5


@dataclass(frozen=True)
class Evidence:
    """All that the likelihood of one label set needs; independent of the number of frames.

    Attributes
    ----------
    phi
        Whitened normal matrices by label kind, each (M, M).
    rhs
        Whitened right-hand sides by kind, each (M,).
    squares
        Sum of squared labels by kind.
    counts
        Number of labels by kind.
    leading
        Size of the leading block, outside of which the normal matrix of forces is diagonal and the
        others are 0; None where they are full.
    held
        The part of all this that is of the frames set apart for calibration, or None.
    """

    phi: dict[str, torch.Tensor]
    rhs: dict[str, torch.Tensor]
    squares: dict[str, float]
    counts: dict[str, int]
    leading: int | None = None
    held: Evidence | None = None

    def without_held(self) -> Evidence:
        """Evidence of the other frames alone, in full form."""
        held = self.held
        if held is None:
            return self
        return Evidence(
            phi={kind: phi - held.phi[kind] for kind, phi in self.phi.items()},
            rhs={kind: rhs - held.rhs[kind] for kind, rhs in self.rhs.items()},
            squares={kind: value - held.squares[kind] for kind, value in self.squares.items()},
            counts={kind: value - held.counts[kind] for kind, value in self.counts.items()},
        )


def _factorise(gram: torch.Tensor, jitter: float) -> tuple[torch.Tensor, float]:
    """Cholesky factor of K_uu with the smallest jitter among 1, 10, 100, ... that allows it."""
    eye = torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
    while jitter <= _LARGEST_JITTER:
        lower, info = torch.linalg.cholesky_ex(gram + jitter * eye)
        if not int(info):
            return lower, jitter
        jitter *= 10
    raise LearnerError(
        f"the kernel matrix of {gram.shape[0]} inducing environments is not positive definite: "
        "are positions or descriptors broken?"
    )


def _add_square(target: torch.Tensor, rows: torch.Tensor) -> None:
    """Add rows rows^T to the lower triangle of target, in strips that skip most of the upper."""
    size = target.shape[0]
    width = max(128, -(-size // 8))
    for start in range(0, size, width):
        strip = slice(start, start + width)
        target[start:, strip].addmm_(rows[start:], rows[strip].T)


class NormalEquations:
    """Accumulates `Evidence` for several label sets at once.

    Parameters
    ----------
    gram
        K_uu at signal 1, shape (M, M), double precision.
    jitter
        Added to its diagonal; see `SgpSettings.jitter`.
    n_sets
        Number of label sets.
    rows_per_flush
        Force rows collected before one triangular solve and one rank update.

    Attributes
    ----------
    lower
        Cholesky factor of K_uu with its jitter.
    jitter
        What was added.

    Raises
    ------
    LearnerError
        If K_uu is not positive definite with any sensible jitter.
    """

    def __init__(
        self, gram: torch.Tensor, jitter: float, n_sets: int, *, rows_per_flush: int = 1024
    ) -> None:
        size = gram.shape[0]
        self.lower, self.jitter = _factorise(gram, jitter)
        self._n_sets = n_sets
        self._limit = rows_per_flush
        self._pending: dict[str, list[tuple[torch.Tensor, torch.Tensor, bool]]] = {
            kind: [] for kind in KINDS
        }
        # by kind and whether of frames that calibrate the variances
        both = [(kind, held) for kind in KINDS for held in (False, True)]
        self._phi: dict[tuple[str, bool], torch.Tensor] = {}
        self._rhs = {key: gram.new_zeros((size, n_sets)) for key in both}
        self._squares = {key: gram.new_zeros(n_sets) for key in both}
        self._counts = dict.fromkeys(both, 0)
        #: Whitened stress rows, kept as long as they are few.
        self._stress_rows: list[tuple[torch.Tensor, torch.Tensor]] | None = []

    def add(self, rows: KernelRows, labels: dict[str, torch.Tensor], *, held: bool = False) -> None:
        """Add one batch of frames.

        Parameters
        ----------
        rows
            Kernel blocks of the batch.
        labels
            By kind, shape (n_rows, n_sets), in the order of the rows; no stress, no key.
        held
            Whether the frames are among those that calibrate the variances.
        """
        blocks = {"energy": rows.energies, "force": rows.forces, "stress": rows.stresses}
        for kind, values in labels.items():
            block = blocks[kind]
            assert block is not None
            self._pending[kind].append((block.double(), values, held))
            self._squares[kind, held] += (values * values).sum(dim=0)
            self._counts[kind, held] += int(values.shape[0])
        for kind in ("force", "stress"):
            if sum(len(values) for _, values, _ in self._pending[kind]) >= self._limit:
                self._flush(kind)

    def finish(self) -> tuple[list[Evidence], torch.Tensor]:
        """Evidence of each label set, and the orthogonal rotation Q that it was brought to.

        A kernel vector k_u enters the whitened, rotated basis as Q^T L^-1 k_u. What was accumulated
        is let go: matrices of size M x M are most of the memory.
        """
        for kind in ("force", "stress"):
            self._flush(kind)
        white, labels, mask = self._whitened("energy")
        self._add_right("energy", white, labels, mask)
        few = {"energy": (white, mask)}
        if self._count("stress") and self._stress_rows is not None:
            blocks, masks = zip(*self._stress_rows, strict=True)
            few["stress"] = (torch.cat(blocks, dim=1), torch.cat(masks))
        rotation, triangle = torch.linalg.qr(
            torch.cat([block for block, _ in few.values()], dim=1), mode="complete"
        )
        parts = triangle.split([block.shape[1] for block, _ in few.values()], dim=1)
        phi = {kind: part @ part.T for kind, part in zip(few, parts, strict=True)}
        phi_held = {
            kind: part[:, mask] @ part[:, mask].T
            for (kind, (_, mask)), part in zip(few.items(), parts, strict=True)
        }
        for kind in ("force", "stress"):
            if kind not in phi and self._count(kind):
                phi[kind] = self._rotated(rotation, (kind, False), (kind, True))
        leading = self._turn_rest(phi, rotation, triangle.shape[1])
        for kind in ("force", "stress"):
            if kind not in phi_held and self._counts[kind, True]:
                phi_held[kind] = self._rotated(rotation, (kind, True))
        self._phi.clear()
        right = {key: rotation.T @ value for key, value in self._rhs.items()}
        present = [kind for kind in KINDS if self._count(kind)]
        evidence = []
        for k in range(self._n_sets):
            held = None
            if self._counts["force", True]:
                held = Evidence(
                    phi={kind: phi_held[kind] for kind in present},
                    rhs={kind: right[kind, True][:, k] for kind in present},
                    squares={kind: float(self._squares[kind, True][k]) for kind in present},
                    counts={kind: self._counts[kind, True] for kind in present},
                )
            evidence.append(
                Evidence(
                    phi={kind: phi[kind] for kind in present},
                    rhs={k_: (right[k_, False] + right[k_, True])[:, k] for k_ in present},
                    squares={
                        kind: float((self._squares[kind, False] + self._squares[kind, True])[k])
                        for kind in present
                    },
                    counts={kind: self._count(kind) for kind in present},
                    leading=leading,
                    held=held,
                )
            )
        return evidence, rotation

    def _count(self, kind: str) -> int:
        """Labels of one kind, of all frames."""
        return self._counts[kind, False] + self._counts[kind, True]

    def _rotated(self, rotation: torch.Tensor, *keys: tuple[str, bool]) -> torch.Tensor:
        """Sum of accumulated normal matrices in the rotated basis."""
        lower = sum(self._phi[key] for key in keys if key in self._phi)
        assert isinstance(lower, torch.Tensor)
        lower = lower.tril()
        turned = rotation.T @ (lower + lower.tril(-1).T) @ rotation
        return (turned + turned.T) / 2

    def _turn_rest(
        self, phi: dict[str, torch.Tensor], rotation: torch.Tensor, leading: int
    ) -> int | None:
        """Make Phi_F diagonal outside of the leading block, in place; None if not worth it."""
        size = rotation.shape[0]
        stress_is_full = bool(self._count("stress")) and self._stress_rows is None
        if stress_is_full or not self._count("force") or leading > LEADING_SHARE * size:
            return None
        rest = slice(leading, size)
        force = phi["force"]
        values, vectors = torch.linalg.eigh(force[rest, rest])
        force[rest, rest] = values.clamp_min(0).diag()
        force[:leading, rest] = force[:leading, rest] @ vectors
        force[rest, :leading] = force[:leading, rest].T
        rotation[:, rest] = rotation[:, rest] @ vectors
        return leading

    def _flush(self, kind: str) -> None:
        if not self._pending[kind]:
            return
        white, labels, mask = self._whitened(kind)
        self._add_right(kind, white, labels, mask)
        if kind == "stress" and self._stress_rows is not None:
            self._stress_rows.append((white, mask))
            few = self._count("stress") + self._count("energy")
            if few <= LEADING_SHARE * white.shape[0]:
                return
            white = torch.cat([block for block, _ in self._stress_rows], dim=1)
            mask = torch.cat([one for _, one in self._stress_rows])
            self._stress_rows = None
        for held in (False, True):
            part = white if mask.all() == held and mask.any() == held else white[:, mask == held]
            if part.shape[1]:
                target = self._phi.setdefault((kind, held), torch.zeros_like(self.lower))
                _add_square(target, part)

    def _add_right(
        self, kind: str, white: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor
    ) -> None:
        for held in (False, True):
            self._rhs[kind, held].addmm_(white[:, mask == held], labels[mask == held])

    def _whitened(self, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """L^-1 K of the pending rows (M, n_rows), their labels (n_rows, n_sets), which are held."""
        pending = self._pending[kind]
        rows = torch.cat([block for block, _, _ in pending])
        labels = torch.cat([values for _, values, _ in pending])
        mask = torch.cat(
            [torch.full((len(v),), held, device=rows.device) for _, v, held in pending]
        )
        pending.clear()
        return torch.linalg.solve_triangular(self.lower, rows.T, upper=False), labels, mask
