"""The element table against ase, pymatgen and the physics that it feeds."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers, reference_states
from ase.data.cohesive_energies import cohesive_energy_kittel2005

from dosml.errors import UnknownElementError
from dosml.relabel.elements import ELEMENTS, element

SYMBOLS = "Ag Au Cd Co Cr Cu Fe Hf Hg Ir Mn Mo Nb Ni Os Pd Pt Re Rh Ru Ta Tc Ti V W Zn Zr"
METALS = tuple(SYMBOLS.split())


def test_the_table_holds_the_27_metals_in_order():
    assert ELEMENTS == METALS


@pytest.mark.parametrize("symbol", METALS)
def test_identity_and_lattice_are_those_of_ase(symbol):
    metal = element(symbol)
    state = reference_states[atomic_numbers[symbol]]
    assert metal.atomic_number == atomic_numbers[symbol]
    if symbol == "Mn":  # ase has no alpha-Mn, only its cubic lattice
        assert metal.prototype == "alpha-Mn"
        assert metal.a == pytest.approx(state["a"], abs=0.03)
        return
    assert metal.prototype == state["symmetry"]
    assert metal.a == state["a"]
    assert (metal.c is None) == (metal.prototype != "hcp")
    if metal.c is not None:
        assert metal.c / metal.a == pytest.approx(state["c/a"], abs=3e-4)
    assert metal.alpha == state.get("alpha")


@pytest.mark.parametrize("symbol", METALS)
def test_cohesive_energy_is_kittels(symbol):
    assert element(symbol).cohesive_energy == cohesive_energy_kittel2005[atomic_numbers[symbol]]


@pytest.mark.filterwarnings("ignore:No data available")
@pytest.mark.parametrize("symbol", METALS)
def test_the_rest_agrees_with_pymatgen(symbol):
    from pymatgen.core import Element
    from pymatgen.io.vasp.sets import MatPESStaticSet

    metal, other = element(symbol), Element(symbol)
    assert metal.melting_temperature == pytest.approx(float(other.melting_point), abs=0.6)
    assert metal.valence_electrons == other.group
    shells = other.full_electronic_structure
    assert metal.d_electrons == max((n, count) for n, kind, count in shells if kind == "d")[1]
    assert metal.potcar_symbol == MatPESStaticSet.CONFIG["POTCAR"][symbol]
    if other.bulk_modulus is not None:  # other measurements: a slip of the decimal point shows
        ratio = metal.bulk_modulus / float(other.bulk_modulus)
        assert ratio == 1.0 if symbol in {"Mn", "Hg"} else 0.7 < ratio < 1.5


def test_bulk_moduli_follow_the_cohesive_energy_density():
    """B V / E_coh lies between 1.5 and 6: a slip shows where pymatgen has no value (Tc, Os, Zr)."""
    from dosml.relabel.structures import unit_cell

    for symbol in METALS:
        metal, cell = element(symbol), unit_cell(symbol)
        volume = cell.get_volume() / len(cell)
        ratio = metal.bulk_modulus * 0.00624150907 * volume / metal.cohesive_energy
        assert 1.5 < ratio < 6.0, (symbol, ratio)


@pytest.mark.filterwarnings("ignore:No data available")
def test_densities_are_those_of_the_metals():
    """Mass over volume per atom: prototype, lattice constants and cell content at once."""
    from pymatgen.core import Element

    from dosml.relabel.structures import unit_cell

    for symbol in METALS:
        cell = unit_cell(symbol)
        density = cell.get_masses().sum() * 1.66053907 / cell.get_volume() * 1000
        # mercury: the solid at its melting point
        measured = float(Element(symbol).density_of_solid or 14184.0)
        assert density == pytest.approx(measured, rel=0.07), symbol


@pytest.mark.parametrize(("symbol", "near"), [("ti", "Ti"), ("Wn", "Zn|W|Mn"), ("Xx", None)])
def test_unknown_symbol_lists_the_metals(symbol, near):
    import re

    with pytest.raises(UnknownElementError) as caught:
        element(symbol)
    message = str(caught.value)
    assert all(re.search(rf"\b{metal}\b", message) for metal in METALS)
    if near is None:
        assert "did you mean" not in message
    else:
        assert re.search(rf"did you mean ({near})\?", message)


def test_an_element_cannot_be_changed():
    with pytest.raises(AttributeError):
        element("Ti").a = 1.0
    assert np.isfinite(element("Ti").a)
