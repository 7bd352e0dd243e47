"""Closed-form physics: no files, no engines.

Gaunt coefficients (`gaunt`, `real_gaunt`, `coupling`, `ck`, `gaunt_table`), density response of
shells (`density_response` and the statements), smearing (`Smearing`, chemical potentials), d bands
(`d_band`, model bands), the response index of a density of states (`response_index`), and
invariants of Cartesian moments with their maps to ACE (`Multigraph`, `pair_map`, `triplet_map`).

Everything is imported on first use, so `import dosml.theory` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# These functions share the name of their module: bound now, the function wins whatever a user
# imports first.
from dosml.theory.gaunt import gaunt
from dosml.theory.response_index import response_index
from dosml.theory.rigid_band import rigid_band

if TYPE_CHECKING:
    from dosml.theory.cartesian import harmonic_matrix, monomial_matrix, monomials, pair_map
    from dosml.theory.cartesian_ace import cartesian_triplets, spherical_triplets, triplet_map
    from dosml.theory.crystal_fields import (
        crystal_field,
        crystal_field_response,
        crystal_field_shares,
    )
    from dosml.theory.dband import BandMoments, band_moments, d_band
    from dosml.theory.dos import D_ORBITALS, ElectronicDos, mean_dos
    from dosml.theory.fermi_level import (
        BandEnergy,
        band_energy,
        chemical_potential,
        dos_chemical_potential,
        dos_electrons,
    )
    from dosml.theory.filling import averaged_shell_response, partner_response
    from dosml.theory.gaunt import ck, coupling, real_gaunt, three_j_zero_squared
    from dosml.theory.gaunt_tables import GauntTable, gaunt_table, shell_couplings
    from dosml.theory.irreducible_tensors import stf_power, stf_product
    from dosml.theory.model_bands import RectangularBand, SemiEllipticBand, friedel_bond_energy
    from dosml.theory.multigraphs import (
        Multigraph,
        connected_multigraphs,
        irreducible_multigraphs,
    )
    from dosml.theory.perturbation import (
        density_coefficients,
        first_order_energy,
        gap_kernel,
        level_kernel,
        response_matrix,
        second_order_energy,
        thermal_kernel,
    )
    from dosml.theory.principal_value import hilbert_transform
    from dosml.theory.response import DensityResponse, density_response
    from dosml.theory.response_index import (
        OrbitalResponseIndex,
        ResponseIndex,
        fermi_level_curve,
        orbital_response_index,
        pair_integrals,
    )
    from dosml.theory.smearing import Smearing, delta, entropy, occupation
    from dosml.theory.smearing_symbolic import SymbolicSmearing, symbolic_smearing
    from dosml.theory.smearing_widths import (
        SmearingWidthWarning,
        electronic_temperature,
        equivalent_width,
        from_vasp,
        full_width_at_half_maximum,
        leading_power,
        second_moment,
        to_vasp,
        vasp_energy_zero,
        zero_width_energy,
    )
    from dosml.theory.statements import (
        Statement,
        average_over_fillings,
        basis_free_strength,
        equal_occupations,
        full_shell,
        reach,
    )

_HOMES = {
    "cartesian": ("harmonic_matrix", "monomial_matrix", "monomials", "pair_map"),
    "cartesian_ace": ("cartesian_triplets", "spherical_triplets", "triplet_map"),
    "crystal_fields": ("crystal_field", "crystal_field_response", "crystal_field_shares"),
    "dband": ("BandMoments", "band_moments", "d_band"),
    "dos": ("D_ORBITALS", "ElectronicDos", "mean_dos"),
    "fermi_level": (
        "BandEnergy",
        "band_energy",
        "chemical_potential",
        "dos_chemical_potential",
        "dos_electrons",
    ),
    "filling": ("averaged_shell_response", "partner_response"),
    "gaunt": ("ck", "coupling", "real_gaunt", "three_j_zero_squared"),
    "gaunt_tables": ("GauntTable", "gaunt_table", "shell_couplings"),
    "irreducible_tensors": ("stf_power", "stf_product"),
    "model_bands": ("RectangularBand", "SemiEllipticBand", "friedel_bond_energy"),
    "multigraphs": ("Multigraph", "connected_multigraphs", "irreducible_multigraphs"),
    "perturbation": (
        "density_coefficients",
        "first_order_energy",
        "gap_kernel",
        "level_kernel",
        "response_matrix",
        "second_order_energy",
        "thermal_kernel",
    ),
    "principal_value": ("hilbert_transform",),
    "response": ("DensityResponse", "density_response"),
    "response_index": (
        "OrbitalResponseIndex",
        "ResponseIndex",
        "fermi_level_curve",
        "orbital_response_index",
        "pair_integrals",
    ),
    "smearing": ("Smearing", "delta", "entropy", "occupation"),
    "smearing_symbolic": ("SymbolicSmearing", "symbolic_smearing"),
    "smearing_widths": (
        "SmearingWidthWarning",
        "electronic_temperature",
        "equivalent_width",
        "from_vasp",
        "full_width_at_half_maximum",
        "leading_power",
        "second_moment",
        "to_vasp",
        "vasp_energy_zero",
        "zero_width_energy",
    ),
    "statements": (
        "Statement",
        "average_over_fillings",
        "basis_free_strength",
        "equal_occupations",
        "full_shell",
        "reach",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "D_ORBITALS",
    "BandEnergy",
    "BandMoments",
    "DensityResponse",
    "ElectronicDos",
    "GauntTable",
    "Multigraph",
    "OrbitalResponseIndex",
    "RectangularBand",
    "ResponseIndex",
    "SemiEllipticBand",
    "Smearing",
    "SmearingWidthWarning",
    "Statement",
    "SymbolicSmearing",
    "average_over_fillings",
    "averaged_shell_response",
    "band_energy",
    "band_moments",
    "basis_free_strength",
    "cartesian_triplets",
    "chemical_potential",
    "ck",
    "connected_multigraphs",
    "coupling",
    "crystal_field",
    "crystal_field_response",
    "crystal_field_shares",
    "d_band",
    "delta",
    "density_coefficients",
    "density_response",
    "dos_chemical_potential",
    "dos_electrons",
    "electronic_temperature",
    "entropy",
    "equal_occupations",
    "equivalent_width",
    "fermi_level_curve",
    "first_order_energy",
    "friedel_bond_energy",
    "from_vasp",
    "full_shell",
    "full_width_at_half_maximum",
    "gap_kernel",
    "gaunt",
    "gaunt_table",
    "harmonic_matrix",
    "hilbert_transform",
    "irreducible_multigraphs",
    "leading_power",
    "level_kernel",
    "mean_dos",
    "monomial_matrix",
    "monomials",
    "occupation",
    "orbital_response_index",
    "pair_integrals",
    "pair_map",
    "partner_response",
    "reach",
    "real_gaunt",
    "response_index",
    "response_matrix",
    "rigid_band",
    "second_moment",
    "second_order_energy",
    "shell_couplings",
    "spherical_triplets",
    "stf_power",
    "stf_product",
    "symbolic_smearing",
    "thermal_kernel",
    "three_j_zero_squared",
    "to_vasp",
    "triplet_map",
    "vasp_energy_zero",
    "zero_width_energy",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dosml.theory' has no attribute {name!r}")
    value = getattr(import_module(f"dosml.theory.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
