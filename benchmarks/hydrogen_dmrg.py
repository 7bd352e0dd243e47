"""One H10 by the density matrix renormalisation group beside full configuration interaction.

    python -m venv dmrg && dmrg/bin/pip install block2
    python benchmarks/hydrogen_dmrg.py dmrg/bin/python [--density 0.1] [--atoms 10] [--seed 0]

block2 (Zhai et al., J. Chem. Phys. 159, 234801 (2023)) is under the GPL and has an environment of
its own, to which orthonormal integrals in STO-3G go as plain arrays. Both look for the lowest state
of the smallest |M_s|. Prints energies in eV against the number of states that are kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.units import Hartree

from dosml.relabel.clusters import random_cluster
from dosml.relabel.full_ci import sto_3g
from dosml.relabel.hydrogen import SHORTEST

STATES = (20, 50, 100, 200, 400)
#: Runs in block2's environment: integrals in, energies (Hartree) for each number of states out.
SOLVER = """
import json, sys
import numpy as np
from pyblock2.driver.core import DMRGDriver, SymmetryTypes

given = np.load(sys.argv[1])
driver = DMRGDriver(scratch=sys.argv[2], symm_type=SymmetryTypes.SZ, n_threads=1)
count = len(given["one"])
driver.initialize_system(n_sites=count, n_elec=count, spin=count % 2)
operator = driver.get_qc_mpo(
    h1e=given["one"], g2e=given["two"], ecore=float(given["core"]), iprint=0
)
found = {}
for kept in json.loads(sys.argv[3]):
    state = driver.get_random_mps(tag=f"KET{kept}", bond_dim=kept, nroots=1)
    found[kept] = float(
        driver.dmrg(
            operator, state, n_sweeps=16, bond_dims=[kept], noises=[1e-3] * 4 + [1e-5] * 4 + [0],
            thrds=[1e-10], iprint=0,
        )
    )
print("ENERGIES", json.dumps(found))
"""


def integrals(positions: np.ndarray) -> dict[str, np.ndarray]:
    """One- and two-electron integrals in symmetrically orthonormalised functions, and nuclei."""
    from pyscf import ao2mo, gto

    molecule = gto.M(
        atom=[("H", one) for one in positions],
        unit="Angstrom",
        basis="sto-3g",
        spin=len(positions) % 2,
        verbose=0,
    )
    values, vectors = np.linalg.eigh(molecule.intor_symmetric("int1e_ovlp"))
    orbitals = vectors / np.sqrt(values) @ vectors.T
    core = molecule.intor_symmetric("int1e_kin") + molecule.intor_symmetric("int1e_nuc")
    return {
        "one": orbitals.T @ core @ orbitals,
        "two": ao2mo.restore(1, ao2mo.kernel(molecule, orbitals), len(positions)),
        "core": np.array(molecule.energy_nuc()),
    }


def main() -> None:
    """Solve one cluster twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path)
    parser.add_argument("--density", type=float, default=0.1)
    parser.add_argument("--atoms", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    cluster = random_cluster(given.atoms, density=given.density, shortest=SHORTEST, rng=rng)
    # neighbours in space stand side by side in the chain: fewer states are needed
    axes = np.linalg.svd(cluster.positions - cluster.positions.mean(axis=0))[2]
    cluster = cluster[np.argsort(cluster.positions @ axes[0])]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "integrals.npz"
        np.savez(file, **integrals(cluster.positions))
        began = time.perf_counter()
        said = subprocess.run(
            [given.python, "-c", SOLVER, file, place, json.dumps(STATES)],
            capture_output=True,
            text=True,
            check=False,
        )
        spent = time.perf_counter() - began
    lines = [one for one in said.stdout.splitlines() if one.startswith("ENERGIES ")]
    if not lines:
        raise SystemExit(f"block2 gave no energies: {said.stderr[-500:]}")
    cluster.calc = sto_3g()
    began = time.perf_counter()
    exact = cluster.get_potential_energy()
    print(f"full CI with forces {exact:.6f} eV, {time.perf_counter() - began:.0f} s")
    for kept, energy in json.loads(lines[0].removeprefix("ENERGIES ")).items():
        print(f"{kept:>4} states {energy * Hartree:.6f} eV, {energy * Hartree - exact:+.2e}")
    print(f"all of them in {spent:.0f} s")


if __name__ == "__main__":
    main()
