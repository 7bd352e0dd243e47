"""Units and signs of labels are told from each other's, and sound labels are left alone."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT

from dosml.errors import FrameError
from dosml.relabel.dataset import load, load_files, reference_metals
from dosml.relabel.force_fit import fit_forces
from dosml.relabel.frame_files import iter_file
from dosml.relabel.label_units import check_units

GPA = 1 / units.GPa


class Labels:
    """Frames of copper or of an alloy with the labels of ase's effective-medium theory."""

    def __init__(self, *, alloy: bool = False, count: int = 24) -> None:
        rng = np.random.default_rng(0)
        self.frames = []
        for _ in range(count):
            atoms = bulk("Cu", cubic=True).repeat((2, 2, 1))
            if alloy:
                atoms.symbols[rng.choice(16, 5, replace=False)] = "Au"
            strain = np.eye(3) + rng.normal(scale=0.02, size=(3, 3))
            atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
            atoms.rattle(0.08, rng=rng)
            self.frames.append(atoms)
        for atoms in self.frames:
            atoms.calc = EMT()
        self.energies = np.array([atoms.get_potential_energy() for atoms in self.frames])
        self.forces = [atoms.get_forces() for atoms in self.frames]
        self.stresses = np.array([atoms.get_stress() for atoms in self.frames])
        self.volumes = np.array([atoms.cell.volume for atoms in self.frames])[:, None]

    def judge(self, energies=None, forces=None, stresses=None) -> list[str]:
        return check_units(
            self.frames,
            self.energies if energies is None else energies,
            self.forces if forces is None else forces,
            self.stresses if stresses is None else stresses,
            "f.extxyz",
        )


@pytest.fixture(scope="module", params=[False, True], ids=["copper", "alloy"])
def labels(request) -> Labels:
    return Labels(alloy=request.param)


def test_sound_labels_are_left_alone(labels) -> None:
    assert labels.judge() == []


def test_the_fit_has_the_derivatives_of_its_energy() -> None:
    """Finite differences of the fitted energy are the fitted forces and stress."""
    labels = Labels(alloy=True, count=10)
    fit = fit_forces(labels.frames, labels.forces)
    assert fit is not None
    assert fit.correlation > 0.98
    step = 1e-4
    moved, strained = [], []
    for sign in (1, -1):
        one = labels.frames[3].copy()
        one.positions[5, 1] += sign * step
        moved.append(one)
        one = labels.frames[3].copy()
        strain = np.eye(3)
        strain[1, 2] = strain[2, 1] = sign * step / 2
        one.set_cell(one.cell @ strain, scale_atoms=True)
        strained.append(one)
    # the same coefficients, because what is added has no forces to fit
    silent = [np.zeros((16, 3))] * 4
    more = fit_forces([*labels.frames, *moved, *strained], [*labels.forces, *silent])
    plain = fit_forces([*labels.frames, *[labels.frames[3]] * 4], [*labels.forces, *silent])
    assert more is not None
    assert plain is not None
    up, down, right, left = more.energies[-4:]
    force = -(up - down) / (2 * step)
    assert abs(force) > 0.05
    stress = (right - left) / (2 * step) / labels.frames[3].cell.volume
    assert stress == pytest.approx(more.stresses[3, 3], rel=1e-3)


STRESSES = {
    "kB": (lambda s, _: 10 * GPA * s, r"kB \(factor 1602\) would explain it.*1602 kB"),
    "GPa": (lambda s, _: GPA * s, r"GPa \(factor 160.2\)"),
    "sign": (lambda s, _: -s, r"eV/Å\^3 with the sign of VASP .*\(factor -1\)"),
    "kB of VASP": (lambda s, _: -10 * GPA * s, r"kB with the sign of VASP .*\(factor -1602\)"),
    "virials": (lambda s, v: s * v, r"virials .*stress times the volume"),
    "minus virials": (lambda s, v: -s * v, r"virials .* with the sign of VASP"),
    "order": (
        lambda s, _: s[:, [0, 1, 2, 5, 3, 4]],
        "order of VASP, xx yy zz xy yz zx; that order",
    ),
    "OUTCAR": (
        lambda s, _: -10 * GPA * s[:, [0, 1, 2, 5, 3, 4]],
        r"order of VASP.*kB with the sign of VASP .*\(factor -1602\)",
    ),
}


@pytest.mark.parametrize(("change", "message"), STRESSES.values(), ids=STRESSES)
def test_foreign_stresses_are_named_with_their_factor(labels, change, message) -> None:
    with pytest.raises(FrameError, match="f.extxyz: REF_stress does not belong .*" + message):
        labels.judge(stresses=change(labels.stresses, labels.volumes))


FORCES = {
    "hartree/bohr": (units.Bohr / units.Hartree, r"forces in hartree/bohr \(factor 51.42\)"),
    "rydberg/bohr": (units.Bohr / units.Rydberg, r"forces in rydberg/bohr \(factor 25.71\)"),
    "gradient": (-1.0, r"the gradient in place of the forces \(factor -1\)"),
    "kcal/mol/Å": (units.mol / units.kcal, r"forces in kcal/mol/Å \(factor 0.04336\)"),
    "meV/Å": (1000.0, r"forces in meV/Å \(factor 0.001\)"),
}


