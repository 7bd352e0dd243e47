"""Rigid band: other electron numbers in a density of states that stays as it is.

The crudest picture of added or removed electrons: no level moves, only the Fermi level does. It
predicts how filling, n(E_F) and the response index go with the electron number, and it is wrong
where the levels follow the charge. A calculation at the other electron number shows by how much.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing


def rigid_band(
    dos: ElectronicDos, smearing: Smearing, electrons_per_atom_shift: float
) -> ElectronicDos:
    """Fill the same levels with another number of electrons.

    Parameters
    ----------
    dos
        Energies relative to the chemical potential of `smearing`; its total DOS is filled.
    smearing
        Scheme and width, the same before and after.
    electrons_per_atom_shift
        Electrons added per atom (negative: removed).

    Returns
    -------
    shifted
        The same densities, energies (eV) relative to the chemical potential that holds the new
        number.

    Raises
    ------
    ValueError
        If the electrons do not fit the states on the grid.
    """
    # scipy is imported on use: `import dosml.theory` must stay light
    from dosml.theory.fermi_level import dos_chemical_potential, dos_electrons

    electrons = dos_electrons(dos.energies, dos.total, smearing, 0.0)
    level = dos_chemical_potential(
        dos.energies, dos.total, electrons + electrons_per_atom_shift, smearing
    )
    return replace(dos, energies=dos.energies - level)
