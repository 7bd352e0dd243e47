"""The two-centre table against bonds along z that are rotated with matrices of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dosml.relabel.engines.tb.slater_koster import blocks, contract, directions

RANDOM = np.random.default_rng(5)
ROOT = np.sqrt(3)


def harmonics(points: np.ndarray) -> np.ndarray:
    """s, px, py, pz, dxy, dyz, dz2, dxz, dx2-y2 on the unit sphere, by their polynomials."""
    x, y, z = points.T
    return np.stack(
        [
            np.ones_like(x), x, y, z,
            ROOT * x * y, ROOT * y * z, (3 * z * z - 1) / 2, ROOT * x * z,
            ROOT / 2 * (x * x - y * y),
        ],
        axis=1,
    )  # fmt: skip


def rotation_matrix(rotation: Rotation) -> np.ndarray:
    """D with Y(R^-1 x) = Y(x) D, fitted at many points."""
    points = RANDOM.normal(size=(200, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    moved = harmonics(rotation.inv().apply(points))
    return np.linalg.lstsq(harmonics(points), moved, rcond=None)[0]


def along_z(v: np.ndarray) -> np.ndarray:
    """Block of a bond along z: only orbitals of equal m meet."""
    sss, sps, pps, ppp, sds, pds, pdp, dds, ddp, ddd = v
    block = np.diag([sss, ppp, ppp, pps, ddd, ddp, dds, ddp, ddd])
    block[0, 3], block[3, 0] = sps, -sps
    block[0, 6], block[6, 0] = sds, sds
    block[3, 6], block[6, 3] = pds, -pds
    for p, d in ((1, 7), (2, 5)):
        block[p, d], block[d, p] = pdp, -pdp
    return block


@pytest.mark.parametrize("trial", range(5))
def test_blocks_are_those_along_z_rotated(trial) -> None:
    rotation = Rotation.random(random_state=trial)
    integrals = RANDOM.normal(size=10)
    n = rotation.apply([0.0, 0.0, 1.0])
    turn = rotation_matrix(rotation)
    expected = turn @ along_z(integrals) @ turn.T
    found = blocks(integrals[None], directions(n[None]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_reverse_bond_has_the_transposed_block() -> None:
    n = RANDOM.normal(size=(4, 3))
    n /= np.linalg.norm(n, axis=1)[:, None]
    integrals = RANDOM.normal(size=(4, 10))
    there, back = blocks(integrals, directions(n)), blocks(integrals, directions(-n))
    np.testing.assert_allclose(there, back.transpose(0, 2, 1), atol=1e-14)


def test_contractions_are_derivatives_of_the_blocks() -> None:
    vector, integrals, weights = (
        RANDOM.normal(size=3),
        RANDOM.normal(size=10),
        RANDOM.normal(size=(9, 9)),
    )

    def energy(r: np.ndarray, v: np.ndarray) -> float:
        return float(np.sum(weights * blocks(v[None], directions(r[None] / np.linalg.norm(r)))))

    length = np.linalg.norm(vector)
    bond = directions(vector[None] / length)
    by_integrals, by_direction = (
        part[0] for part in contract(weights[None], integrals[None], bond)
    )
    across = (by_direction - bond.n[0] * (by_direction @ bond.n[0])) / length
    h = 1e-6
    for i, step in enumerate(h * np.eye(10)):
        slope = (energy(vector, integrals + step) - energy(vector, integrals - step)) / (2 * h)
        assert by_integrals[i] == pytest.approx(slope, abs=1e-8)
    for i, step in enumerate(h * np.eye(3)):
        slope = (energy(vector + step, integrals) - energy(vector - step, integrals)) / (2 * h)
        assert across[i] == pytest.approx(slope, abs=1e-8)
