"""The statements hold, say what they should, and can fail."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from dosml.theory import statements
from dosml.theory.crystal_fields import (
    D_LEVELS,
    crystal_field,
    crystal_field_response,
    crystal_field_shares,
)
from dosml.theory.gaunt_tables import shell_couplings
from dosml.theory.perturbation import response_matrix
from dosml.theory.response import density_response
from dosml.theory.statements import (
    average_over_fillings,
    basis_free_strength,
    equal_occupations,
    full_shell,
    reach,
)


@pytest.mark.parametrize(
    "statement",
    [
        full_shell("s"),
        full_shell(),
        full_shell("f"),
        reach(),
        reach("spdf"),
        average_over_fillings("p"),
        average_over_fillings(),
        equal_occupations(),
        crystal_field("cubic"),
        crystal_field("hexagonal"),
    ],
)
def test_statements_hold(statement: statements.Statement) -> None:
    assert statement.holds
    assert str(statement).startswith(statement.claim)
    assert str(statement).endswith("holds")


def test_reach_of_s_p_and_d() -> None:
    assert reach().evidence == {
        "s-s": [0],
        "s-p": [1],
        "s-d": [2],
        "p-p": [0, 2],
        "p-d": [1, 3],
        "d-d": [0, 2, 4],
    }


def test_a_statement_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong response (everything half full) is noticed."""

    def wrong(shells, **others):
        others["occupations"] = [sp.Rational(1, 2)] * len(shells)
        others["weight"] = "transition"
        return density_response(shells, **others)

    monkeypatch.setattr(statements, "density_response", wrong)
    statement = full_shell()
    assert not statement.holds
    assert str(statement).endswith("DOES NOT HOLD")


def test_shares_that_join_different_orbitals_in_random_bases() -> None:
    """The means over unitary and orthogonal bases that the statement names, by sampling."""
    evidence = average_over_fillings("d").evidence
    rng = np.random.default_rng(0)
    _, c = shell_couplings((2,))
    block = c[4]  # l = 2, one component: any traceless symmetric coupling will do
    total = (block**2).sum()
    shares = {"unitary": [], "orthogonal": []}
    for _ in range(8_000):
        gaussian = rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5))
        for name, matrix in (("unitary", gaussian), ("orthogonal", gaussian.real)):
            u, r = np.linalg.qr(matrix)
            u = u * (np.diagonal(r) / np.abs(np.diagonal(r)))
            diagonal = np.einsum("ai,ab,bi->i", u.conj(), block, u).real
            shares[name].append(1 - (diagonal**2).sum() / total)
    for name, values in shares.items():
        expected = float(evidence[f"share, mean over {name} bases"])
        assert np.mean(values) == pytest.approx(expected, abs=0.005)


def test_tanh_damping_is_the_kernel_of_two_levels() -> None:
    from dosml.theory.perturbation import thermal_kernel
    from dosml.theory.smearing import Smearing

    kernel = thermal_kernel([-0.35, 0.35], Smearing("fermi-dirac", 0.2), 0.0)
    assert kernel[0, 1] * 0.7 == pytest.approx(np.tanh(0.7 / 0.8))
    assert thermal_kernel([0.0], Smearing("fermi-dirac", 0.2), 0.0)[0, 0] == pytest.approx(1 / 0.8)


@pytest.mark.parametrize("field", ["cubic", "hexagonal"])
def test_shares_add_up_to_one(field: str) -> None:
    totals = {0: 0, 2: 0, 4: 0}
    for (degree, _), pairs in crystal_field_shares(field).items():
        totals[degree] += sum(pairs.values())
    assert totals == {0: 1, 2: 1, 4: 1}


def test_cubic_response_has_the_eigenvalues_of_its_symmetries() -> None:
    """Numeric P of a split shell: its eigenvalues come in cubic multiplets, with these traces."""
    levels, slopes = {"eg": 0.7, "t2g": -0.4}, {"eg": 0.2, "t2g": 0.5}
    occupations = {"eg": 0.3, "t2g": 0.9}
    answer = crystal_field_response(
        "cubic", occupations=occupations, levels=levels, intralevel=slopes
    )
    between = (occupations["t2g"] - occupations["eg"]) / (levels["eg"] - levels["t2g"])
    kernels = {("eg", "eg"): 0.2, ("t2g", "t2g"): 0.5, ("eg", "t2g"): between}
    matrix = np.array(answer.matrix(4).evalf(), dtype=float)
    expected = []
    for (degree, name), pairs in crystal_field_shares("cubic").items():
        if degree == 4:
            size = {"A1g": 1, "Eg": 2, "T1g": 3, "T2g": 3}[name]
            trace = sum(float(share) * kernels[pair] for pair, share in pairs.items())
            trace *= 9 * float(basis_free_strength("d", "d", 4)) / 2
            expected += [trace / size] * size
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix), np.sort(expected), atol=1e-12)


def test_hexagonal_response_against_numbers() -> None:
    names = {m: name for name, members in D_LEVELS["hexagonal"].items() for m in members}
    levels = {"a": -0.5, "e1": 0.1, "e2": 0.8}
    occupations = {"a": 1.0, "e1": 0.6, "e2": 0.0}
    answer = crystal_field_response("hexagonal", occupations=occupations, levels=levels)
    e = np.array([levels[names[m]] for m in range(-2, 3)])
    f = np.array([occupations[names[m]] for m in range(-2, 3)])
    kernel = np.zeros((5, 5))
    for i in range(5):
        for j in range(5):
            if e[i] != e[j]:
                kernel[i, j] = (f[i] - f[j]) / (e[j] - e[i])
    _, c = shell_couplings((2,))
    np.testing.assert_allclose(
        np.array(answer.matrix().evalf(), dtype=float), response_matrix(c, kernel), atol=1e-14
    )
    silent = [(4, 0), (4, 4), (4, -4), (2, 0)]
    assert all(answer[channel, channel] == 0 for channel in silent)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown crystal field"):
        crystal_field("tetragonal")
    with pytest.raises(ValueError, match="has the levels eg, t2g"):
        crystal_field_response("cubic", levels={"a": 1, "t2g": 0})
    with pytest.raises(ValueError, match="single orbital"):
        average_over_fillings("s")
    with pytest.raises(ValueError, match="unknown shell"):
        full_shell("z")
    with pytest.raises(ValueError, match="at least one shell"):
        reach(())
