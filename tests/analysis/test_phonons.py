"""Phonons against crystals whose dynamical matrix is known in closed form."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.neighborlist import neighbor_list

from dosml.analysis.figures.phonons import phonon_figure
from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.phonons import phonon_bands, phonon_sentences, phonon_table
from dosml.errors import InputError

A = 3.6
NEAREST = A / np.sqrt(2)
#: sqrt(eV/Å^2/u) / (2 pi) in THz.
THZ = np.sqrt(1.602176634e-19 / 1e-20 / 1.66053906660e-27) / (2 * np.pi) * 1e-12
MASS = atomic_masses[29]


class Morse(Calculator):
    """D (1 - exp(-alpha (r - r0)))^2 between nearest neighbours only; phi'' = 2 D alpha^2 at r0."""

    implemented_properties = ("energy", "forces")

    def __init__(self, depth=0.4, alpha=1.3, r0=NEAREST, reach=1.2 * NEAREST):
        super().__init__()
        self.depth, self.alpha, self.r0, self.reach = depth, alpha, r0, reach

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, list(properties), system_changes)
        i, d, vectors = neighbor_list("idD", self.atoms, self.reach)
        decay = np.exp(-self.alpha * (d - self.r0))
        slope = 2 * self.depth * self.alpha * decay * (1 - decay)
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, (slope / d)[:, None] * vectors)
        self.results = {"forces": forces, "energy": 0.5 * float(np.sum((1 - decay) ** 2))}


def forces_of(calculator):
    def forces(supercells):
        found = []
        for atoms in supercells:
            atoms.calc = calculator
            found.append(atoms.get_forces())
        return found

    return forces


def closed_form(q, a, slope, curvature):
    """Frequencies (THz) of fcc with central forces phi' and phi'' between nearest neighbours.

    D(q) = (1/M) sum_R [phi'' n n + (phi'/r) (1 - n n)] (1 - cos q.R), over the 12 neighbours R;
    Ashcroft and Mermin, Solid State Physics, chapter 22, eq. 22.103 and problem 1.
    """
    neighbours = np.array(
        [v for x in (1, -1) for y in (1, -1) for v in ((x, y, 0), (x, 0, y), (0, x, y))]
    )
    n = neighbours / np.sqrt(2)
    along = np.einsum("ni,nj->nij", n, n)
    across = np.eye(3) - along
    r = a / np.sqrt(2)
    matrix = np.einsum(
        "n,nij->ij",
        1 - np.cos(neighbours @ q * a / 2),
        curvature * along + slope / r * across,
    )
    values = np.linalg.eigvalsh(matrix / MASS)
    return np.sign(values) * np.sqrt(np.abs(values)) * THZ


@pytest.fixture(scope="module")
def bands():
    return phonon_bands(
        bulk("Cu", a=A, cubic=True), (2, 2, 2), forces_of(Morse()), displacement=0.005
    )


def cartesian(bands, a=A):
    """2 pi times the reciprocal vectors of the primitive cell that phonopy takes for fcc."""
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return 2 * np.pi * bands.q_points @ np.linalg.inv(cell).T


def test_the_whole_path_is_that_of_the_dynamical_matrix(bands):
    curvature = 2 * 0.4 * 1.3**2
    expected = [closed_form(q, A, 0.0, curvature) for q in cartesian(bands)]
    np.testing.assert_allclose(bands.frequencies, expected, atol=2e-4 * np.max(expected))


def test_frequencies_at_x_and_l(bands):
    # X: 8 k/M and 4 k/M twice; L: 8 k/M and 2 k/M twice
    unit = np.sqrt(2 * 0.4 * 1.3**2 / MASS) * THZ
    marks = {label: place for place, label in bands.ticks}
    for label, parts in (("X", (2, 2, np.sqrt(8))), ("L", (np.sqrt(2), np.sqrt(2), np.sqrt(8)))):
        point = int(np.argmin(np.abs(bands.distance - marks[label])))
        expected = unit * np.array(parts)
        np.testing.assert_allclose(bands.frequencies[point], expected, rtol=1e-4)
    assert "-".join(label for _, label in bands.ticks) == "G-X-W-K-G-L-U-W-L-K|U-X"
    assert bands.n_atoms == 32
    assert bands.residual_force < 1e-12


def test_a_stretched_crystal_has_the_closed_forms_imaginary_modes():
    a = 1.35 * A  # beyond the turning point of the Morse curve: phi'' < 0
    morse = Morse(reach=1.2 * a / np.sqrt(2))
    bands = phonon_bands(bulk("Cu", a=a, cubic=True), (2, 2, 2), forces_of(morse))
    decay = np.exp(-1.3 * (a / np.sqrt(2) - NEAREST))
    slope = 2 * 0.4 * 1.3 * decay * (1 - decay)
    curvature = 2 * 0.4 * 1.3**2 * decay * (2 * decay - 1)
    assert curvature < 0
    expected = np.array([closed_form(q, a, slope, curvature) for q in cartesian(bands, a)])
    np.testing.assert_allclose(bands.frequencies, expected, atol=1e-3 * np.abs(expected).max())
    words = phonon_sentences({"morse": bands})[0]
    assert "imaginary modes at" in words
    assert f"{abs(expected.min()):.2f}i THz" in words


def test_words_table_and_figure_of_two_calculators(bands):
    stiffer = phonon_bands(
        bulk("Cu", a=A, cubic=True), (2, 2, 2), forces_of(Morse(depth=0.4 * 1.21))
    )
    both = {"soft": bands, "stiff": stiffer}
    lines = phonon_sentences(both)
    assert len(lines) == 3
    assert "no imaginary modes" in lines[0]
    assert "9.1 % of that of stiff" in lines[2]  # frequencies go as the root: 1/1.1 - 1
    table = phonon_table(both)
    assert len(table) == 2 * bands.frequencies.size
    part = table[(table["calculator"] == "stiff") & (table["branch"] == 2)]
    np.testing.assert_allclose(part["frequency_thz"], stiffer.frequencies[:, 2])
    assert set(table["label"]) >= {"", "G", "X", "L"}
    with house_style():
        axes = phonon_figure(both, "fcc").axes[0]
    drawn = axes.lines[0].get_ydata()
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], bands.frequencies[:, 0])
    assert np.isnan(drawn).sum() == 1  # nothing is drawn across the jump from K to U
    assert "Γ" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="positive displacement"):
        phonon_bands(bulk("Cu"), (2, 2, 2), forces_of(Morse()), displacement=0)


def test_atoms_that_feel_nothing_of_each_other_have_one_frequency():
    pytest.importorskip("phonopy")
    bands = phonon_bands(
        bulk("Cu"), (1, 1, 1), lambda cells: [np.zeros((len(one), 3)) for one in cells], points=5
    )
    assert not bands.frequencies.any()
    assert np.trapezoid(bands.dos, bands.dos_frequencies) == pytest.approx(3)