@pytest.mark.parametrize(("factor", "message"), FORCES.values(), ids=FORCES)
def test_foreign_forces_are_named_with_their_factor(labels, factor, message) -> None:
    with pytest.raises(FrameError, match="REF_energy does not belong to REF_forces: .*" + message):
        labels.judge(forces=[factor * one for one in labels.forces])


def test_foreign_energies_are_named_with_their_factor(labels) -> None:
    with pytest.raises(FrameError, match=r"energies in hartree \(factor 0.03675\)"):
        labels.judge(energies=labels.energies / units.Hartree)
    with pytest.raises(FrameError, match=r"energies per atom \(factor 0.0625\)"):
        labels.judge(energies=labels.energies / 16)
    (bohr,) = labels.judge(forces=[one * units.Bohr for one in labels.forces])
    assert "forces in eV/bohr" in bohr
    # an unknown factor is the user's to judge
    unknown, *_ = labels.judge(forces=[one / 2.6 for one in labels.forces])
    assert "no unit or sign explains it" in unknown


def test_energies_that_scatter_are_a_warning(labels) -> None:
    rng = np.random.default_rng(1)
    noise = 16 * rng.normal(size=len(labels.frames))
    (scatter,) = labels.judge(energies=labels.energies + noise)
    assert "f.extxyz: energies scatter by" in scatter
    energies = labels.energies.copy()
    energies[7] += 16 * 2.0
    (odd,) = labels.judge(energies=energies)
    assert odd.startswith("frame 7: its energy is 2 eV per atom away")


def test_labels_that_say_nothing() -> None:
    labels = Labels(count=5)
    assert labels.judge(forces=[-one for one in labels.forces]) == []  # too few to tell
    none = [np.zeros((16, 3))] * 5
    with pytest.raises(FrameError, match="all energies and forces are zero: were the frames lab"):
        labels.judge(energies=np.zeros(5), forces=none)
    assert labels.judge(forces=none) == []  # crystals at rest
    rng = np.random.default_rng(0)
    labels = Labels()
    noise = [rng.normal(size=(16, 3)) for _ in labels.frames]
    assert labels.judge(forces=noise) == []


def test_twins_and_rounding_say_nothing() -> None:
    """Twelve times the same frame: what is left of energies and forces is rounding."""
    labels = Labels(count=12)
    for k in range(1, 12):
        labels.frames[k] = labels.frames[0]
        labels.forces[k] = labels.forces[0]
        labels.energies[k] = labels.energies[0]
        labels.stresses[k] = labels.stresses[0]
    assert labels.judge() == []
    # the same crystal, moved by less than files keep
    for k in range(12):
        labels.frames[k] = labels.frames[k].copy()
        labels.frames[k].positions[0] += 1e-7 * k
    assert labels.judge() == []


def test_label_files_are_judged_when_they_are_read(tmp_path) -> None:
    labels = Labels()
    for atoms, energy, forces, stress in zip(
        labels.frames, labels.energies, labels.forces, labels.stresses, strict=True
    ):
        atoms.calc = None
        atoms.info["REF_energy"], atoms.info["REF_stress"] = energy, -1602.1766 * stress
        atoms.arrays["REF_forces"] = forces
    labels.frames[3].info["REF_energy"] += 40.0
    path = tmp_path / "a.extxyz"
    ase.io.write(path, labels.frames, format="extxyz")
    with pytest.raises(FrameError, match=r"a.extxyz: REF_stress does not belong .*--no-stress"):
        load_files([path])
    data = load_files([path], stress=False)
    assert data.notes == load(path, stress=False).notes
    assert data.notes[0].startswith(f"frame 3 of {path}: its energy is 2.5 eV per atom away")
    assert data.take([0, 1, 2]).notes == data.notes


@pytest.mark.parametrize("metal", reference_metals())
def test_the_labels_that_ship_are_sound(metal) -> None:
    data = load("reference", metal=metal)
    for one in data.label_sets:
        assert check_units(data.frames, one.energies, one.forces, one.stresses, metal) == []


MLFF = [
    *(f"maml_{metal}_{part}" for metal in ("Mo", "Nb", "Ta") for part in ("AIMD", "Test")),
    *(f"zuo2020_{metal}_{part}" for metal in ("Ni", "Cu") for part in ("train", "test")),
]


@pytest.mark.reference_data
@pytest.mark.parametrize("name", MLFF)
def test_published_labels_are_sound_but_for_the_stresses_of_vasp(name, reference_data) -> None:
    frames = list(iter_file(reference_data / "mlff" / f"{name}.extxyz"))
    energies = np.array([frame.info["REF_energy"] for frame in frames])
    forces = [frame.arrays["REF_forces"] for frame in frames]
    assert check_units(frames, energies, forces, None, name) == []
    if name.startswith("maml"):
        raw = np.array([frame.info["vasp_stress_raw"] for frame in frames])
        with pytest.raises(FrameError, match=r"order of VASP.*kB with the sign of VASP"):
            check_units(frames, energies, forces, raw, name)
        stresses = -raw[:, [0, 1, 2, 4, 5, 3]] / (10 * GPA)
        assert check_units(frames, energies, forces, stresses, name) == []
