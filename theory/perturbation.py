"""First-order density and second-order energy of a few levels in a small potential, in numbers.

States i have one radial part φ and real or complex harmonics Y_i; the potential is
V(r) = Σ_L V_L Y_L. With C_{iLj} = ∫ Y*_i Y_L Y_j (`dosml.theory.shell_couplings`), and every pair
of states counted once,

    P_{LL'} = (1/2) Σ_{ij} W_ij C*_{jLi} C_{jL'i},
    n1(r)   = -|φ|^2 Σ_{LL'} Y_L V_L' P_{LL'} + c.c. = -2 |φ|^2 Σ_{LL'} Y_L V_L' P_{LL'},
    E1      = Σ_i f_i Σ_L V_L C_{iLi},      E2 = -Σ_{LL'} V*_L P_{LL'} V_L'.

The kernel W_ij is (f_i - f_j)/(e_j - e_i) for distinct levels; other kernels below. Owen et al.,
npj Comput. Mater. 10, 92 (2024), eqs. 11-14, write the same for one gap; the prefactors here are
derived in the project's theory page and checked against exact diagonalisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dosml.theory.smearing import Smearing

Weight = Literal["difference", "transition"]

# Levels closer than this share of σ count as degenerate: both forms are then good to 1e-10.
_CLOSE = 1e-4


def _same_length(levels: ArrayLike, occupations: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return levels and occupations as equally long arrays."""
    e = np.asarray(levels, dtype=np.float64)
    f = np.asarray(occupations, dtype=np.float64)
    if e.ndim != 1 or e.shape != f.shape:
        raise ValueError(f"levels {e.shape} and occupations {f.shape} must be equally long lists")
    return e, f


def level_kernel(levels: ArrayLike, occupations: ArrayLike) -> NDArray[np.float64]:
    """W_ij = (f_i - f_j)/(e_j - e_i) for fixed occupations.

    Both weights of the theory give this kernel when levels are distinct: summed over both orders of
    a pair, f_i (1 - f_j)/(e_j - e_i) is (f_i - f_j)/(e_j - e_i).

    Parameters
    ----------
    levels
        Energies, shape (n,), eV.
    occupations
        Between 0 and 1, shape (n,).

    Returns
    -------
    kernel
        Shape (n, n), 1/eV, symmetric, zero between degenerate states of equal occupation (their
        density does not depend on how the potential mixes them).

    Raises
    ------
    ValueError
        If degenerate states have different occupations: an arbitrarily small potential mixes them,
        so there is no linear response. Split the level, or use `gap_kernel` or `thermal_kernel`.
    """
    e, f = _same_length(levels, occupations)
    rise = e[None, :] - e[:, None]
    fall = f[:, None] - f[None, :]
    degenerate = rise == 0
    if (fall[degenerate] != 0).any():
        raise ValueError(
            "degenerate states hold different occupations: their response is not linear; split "
            "the level, or use one gap or a smearing"
        )
    return np.asarray(np.where(degenerate, 0.0, fall / np.where(degenerate, 1.0, rise)))


def gap_kernel(
    occupations: ArrayLike, gap: float, weight: Weight = "difference"
) -> NDArray[np.float64]:
    """Kernel of the paper's model: every transition costs the same gap.

    Parameters
    ----------
    occupations
        Between 0 and 1, shape (n,).
    gap
        Δ, eV.
    weight
        "difference": |f_i - f_j|/Δ (the emptier state lies Δ above; nothing at equal occupation).
        "transition": [f_i (1 - f_j) + f_j (1 - f_i)]/Δ (an electron meets a hole, each found
        independently; not zero at equal occupation). Equal when all occupations are 0 or 1.

    Returns
    -------
    kernel
        Shape (n, n), 1/eV, symmetric, zero on the diagonal.

    Raises
    ------
    ValueError
        If the gap is not positive or the weight is unknown.
    """
    f = np.asarray(occupations, dtype=np.float64)
    if not gap > 0:
        raise ValueError(f"the gap must be positive, got {gap} eV")
    if weight == "difference":
        kernel = np.abs(f[:, None] - f[None, :])
    elif weight == "transition":
        kernel = f[:, None] * (1 - f[None, :]) + f[None, :] * (1 - f[:, None])
    else:
        raise ValueError(f"unknown weight {weight!r}: use 'difference' or 'transition'")
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel / gap)


