"""Which crystals and snapshots the parameters of a metal are fitted to, and which are held out.

Crystals say what bands, lattice constants and elastic constants are; snapshots say what forces are.
Both sides of the fit use the k-points written here, so that the error of the mesh cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.dataset import reference_dataset
from dosml.relabel.elements import element
from dosml.relabel.frames import canonical
from dosml.relabel.sampling import sample_frames
from dosml.relabel.structures import unit_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

#: Largest distance of k-points of a crystal, 1/Å (2 pi included).
SPACING = 0.38
#: Volumes per atom in units of the experimental one: of the ground state, of the other close
#: packings, and of the simple cubic crystal, which keeps low coordination sane. The smallest have
#: bonds of 0.8 of the neighbour distance, which melts have too.
VOLUMES = {
    "ground": (0.55, 0.63, 0.72, 0.80, 0.86, 0.92, 0.97, 1.02, 1.07, 1.13, 1.20),
    "other": (0.78, 0.86, 0.94, 1.02, 1.10, 1.20),
    "sc": (0.65, 0.80, 0.95, 1.10, 1.25),
}
#: More volumes of the ground state where PBE's lowest energy lies beyond those: it hardly binds Hg.
WIDER = {"Hg": (1.30, 1.42, 1.55)}
CRYSTALS = ("fcc", "bcc", "hcp")
#: Crystal that stands for a ground state that this fit cannot afford: 29 atoms of alpha-Mn.
STAND_IN = {"alpha-Mn": "hcp"}
#: Strains of the ground state at `STRAINED_VOLUME`; they conserve the volume.
STRAINS = (("axial", 0.03), ("axial", -0.03), ("basal", 0.03), ("shear", 0.05))
STRAINED_VOLUME = 1.02
#: Two atoms in the ground state at `STRAINED_VOLUME`, one moved towards the other to this share of
#: their distance, and the spacing of their k-points.
PAIRS = (0.74, 0.82, 0.90)
PAIR_SPACING = 0.55
#: Least length (Å) of the vectors of a snapshot: 8 atoms of every metal, where the 4.3 Å of the
#: small cells of `dosml.relabel.structures.CELLS` would give 16 of hcp Co, Ru and Mn.
SHORTEST = 4.0
#: Snapshots by tier. The held-out ones come from trajectories of their own.
FIT_SNAPSHOTS = {"cold": 1, "warm": 2, "hot": 2}
TEST_SNAPSHOTS = {"cold": 1, "warm": 1, "hot": 1}
#: Hot snapshots of another packing and with a vacancy, for the fit only.
OTHER_SNAPSHOTS = {"hot": 1}
_SEEDS = {"fit": 0, "test": 1}
#: Metals whose snapshots are those of the reference set, with more of them than are made here. The
#: set has more metals: these were fitted before it had.
REFERENCE_SNAPSHOTS = ("Au", "Cu", "Os", "Ti")
#: Around Gamma: of the held-out frames of the reference set that are computed once more, to see
#: whether the model follows PBE on k-points that the fit has not used.
DENSE_GRID = (5, 5, 5)
#: Off Gamma: 4 points where k and -k count once.
SNAPSHOT_GRID = (2, 2, 2)
#: Methfessel-Paxton 1, eV; crystals have the first one only.
WIDTHS = (0.2, 2.0)


@dataclass(frozen=True)
class Cell:
    """One cell to compute.

    Attributes
    ----------
    name
        Unique within a metal, fit for a file name.
    atoms
        The cell.
    kind
        "crystal" (point symmetry used, `WIDTHS[0]` only) or "snapshot".
    role
        "fit", "test", or "dense" for a held-out snapshot on `DENSE_GRID`.
    tier
        Tier of a snapshot, name of the crystal otherwise.
    grid, gamma
        k-points, and whether the grid holds Gamma.
    """

    name: str
    atoms: Atoms
    kind: str
    role: str
    tier: str
    grid: tuple[int, int, int]
    gamma: bool


def ground_state(symbol: str) -> str:
    """Crystal that the fit takes for the ground state."""
    name = element(symbol).prototype
    return STAND_IN.get(name, name)


def crystals(symbol: str) -> list[Cell]:
    """All crystals of a metal: volumes of fcc, bcc, hcp and simple cubic, and strains."""
    ground = ground_state(symbol)
    names = CRYSTALS if ground in CRYSTALS else (*CRYSTALS, ground)
    cells = []
    for name in (*names, "sc"):
        volumes = VOLUMES["ground" if name == ground else "sc" if name == "sc" else "other"]
        if name == ground:
            volumes = (*volumes, *WIDER.get(symbol, ()))
        cells += [_crystal(f"{name}-{v:.2f}", _scaled(symbol, name, v), name) for v in volumes]
    start = _scaled(symbol, ground, STRAINED_VOLUME)
    for kind, size in STRAINS:
        atoms = start.copy()
        atoms.set_cell(np.asarray(atoms.cell) @ strain(kind, size).T, scale_atoms=True)
        # the grid of the unstrained crystal, whose energy it is compared with
        name, grid = f"{ground}-{kind}{size:+.2f}", _crystal("", start, ground).grid
        cells.append(Cell(name, atoms, "crystal", "fit", ground, grid, gamma=True))
    return cells + [_pair(start, share) for share in PAIRS]


def strain(kind: str, size: float) -> np.ndarray:
    """Deformation of unit determinant, shape (3, 3).

    `axial` stretches z by `size`, `basal` stretches x and shortens y, `shear` tilts y and z.
    """
    deformation = np.eye(3)
    if kind == "axial":
        deformation[0, 0] = deformation[1, 1] = 1 / math.sqrt(1 + size)
        deformation[2, 2] = 1 + size
    elif kind == "basal":
        deformation[0, 0], deformation[1, 1] = 1 + size, 1 / (1 + size)
    elif kind == "shear":
        deformation[1, 2] = deformation[2, 1] = size / 2
        deformation[0, 0] = 1 / (1 - size**2 / 4)
    else:
        raise ValueError(f"no strain {kind!r}")
    return deformation


def snapshots(symbol: str) -> list[Cell]:
    """All snapshots of a metal, as the frames of the reference set are made."""
    ground = ground_state(symbol)
    other = "fcc" if ground == "bcc" else "bcc"
    cells = _snapshots(symbol, "fit", FIT_SNAPSHOTS, ground)
    cells += _snapshots(symbol, "test", TEST_SNAPSHOTS, ground)
    cells += _snapshots(symbol, "fit", OTHER_SNAPSHOTS, other)
    return cells


def dense_snapshots(symbol: str) -> list[Cell]:
    """One held-out frame of each tier of one of `REFERENCE_SNAPSHOTS`, on `DENSE_GRID`."""
    data = reference_dataset(symbol)
    first = {data.tiers[number]: number for number in reversed(data.test)}
    return [
        Cell(
            f"dense-{tier}",
            canonical(data.frames[number]),
            "snapshot",
            "dense",
            tier,
            DENSE_GRID,
            gamma=True,
        )
        for tier, number in sorted(first.items())
    ]


def grid_of(atoms: Atoms, spacing: float = SPACING) -> tuple[int, int, int]:
    """Smallest grid with k-points at most `spacing` (1/Å) apart."""
    lengths = 2 * math.pi * np.linalg.norm(np.asarray(atoms.cell.reciprocal()), axis=1)
    a, b, c = (max(1, math.ceil(length / spacing - 1e-9)) for length in lengths)
    return a, b, c


def _pair(crystal: Atoms, share: float) -> Cell:
    atoms = crystal.copy() if len(crystal) > 1 else crystal * (2, 1, 1)
    bond = atoms.get_distance(0, 1, mic=True, vector=True)
    atoms.positions[1] -= (1 - share) * bond
    grid = grid_of(atoms, PAIR_SPACING)
    return Cell(f"pair-{share:.2f}", canonical(atoms), "crystal", "fit", "pair", grid, gamma=True)


def _crystal(name: str, atoms: Atoms, tier: str) -> Cell:
    # one grid for all volumes and strains of a crystal: that at the experimental volume would
    # jump from volume to volume
    reference = atoms.copy()
    volume = atoms.cell.volume / len(atoms)
    target = unit_cell(atoms.get_chemical_symbols()[0])
    factor = (target.cell.volume / len(target) / volume) ** (1 / 3)
    reference.set_cell(np.asarray(reference.cell) * factor)
    return Cell(name, atoms, "crystal", "fit", tier, grid_of(reference), gamma=True)


def _scaled(symbol: str, name: str, volume: float) -> Atoms:
    """Primitive cell of a crystal at a volume in units of the experimental one."""
    experiment = unit_cell(symbol)
    per_atom = volume * experiment.cell.volume / len(experiment)
    if name == "sc":
        atoms = unit_cell(symbol, "bcc")[:1]
    else:
        from pymatgen.io.ase import AseAtomsAdaptor

        structure = AseAtomsAdaptor.get_structure(unit_cell(symbol, name))
        atoms = AseAtomsAdaptor.get_atoms(structure.get_primitive_structure(), msonable=False)
    factor = (per_atom * len(atoms) / atoms.cell.volume) ** (1 / 3)
    atoms.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
    return canonical(atoms)


def _snapshots(symbol: str, role: str, tiers: Mapping[str, int], prototype: str) -> list[Cell]:
    """Frames of one packing; one that is not the ground state has a vacancy."""
    vacancy = prototype != ground_state(symbol)
    frames = sample_frames(
        symbol,
        n_frames_per_tier=tiers,
        seed=_SEEDS[role],
        prototype=prototype,
        min_length=SHORTEST,
        primitive=True,
        vacancy=vacancy,
    )
    cells: list[Cell] = []
    for frame in frames:
        tier = f"{frame.info['tier']}-{prototype}-vacancy" if vacancy else frame.info["tier"]
        # counted by tier: more frames of a tier leave the names of the others as they are
        name = f"{role}-{tier}-{sum(one.tier == tier for one in cells)}"
        cells.append(
            Cell(name, canonical(frame), "snapshot", role, tier, SNAPSHOT_GRID, gamma=False)
        )
    return cells
