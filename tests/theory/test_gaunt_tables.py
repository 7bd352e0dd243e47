"""Whole tables: complete, correctly rounded, consistent with single coefficients."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

import numpy as np
import pytest

from dosml.theory import gaunt_tables
from dosml.theory.gaunt import exact
from dosml.theory.gaunt_tables import gaunt_table, shell_couplings


@pytest.mark.parametrize("kind", ["complex", "real"])
def test_table_holds_every_coefficient_exactly_once(kind: str) -> None:
    table = gaunt_table(3, kind)
    lm = [(l, m) for l in range(4) for m in range(-l, l + 1)]
    expected = {}
    for a in lm:
        for b in lm:
            for c in lm:
                value = float(exact(*a, *b, *c, kind=kind))
                if value:
                    expected[*a, *b, *c] = value
    found = dict(zip(map(tuple, table.indices.tolist()), table.values.tolist(), strict=True))
    assert len(found) == len(table)
    assert found == expected
    assert table.indices.tolist() == sorted(table.indices.tolist())


@pytest.mark.parametrize("kind", ["complex", "real"])
@pytest.mark.parametrize("l_max", [0, 1, 6, 12, 20])
def test_values_are_correctly_rounded(kind: str, l_max: int) -> None:
    table = gaunt_table(l_max, kind)
    some = np.random.default_rng(l_max).choice(len(table), min(300, len(table)), replace=False)
    for row, value in zip(table.indices[some].tolist(), table.values[some].tolist(), strict=True):
        assert float(exact(*row, kind=kind)) == value
    assert (table.values != 0).all()


def test_undecided_roundings_ask_the_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {kind: gaunt_table(3, kind).values for kind in ("complex", "real")}
    # Nothing is decided any more: every coefficient takes the exact way.
    monkeypatch.setattr(gaunt_tables, "_UNDECIDED", -1.0)
    for kind, values in expected.items():
        np.testing.assert_array_equal(gaunt_table(3, kind).values, values)


@pytest.mark.parametrize("kind", ["complex", "real"])
def test_dense_table_is_orthogonal(kind: str) -> None:
    """Σ over L of products of couplings is a completeness sum: it is symmetric in the states."""
    table = gaunt_table(4, kind)
    dense = table.dense()
    assert np.count_nonzero(dense) == len(table)
    np.testing.assert_array_equal(dense, dense.transpose(1, 0, 2))
    np.testing.assert_array_equal(dense, dense.transpose(0, 2, 1))
    # Y_00 is constant: its plane is the metric, the unit matrix for real harmonics.
    metric = dense[0] * np.sqrt(4 * np.pi)
    np.testing.assert_allclose(metric @ metric, np.eye(25), atol=1e-15)


def test_tables_are_the_users_own() -> None:
    table = gaunt_table(2)
    table.values[:] = 0
    table.indices[:] = 0
    assert gaunt_table(2).values.any()


@pytest.mark.parametrize("l_max", [-1, 21, 2.0, "2", True, None])
def test_bad_sizes_are_refused(l_max: object) -> None:
    with pytest.raises(ValueError, match="l_max"):
        gaunt_table(l_max)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        gaunt_table(2, "ck")


@pytest.mark.parametrize("kind", ["complex", "real"])
def test_shell_couplings(kind: str) -> None:
    labels, couplings = shell_couplings((0, 2, 1), kind)
    states = [(l, m) for l in (0, 2, 1) for m in range(-l, l + 1)]
    inner = "real" if kind == "real" else "coupling"
    assert couplings.shape == (25, 9, 9)
    for a, label in enumerate(labels):
        for i, left in enumerate(states):
            for j, right in enumerate(states):
                assert couplings[a, i, j] == float(exact(*left, *label, *right, kind=inner))
    with pytest.raises(ValueError, match="at least one"):
        shell_couplings(())
    with pytest.raises(ValueError, match="negative"):
        shell_couplings((2, -1))