def thermal_kernel(levels: ArrayLike, smearing: Smearing, mu: float) -> NDArray[np.float64]:
    """Kernel at a smearing and fixed chemical potential: occupations follow the levels.

    Parameters
    ----------
    levels
        Energies, shape (n,), eV; degenerate levels are welcome.
    smearing
        Any scheme.
    mu
        Chemical potential, eV.

    Returns
    -------
    kernel
        (f_i - f_j)/(e_j - e_i), and -f'(e) between equal levels and on the diagonal; shape (n, n),
        1/eV.
    """
    e = np.asarray(levels, dtype=np.float64)
    f = smearing.occupation(e - mu)
    rise = e[None, :] - e[:, None]
    close = np.abs(rise) < _CLOSE * smearing.width
    middle = smearing.delta((e[None, :] + e[:, None]) / 2 - mu)
    return np.where(close, middle, (f[:, None] - f[None, :]) / np.where(close, 1.0, rise))


def response_matrix(
    couplings: NDArray[np.float64], kernel: NDArray[np.float64], *, fixed_electrons: bool = False
) -> NDArray[np.float64]:
    """P_{LL'} for couplings and a kernel.

    Parameters
    ----------
    couplings
        C_{iLj}, shape (k, n, n), real numbers.
    kernel
        W_ij, shape (n, n), 1/eV.
    fixed_electrons
        Let the chemical potential move so that the electron number stays (thermal kernel only,
        whose diagonal is the density of states).

    Returns
    -------
    response
        Shape (k, k), 1/eV, symmetric.

    Raises
    ------
    ValueError
        If the shapes disagree, or the electrons are to be fixed with a kernel without diagonal.
    """
    if couplings.ndim != 3 or couplings.shape[1:] != kernel.shape:
        raise ValueError(f"couplings {couplings.shape} do not fit a kernel {kernel.shape}")
    response = np.einsum("ji,aji,bji->ab", kernel, couplings, couplings, optimize=True) / 2
    if fixed_electrons:
        weights = np.diagonal(kernel)
        total = weights.sum()
        if total == 0:
            raise ValueError("this kernel has no levels at μ: the electron number is fixed already")
        shift = np.einsum("aii,i->a", couplings, weights)
        response = response - np.outer(shift, shift) / (2 * total)
    return np.asarray(response)


def first_order_energy(
    couplings: NDArray[np.float64], occupations: ArrayLike, potential: ArrayLike
) -> float:
    """E1 = Σ_i f_i Σ_L V_L C_{iLi} in eV: the potential in the unperturbed density.

    Parameters
    ----------
    couplings
        Shape (k, n, n).
    occupations
        Shape (n,).
    potential
        V_L, shape (k,), eV.
    """
    f, v = np.asarray(occupations), np.asarray(potential)
    return float(np.real(np.einsum("aii,i,a->", couplings, f, v)))


def second_order_energy(response: NDArray[np.float64], potential: ArrayLike) -> float:
    """E2 = -Σ V*_L P_{LL'} V_L' in eV.

    It is half of ∫ n1 V; at a smearing it is the second-order change of the grand potential
    (fixed μ) or of the free energy F (fixed electrons), not of E.

    Parameters
    ----------
    response
        P, shape (k, k), 1/eV.
    potential
        V_L, shape (k,), eV.
    """
    v = np.asarray(potential)
    return -float(np.real(v.conj() @ response @ v))


def density_coefficients(
    response: NDArray[np.float64], potential: ArrayLike
) -> NDArray[np.float64]:
    """Coefficients n_L of the density response n1(r) = |φ|^2 Σ_L n_L Y_L: -2 Σ_L' P_{LL'} V_L'.

    Parameters
    ----------
    response
        P, shape (k, k), 1/eV.
    potential
        V_L, shape (k,), eV, of a real potential.

    Returns
    -------
    coefficients
        Shape (k,), dimensionless.
    """
    return np.asarray(-2 * response @ np.asarray(potential))
