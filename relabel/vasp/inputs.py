"""Input sets: a frame and an electronic setting as INCAR, KPOINTS, POSCAR and POTCAR(.spec)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.sets import BadInputSetWarning, MatPESStaticSet, VaspInputSet

from dosml.errors import EngineError
from dosml.relabel.bands import band_count
from dosml.relabel.vasp.poscar import to_structure
from dosml.relabel.vasp.protocol import smearing_tags

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core.structure import Structure

    from dosml.relabel.vasp.frame_potcar import FramePotcar
    from dosml.relabel.vasp.potcars import PotcarFacts
    from dosml.relabel.vasp.protocol import VaspProtocol
    from dosml.theory.setting import ElectronicSetting

#: Window and step (eV) of the DOS. EMIN and EMAX are on VASP's absolute scale, where the Fermi
#: levels of metals lie between -3 and 12 eV: the window of the measures, 10 eV to either side of
#: E_F, fits in with electrons added or removed.
DOS_LOW, DOS_HIGH, DOS_STEP = -25.0, 35.0, 0.02
DOS_TAGS = {
    "LORBIT": 11,
    "EMIN": DOS_LOW,
    "EMAX": DOS_HIGH,
    "NEDOS": round((DOS_HIGH - DOS_LOW) / DOS_STEP) + 1,
}


@dataclass
class TM23StaticSet(VaspInputSet):
    """Labels as in TM23: PBE, 520 eV, Methfessel-Paxton, no spin, Gamma-centred k-points.

    Owen et al., npj Comput. Mater. 10, 92 (2024), Methods. What the paper does not state is chosen
    strictly: EDIFF, PREC, no real-space projection, no symmetry (a rattled cell has none, and a
    perfect one would be folded).

    Attributes
    ----------
    kspacing
        Largest distance of k-points, 1/Å, 2 pi included.
    denser
        Take one more point in every direction.
    """

    kspacing: float = 0.22
    denser: bool = False
    sort_structure: bool = False

    CONFIG: ClassVar[dict[str, Any]] = {
        "INCAR": {
            "ALGO": "Normal",
            "EDIFF": 1e-6,
            "ENCUT": 520,
            "GGA": "PE",
            "IBRION": -1,
            "ISPIN": 1,
            "ISYM": 0,
            "LASPH": True,
            "LCHARG": False,
            "LREAL": False,
            "LWAVE": False,
            "NELM": 200,
            "NELMIN": 4,
            "NSW": 0,
            "PREC": "Accurate",
            **DOS_TAGS,
        },
        "KPOINTS": {},
        "POTCAR_FUNCTIONAL": "PBE_54",
        "POTCAR": {},
    }

    @property
    def kpoints(self) -> Kpoints:
        """Gamma-centred grid, as VASP itself makes it from KSPACING."""
        assert self.structure is not None
        return gamma_grid(self.structure, self.kspacing, more=int(self.denser))


def gamma_grid(structure: Structure, spacing: float, *, more: int = 0) -> Kpoints:
    """Smallest Gamma-centred grid whose points are no further apart than `spacing` (1/Å).

    `more` points are added in every direction.
    """
    lengths = structure.lattice.reciprocal_lattice.abc  # 2 pi included
    # the tolerance keeps a length that is a whole multiple from being rounded up by its last bit
    a, b, c = (max(1, math.ceil(length / spacing - 1e-8)) + more for length in lengths)
    return Kpoints.gamma_automatic(kpts=(a, b, c))


def electron_count(frame: Atoms, setting: ElectronicSetting, potcar: PotcarFacts) -> float:
    """NELECT: ZVAL of the POTCAR in use for every atom, plus the setting's shift.

    Raises
    ------
    EngineError
        If no electrons are left.
    """
    count = len(frame) * (potcar.zval + setting.electrons_per_atom_shift)
    if count <= 0:
        raise EngineError(
            f"--electrons {setting.electrons_per_atom_shift:+g}: the POTCAR {potcar.symbol} has "
            f"{potcar.zval:g} valence electrons only"
        )
    return count


def input_set(
    frame: Atoms,
    setting: ElectronicSetting,
    protocol: VaspProtocol,
    potcar: FramePotcar | None,
    *,
    denser: bool = False,
) -> VaspInputSet:
    """Build the input set of one job.

    Parameters
    ----------
    potcar
        The POTCAR in use; without it NELECT and NBANDS are missing from the INCAR.
    denser
        Take one more k-point in every direction than the protocol does.

    Raises
    ------
    EngineError
        If VASP does not have the smearing scheme, or no electrons are left.
    """
    symbols = sorted(set(frame.get_chemical_symbols()))
    # one grid for the cell: the densest that an element of it asks for
    spacing = min(protocol.spacing(symbol) for symbol in symbols)
    try:
        tags: dict[str, Any] = dict(smearing_tags(setting))
    except ValueError as error:
        raise EngineError(str(error)) from error
    if potcar is not None:
        tags["NELECT"] = electron_count(frame, setting, potcar.facts)
        tags["NBANDS"] = band_count(
            n_atoms=len(frame),
            n_electrons=tags["NELECT"],
            zval=potcar.facts.zval,
            valence_electrons=potcar.valence_electrons,
            volume=frame.cell.volume,
            smearing=setting.smearing,
        )
    options: dict[str, Any] = {
        "structure": to_structure(frame),
        "user_incar_settings": {**tags, **protocol.incar},
        "user_potcar_settings": {one: protocol.potcar_symbol(one) for one in symbols},
        "user_potcar_functional": protocol.functional,
        "sort_structure": False,
    }
    with warnings.catch_warnings():
        # the POTCARs are chosen on purpose, and recorded
        warnings.simplefilter("ignore", BadInputSetWarning)
        warnings.filterwarnings("ignore", message=".*inconsistent with the recommended.*")
        if protocol.preset == "tm23":
            return TM23StaticSet(kspacing=spacing, denser=denser, **options)
        options["user_incar_settings"] = {**DOS_TAGS, **options["user_incar_settings"]}
        if protocol.kspacing:
            options["user_incar_settings"] |= {"KSPACING": spacing}
        plain = MatPESStaticSet(**options)
        if not denser:
            return plain
        # VASP makes the grid of a KSPACING itself, with Gamma in it: one more point has to be said
        options["user_kpoints_settings"] = gamma_grid(
            options["structure"], plain.incar["KSPACING"], more=1
        )
        options["user_incar_settings"] |= {"KSPACING": None}
        return MatPESStaticSet(**options)
