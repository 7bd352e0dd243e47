"""Labels as other programs write them, from copper of the EMT."""

from __future__ import annotations

import io
import zipfile

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

#: Displacements (Å) of the tiers.
TIERS = {"cold": 0.05, "warm": 0.12, "melt": 0.2}


def labelled(symbol: str, stdev: float, seed: int) -> Atoms:
    """Give a strained and displaced cell with energy, forces and stress of EMT."""
    atoms = bulk(symbol, cubic=True) * (2, 1, 1)
    rng = np.random.default_rng(seed)
    strain = rng.normal(0, 0.02, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    atoms.rattle(stdev, seed=seed)
    atoms.calc = EMT()
    found = {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(),
    }
    atoms.calc = SinglePointCalculator(atoms, **found)
    return atoms


def frames(symbol: str = "Cu", count: int = 16, stdev: float = 0.15, seed: int = 0) -> list[Atoms]:
    """Give different frames."""
    return [labelled(symbol, stdev, 1000 * seed + k) for k in range(count)]


def with_keys(
    given: list[Atoms], energy: str, forces: str, stress: str | None = None, factor: float = 1.0
) -> list[Atoms]:
    """Put the labels under other names."""
    out = []
    for one in given:
        results = one.calc.results
        atoms = Atoms(one.numbers, positions=one.positions, cell=one.cell, pbc=True)
        atoms.info[energy] = results["energy"]
        atoms.arrays[forces] = results["forces"]
        if stress is not None:
            atoms.info[stress] = factor * results["stress"]
        out.append(atoms)
    return out


def mtp_text(given: list[Atoms], types: tuple[str, ...]) -> str:
    """Write frames as configurations of the MTP program."""
    lines = []
    for one in given:
        results = one.calc.results
        lines += ["BEGIN_CFG", " Size", f"    {len(one)}", " Supercell"]
        lines += ["    " + " ".join(f"{x:.10f}" for x in row) for row in one.cell.array]
        lines.append(" AtomData:  id type cartes_x cartes_y cartes_z fx fy fz")
        for k, symbol in enumerate(one.symbols):
            numbers = [*one.positions[k], *results["forces"][k]]
            words = " ".join(f"{x:.10f}" for x in numbers)
            lines.append(f"    {k + 1} {types.index(symbol)} {words}")
        virial = -results["stress"] * one.get_volume()
        lines += [" Energy", f"    {results['energy']:.10f}"]
        lines += [" PlusStress:  xx yy zz yz xz xy", "    " + " ".join(f"{x:.8f}" for x in virial)]
        lines += [" Feature   EFS_by VASP", "END_CFG", ""]
    return "\n".join(lines)


def ml_ab_text(given: list[Atoms]) -> str:
    """Write frames as VASP's ML_AB."""
    rule, double, stars = "-" * 50, "=" * 50, "*" * 50
    lines = [" 1.0 Version", stars, "     The number of configurations", rule, f" {len(given)}"]
    for number, one in enumerate(given, 1):
        results = one.calc.results
        xx, yy, zz, yz, xz, xy = -results["stress"] / (0.1 * units.GPa)
        symbols = list(dict.fromkeys(one.symbols))
        lines += [stars, f"     Configuration num.      {number}", double]
        for title, content in (
            ("System name", ["copper"]),
            ("The number of atom types", [str(len(symbols))]),
            ("The number of atoms", [str(len(one))]),
            (
                "Atom types and atom numbers",
                [f"{name} {list(one.symbols).count(name)}" for name in symbols],
            ),
            ("CTIFOR", ["0.002"]),
            ("Primitive lattice vectors (ang.)", _rows(one.cell.array)),
            ("Atomic positions (ang.)", _rows(one.positions)),
            ("Total energy (eV)", [f"{results['energy']:.10f}"]),
            ("Forces (eV ang.^-1)", _rows(results["forces"])),
            ("Stress (kbar)", []),
            ("XX YY ZZ", [f"{xx:.10f} {yy:.10f} {zz:.10f}"]),
            ("XY YZ ZX", [f"{xy:.10f} {yz:.10f} {xz:.10f}"]),
        ):
            lines += [f"     {title}", rule, *content, double]
    return "\n".join(lines) + "\n"


def _rows(values: np.ndarray) -> list[str]:
    return [" ".join(f"{x:.10f}" for x in row) for row in values]


def extxyz_text(given: list[Atoms]) -> str:
    """Write frames as ase does."""
    text = io.StringIO()
    ase.io.write(text, given, format="extxyz")
    return text.getvalue()


def tm23_archive(metals: tuple[str, ...] = ("Ag", "Cu"), train: int = 8, test: int = 3) -> bytes:
    """Make a zip file laid out as TM23's, with the same labels once more in other members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, metal in enumerate(metals):
            every = []
            for tier, (name, stdev) in enumerate(TIERS.items()):
                given = frames(metal, train + test, stdev, seed=10 * number + tier)
                every += given[:train]
                for role, some in (("train", given[:train]), ("test", given[train:])):
                    packed.writestr(
                        f"benchmarking_master_collection/{metal}_{name}_nequip_{role}.xyz",
                        extxyz_text(some),
                    )
            packed.writestr(
                f"benchmarking_master_collection/{metal}_2700cwm_train.xyz", extxyz_text(every)
            )
        packed.writestr("benchmarking_master_collection/README.md", "no labels")
    return content.getvalue()
