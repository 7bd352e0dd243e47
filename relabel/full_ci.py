"""Exact energies of clusters of hydrogen in a basis, and PBE beside them, through pyscf.

Sun et al., J. Chem. Phys. 153, 024109 (2020). Ase calculators whose functions are engines by name:
`ase:dosml.relabel.full_ci:sto_3g`. They need the extra `hydrogen`.

The reference of a fragment is its ground state over all spins: the space of the smallest |M_s| (0
or 1/2) holds one component of every multiplet, and nothing fixes the spin. All are neutral.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.units import Bohr, Hartree

from dosml.errors import EngineError, EngineMissingError
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.theory.setting import ElectronicSetting

#: Determinants of a cluster, about 30 s: H10 in STO-3G has 63 504, H6 in 6-31G 48 400.
MOST_DETERMINANTS = 70_000
#: Up to here a space is diagonalised whole; beyond, Davidson's method starts from so many.
_DENSE = 400
#: States that Davidson's method follows, and vectors that it keeps: far apart atoms have many
#: multiplets within a meV, one state alone can end in the wrong one and few vectors in none.
_STATES, _VECTORS = 4, 80


class HydrogenCalculator(Calculator):
    """Energy and forces of a cluster of hydrogen.

    The cell is passed over: the cluster stands alone.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ase declares it so)

    def __init__(self, basis: str) -> None:
        """Choose a basis by pyscf's name."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.basis = basis

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Solve the cluster.

        Raises
        ------
        EngineError
            If it holds other elements, is too large, or does not converge.
        EngineMissingError
            If pyscf is not installed.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame: Any = self.atoms
        energy, gradient = self._solve(_molecule(frame, self.basis))
        self.results = {
            "energy": float(energy) * Hartree,
            "forces": -np.asarray(gradient) * Hartree / Bohr,
        }

    def _solve(self, molecule: Any) -> tuple[float, Any]:
        """Energy (Hartree) and its gradient (Hartree/Bohr)."""
        raise NotImplementedError


class FullCi(HydrogenCalculator):
    """Full configuration interaction; forces by a complete active space of all orbitals."""

    def _solve(self, molecule: Any) -> tuple[float, Any]:
        from pyscf import ao2mo, fci, mcscf, scf

        alpha, beta = molecule.nelec
        overlap = molecule.intor_symmetric("int1e_ovlp")
        # any orthonormal orbitals span the same space: no mean field that could fail to converge
        values, vectors = np.linalg.eigh(overlap)
        orbitals = vectors / np.sqrt(values) @ vectors.T
        core = molecule.intor_symmetric("int1e_kin") + molecule.intor_symmetric("int1e_nuc")
        n = orbitals.shape[1]
        determinants = comb(n, alpha) * comb(n, beta)
        if determinants > MOST_DETERMINANTS:
            raise EngineError(
                f"full configuration interaction of {molecule.natm} hydrogen atoms has "
                f"{determinants} determinants here, at most {MOST_DETERMINANTS} are meant: take "
                "fewer atoms or a smaller basis"
            )
        solver = fci.direct_spin1.FCISolver(molecule)
        solver.pspace_size = _DENSE
        # several states even of a space that is diagonalised whole: for one state of a degenerate
        # ground state pyscf turns to Davidson's method, which ended in excited states, eV too high
        solver.nroots = min(_STATES, determinants)
        solver.conv_tol, solver.max_cycle, solver.max_space = 1e-10, 300, _VECTORS
        energies, states = solver.kernel(
            orbitals.T @ core @ orbitals,
            ao2mo.kernel(molecule, orbitals),
            n,
            (alpha, beta),
            ecore=molecule.energy_nuc(),
        )
        lowest = int(np.argmin(energies))
        if not np.atleast_1d(solver.converged)[lowest]:
            raise EngineError(
                f"full configuration interaction of {molecule.natm} atoms does not converge"
            )
        energy = float(np.atleast_1d(energies)[lowest])
        state = states if solver.nroots == 1 else states[lowest]
        field = scf.ROHF(molecule)
        field.mo_coeff, field.mo_energy, field.e_tot = orbitals, np.zeros(n), energy
        field.mo_occ = np.repeat([2.0, 1.0, 0.0], [beta, alpha - beta, n - alpha])
        space = mcscf.CASSCF(field, n, (alpha, beta))
        space.mo_coeff, space.ci, space.e_tot, space.converged = orbitals, state, energy, True
        return energy, space.nuc_grad_method().kernel(mo_coeff=orbitals, ci=state)


class UnrestrictedPbe(HydrogenCalculator):
    """Spin-polarised PBE at the smallest |M_s|.

    In one function an atom it keeps the spin symmetry where atoms are apart, eV above atoms, and
    which solution is found may change from one cluster to its neighbour: forces are of that found.
    """

    def _solve(self, molecule: Any) -> tuple[float, Any]:
        from pyscf import dft

        field = dft.UKS(molecule, xc="PBE")
        field.max_cycle, field.init_guess_breaksym = 200, 1
        energy = field.kernel()
        if not field.converged:
            field = field.newton()
            energy = field.kernel()
        if not field.converged:
            raise EngineError(f"PBE of {molecule.natm} hydrogen atoms does not converge")
        return float(energy), field.nuc_grad_method().kernel()


def _molecule(frame: Atoms, basis: str) -> Any:
    try:
        from pyscf import gto
    except ImportError as error:
        raise EngineMissingError(
            f"clusters of hydrogen need the package pyscf: {install_hint('hydrogen')}"
        ) from error
    if set(frame.numbers) != {1}:
        raise EngineError(
            f"this calculator is for hydrogen, the cluster is {frame.get_chemical_formula()}"
        )
    return gto.M(
        atom=[("H", position) for position in frame.positions],
        unit="Angstrom",
        basis=basis,
        spin=len(frame) % 2,
        verbose=0,
    )


def sto_3g(_setting: ElectronicSetting | None = None) -> FullCi:
    """Full configuration interaction in STO-3G, to H10."""
    return FullCi("sto-3g")


def six_31g(_setting: ElectronicSetting | None = None) -> FullCi:
    """Full configuration interaction in 6-31G, to H6."""
    return FullCi("6-31g")


def cc_pvdz(_setting: ElectronicSetting | None = None) -> FullCi:
    """Full configuration interaction in cc-pVDZ, to H4."""
    return FullCi("cc-pvdz")


def pbe_sto_3g(_setting: ElectronicSetting | None = None) -> UnrestrictedPbe:
    """Spin-polarised PBE in STO-3G."""
    return UnrestrictedPbe("sto-3g")
