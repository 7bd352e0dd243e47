"""Density response against exact diagonalisation, enumeration of fillings, and group theory."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy as sp

from dosml.theory.filling import averaged_shell_response, partner_response
from dosml.theory.gaunt_tables import shell_couplings
from dosml.theory.perturbation import (
    density_coefficients,
    first_order_energy,
    gap_kernel,
    level_kernel,
    response_matrix,
    second_order_energy,
    thermal_kernel,
)
from dosml.theory.response import density_response
from dosml.theory.smearing import Smearing

SPD, SPDF = (0, 1, 2), (0, 1, 2, 3)


def by_diagonalisation(levels, occupations, couplings, potential):
    """Density coefficients and energy with fixed occupations of the perturbed levels, in order."""
    e, u = np.linalg.eigh(np.diag(levels) + np.einsum("aij,a->ij", couplings, potential))
    density = (u * occupations) @ u.T
    return np.einsum("aij,ij->a", couplings, density), float(occupations @ e)


def check(levels, occupations, shells, response_of, energy_of=by_diagonalisation) -> None:
    """Compare first-order density and second-order energy with finite differences."""
    _, couplings = shell_couplings(shells)
    rng = np.random.default_rng(11)
    v = rng.normal(size=len(couplings))
    p = response_of(couplings)
    h = 2e-4
    (n_up, e_up), (n_down, e_down) = (
        energy_of(levels, occupations, couplings, sign * h * v) for sign in (1, -1)
    )
    _, e_zero = energy_of(levels, occupations, couplings, 0 * v)
    slope = (n_up - n_down) / (2 * h)
    ours = density_coefficients(p, v)
    assert np.linalg.norm(ours - slope) < 1e-6 * np.linalg.norm(slope)
    first = first_order_energy(couplings, occupations, v)
    assert (e_up - e_down) / (2 * h) == pytest.approx(first, rel=1e-6)
    # A larger step for the second difference: rounding goes as 1/h^2.
    h = 3e-3
    ends = [energy_of(levels, occupations, couplings, k * h * v)[1] for k in (-2, -1, 1, 2)]
    curvature = (-ends[0] + 16 * ends[1] - 30 * e_zero + 16 * ends[2] - ends[3]) / (12 * h**2)
    assert curvature / 2 == pytest.approx(second_order_energy(p, v), rel=1e-6)


@pytest.mark.parametrize("shells", [SPD, SPDF])
def test_distinct_levels(shells: tuple[int, ...]) -> None:
    """Every state its own level and occupation, integer and fractional."""
    n = sum(2 * l + 1 for l in shells)
    rng = np.random.default_rng(n)
    levels = np.arange(n) + rng.uniform(-0.2, 0.2, n)
    for occupations in (rng.uniform(0, 1, n), (np.arange(n) < 5).astype(float)):
        kernel = level_kernel(levels, occupations)
        check(levels, occupations, shells, lambda c, w=kernel: response_matrix(c, w))


@pytest.mark.parametrize("shells", [SPD, SPDF])
def test_closed_shells(shells: tuple[int, ...]) -> None:
    """Degenerate shells of one occupation each: the symbolic response, put into numbers."""
    energies = {0: -1.3, 1: 0.9, 2: -0.2, 3: 2.1}
    filling = {0: 1.0, 1: 0.0, 2: 0.6, 3: 0.1}
    sizes = [2 * l + 1 for l in shells]
    levels = np.repeat([energies[l] for l in shells], sizes)
    occupations = np.repeat([filling[l] for l in shells], sizes)
    # Levels must rise so that the perturbed ones keep their shell.
    order = np.argsort(levels, kind="stable")

    def symbolic(_: np.ndarray | None = None) -> np.ndarray:
        answer = density_response(
            shells,
            levels=[energies[l] for l in shells],
            occupations=[filling[l] for l in shells],
        )
        return np.array(answer.matrix().evalf(), dtype=float)

    def diagonalise(levels, occupations, couplings, potential):
        e, u = np.linalg.eigh(np.diag(levels) + np.einsum("aij,a->ij", couplings, potential))
        density = (u * occupations[order]) @ u.T
        return np.einsum("aij,ij->a", couplings, density), float(occupations[order] @ e)

    check(levels, occupations, shells, symbolic, diagonalise)
    _, couplings = shell_couplings(shells)
    numeric = response_matrix(couplings, level_kernel(levels, occupations))
    np.testing.assert_allclose(symbolic(), numeric, atol=1e-14)


@pytest.mark.parametrize("scheme", ["fermi-dirac", "gaussian", "methfessel-paxton-1", "cold"])
@pytest.mark.parametrize("fixed", ["mu", "electrons"])
def test_smearing_with_degenerate_levels(scheme: str, fixed: str) -> None:
    """Occupations follow the perturbed levels: grand potential, or F at fixed electrons."""
    from dosml.theory.fermi_level import chemical_potential

    smearing = Smearing(scheme, 0.4)
    levels = np.repeat([-0.6, 0.3, 0.1], [1, 3, 5])
    mu = 0.15
    occupations = smearing.occupation(levels - mu)
    electrons = occupations.sum()

    def diagonalise(levels, _, couplings, potential):
        e, u = np.linalg.eigh(np.diag(levels) + np.einsum("aij,a->ij", couplings, potential))
        here = mu
        if fixed == "electrons":
            here = chemical_potential(e, electrons, smearing, degeneracy=1)
        f = smearing.occupation(e - here)
        energy = f @ e - smearing.width * smearing.entropy(e - here).sum()
        if fixed == "mu":
            energy -= mu * f.sum()
        return np.einsum("aij,ij->a", couplings, (u * f) @ u.T), float(energy)

    kernel = thermal_kernel(levels, smearing, mu)
    check(
        levels,
        occupations,
        SPD,
        lambda c: response_matrix(c, kernel, fixed_electrons=fixed == "electrons"),
        diagonalise,
    )


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_symbolic_equals_numeric_for_any_levels(kind: str) -> None:
    """Per-state symbols replaced by numbers, against a plain double sum over states."""
    rng = np.random.default_rng(5)
    e, f = rng.normal(size=9), rng.uniform(size=9)
    answer = density_response("spd", levels=e.tolist(), occupations=f.tolist(), kind=kind)
    _, c = shell_couplings(SPD, kind)
    kernel = level_kernel(e, f)
    # C*_{jLi} C_{jL'i}: real numbers in both bases
    expected = np.einsum("ij,aji,bji->ab", kernel, c, c) / 2
    np.testing.assert_allclose(np.array(answer.matrix().evalf(), dtype=float), expected, atol=1e-13)


def test_one_gap_and_its_two_weights() -> None:
    gap = sp.Symbol("Delta", positive=True)
    f = [1, 0, 1, 1, 0]
    same = [
        density_response("d", occupations=f, gap=gap, weight=w).elements
        for w in ("difference", "transition")
    ]
    assert same[0] == same[1]
    _, c = shell_couplings((2,))
    expected = response_matrix(c, gap_kernel(f, 2.0))
    answer = density_response("d", occupations=f, gap=2)
    np.testing.assert_allclose(np.array(answer.matrix().evalf(), dtype=float), expected, atol=1e-15)
    half = density_response("d", occupations=[sp.Rational(1, 2)], gap=gap)
    assert not half.elements
    moving = density_response("d", occupations=[sp.Rational(1, 2)], gap=gap, weight="transition")
    expected = response_matrix(c, gap_kernel([0.5] * 5, 2.0, "transition"))
    numbers = np.array(moving.matrix().subs(gap, 2).evalf(), dtype=float)
    np.testing.assert_allclose(numbers, expected, atol=1e-15)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_average_over_fillings_of_a_d_shell(kind: str) -> None:
    """All 1024 ways to fill ten spin orbitals, one by one."""
    labels, c = shell_couplings((2,), kind)
    strength = {
        l: np.mean([c[a] ** 2 for a, label in enumerate(labels) if label[0] == l], axis=0)
        for l in (2, 4)
    }
    for n in range(11):
        total, count = {2: 0.0, 4: 0.0}, 0
        for chosen in combinations(range(10), n):
            f = np.zeros(10)
            f[list(chosen)] = 1
            up, down = f[:5], f[5:]
            for l, s in strength.items():
                total[l] += up @ s @ (1 - up) + down @ s @ (1 - down)
            count += 1
        ours = averaged_shell_response("d", n, 1, kind)
        for l in (2, 4):
            assert float(ours[l]) == pytest.approx(total[l] / count, abs=1e-14)


def test_partner_shell_is_basis_free() -> None:
    """d electrons into an empty p shell, d holes filled from a full one: sums over all fillings."""
    labels, c = shell_couplings((1, 2))
    block = c[:, :3, 3:] ** 2
    for full in (False, True):
        ours = partner_response("d", "p", 3, 1, full=full)
        for l in (1, 3):
            mean = np.mean([block[a].sum() for a, label in enumerate(labels) if label[0] == l])
            share = (10 - 3 if full else 3) / 10
            assert float(ours[l]) == pytest.approx(2 * share * mean)
        assert set(ours) == {1, 3}


def test_energies_are_consistent() -> None:
    """E2 is minus a quadratic form whose gradient is the density (n1 = dE2/dV)."""
    answer = density_response("sd", levels=[0, 1], occupations=[1, 0])
    v = answer.potential()
    second = answer.second_order_energy()
    for channel, coefficient in answer.density().items():
        assert sp.simplify(sp.diff(second, v[channel]) - coefficient) == 0
    assert answer.first_order_energy() == v[0, 0] / (2 * sp.sqrt(sp.pi))


def test_latex() -> None:
    text = density_response("sp").latex()
    assert text.startswith("\\begin{align}\n")
    assert text.count("P_{") == 3
    assert r"\frac{" in text
    assert "&= 0" in density_response("d").latex()


def test_degenerate_levels_of_different_occupation_are_refused() -> None:
    with pytest.raises(ValueError, match="not linear"):
        level_kernel([0, 0], [1, 0])
    with pytest.raises(ValueError, match="not linear"):
        density_response("d", occupations=[1, 0, 0, 0, 0], levels=[0])
    with pytest.raises(ValueError, match="no levels at"):
        response_matrix(np.ones((1, 2, 2)), level_kernel([0, 1], [1, 0]), fixed_electrons=True)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"shells": []}, "at least one shell"),
        ({"shells": ["x"]}, "unknown shell"),
        ({"shells": [9]}, "between 0 and"),
        ({"shells": [True]}, "between 0 and"),
        ({"shells": "d", "kind": "cubic"}, "unknown choice"),
        ({"shells": "d", "weight": "sum"}, "unknown choice"),
        ({"shells": "d", "gap": 1, "levels": [0]}, "not both"),
        ({"shells": "sd", "levels": [0]}, "one e per shell"),
        ({"shells": "d", "occupations": [1, 0]}, "one f per shell"),
    ],
)
def test_bad_input_is_refused(keywords: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        density_response(**keywords)


def test_bad_numeric_input_is_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        level_kernel([0, 1], [1])
    with pytest.raises(ValueError, match="gap must be positive"):
        gap_kernel([0, 1], 0)
    with pytest.raises(ValueError, match="unknown weight"):
        gap_kernel([0, 1], 1, "product")
    with pytest.raises(ValueError, match="do not fit"):
        response_matrix(np.ones((1, 2, 2)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="holds 0 to 10"):
        averaged_shell_response("d", 11, 1)
    with pytest.raises(ValueError, match="holds 0 to 10"):
        partner_response("d", "s", -1, 1)
