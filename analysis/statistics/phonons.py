"""Phonon bands of a crystal from the forces of any calculator, by finite displacements (phonopy).

Frequencies of modes that a crystal would fall away along are imaginary; as usual they are written
as negative numbers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import InputError
from dosml.version import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray
    from phonopy import Phonopy

#: Acoustic modes near Gamma come out a little below zero: only what is deeper counts, THz.
IMAGINARY_BELOW_THZ = -0.05
#: Å: atoms that are moved further leave the harmonic well.
LARGEST_DISPLACEMENT = 0.5
MOST_POINTS = 10_001

#: Of the mesh of the density of states: phonopy's length, Å; points on its frequency axis.
DOS_MESH_ANGSTROM = 40.0
#: THz: a zone whose frequencies all lie closer together has one frequency.
_FLAT = 1e-3
DOS_POINTS = 200

#: eV/Å: smaller forces on the undisplaced crystal are told as smaller than this.
_NO_FORCE = 1e-4


@dataclass(frozen=True)
class PhononBands:
    """Phonon bands along a path.

    Attributes
    ----------
    q_points
        Shape (n_q, 3), in reciprocal lattice vectors of the primitive cell.
    distance
        Length along the path, shape (n_q,), 1/Å (without 2 pi).
    ticks
        (distance, label) of the special points.
    frequencies
        Shape (n_q, 3 n_atoms of the primitive cell), THz, ascending; negative: imaginary.
    n_atoms
        Atoms of the supercell.
    n_displacements
        Displaced supercells whose forces were computed.
    residual_force
        Largest force component on the undisplaced crystal, eV/Å; taken away from the others.
    dos_frequencies, dos
        THz, and modes per THz and primitive cell: density of states over the whole zone.
    """

    q_points: NDArray[np.float64]
    distance: NDArray[np.float64]
    ticks: tuple[tuple[float, str], ...]
    frequencies: NDArray[np.float64]
    n_atoms: int
    n_displacements: int
    residual_force: float
    dos_frequencies: NDArray[np.float64]
    dos: NDArray[np.float64]

    @property
    def stable(self) -> bool:
        """Whether the path has no imaginary mode."""
        return not (self.frequencies < IMAGINARY_BELOW_THZ).any()


def check_installed() -> None:
    """See that phonopy is there.

    Raises
    ------
    InputError
        Saying how it is installed.
    """
    if find_spec("phonopy") is None:
        raise InputError(
            f"phonons need the package phonopy, which is not installed: {install_hint('phonons')}"
        )


def check_displacements(displacement: float, points: int) -> None:
    """Refuse what are no small displacements (Å) and no points of a path.

    Raises
    ------
    InputError
        Naming the number.
    """
    if not 0 < displacement <= LARGEST_DISPLACEMENT:
        raise InputError(
            f"phonons need a positive displacement of {LARGEST_DISPLACEMENT} Å at most (0.01 is "
            f"usual), got {displacement}"
        )
    if not 2 <= points <= MOST_POINTS:
        raise InputError(f"a path of phonons has 2 to {MOST_POINTS} points, got {points}")


def phonon_bands(
    crystal: Atoms,
    repeats: Sequence[int],
    forces: Callable[[list[Atoms]], Sequence[NDArray[np.float64]]],
    *,
    displacement: float = 0.01,
    points: int = 201,
) -> PhononBands:
    """Compute phonon bands along the standard path of the crystal's Bravais lattice.

    Parameters
    ----------
    crystal
        A unit cell.
    repeats
        Repetitions along each vector of `crystal` that make the supercell.
    forces
        Gives the forces on every supercell, shape (n_atoms, 3) each, eV/Å.
    displacement
        Length of the displacements, Å.
    points
        Points on the path.

    Raises
    ------
    InputError
        If phonopy is not installed, or a number is out of range.
    """
    check_installed()
    from ase import Atoms
    from ase.cell import Cell
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    check_displacements(displacement, points)
    if len(repeats) != 3 or min(repeats) < 1:
        raise InputError(f"phonons need three repetitions of the cell, got {tuple(repeats)}")
    with warnings.catch_warnings():
        # phonopy says at every call that it finds the primitive cell itself, as it was asked to
        warnings.simplefilter("ignore")
        phonon = Phonopy(
            PhonopyAtoms(
                symbols=crystal.get_chemical_symbols(),
                cell=np.asarray(crystal.cell),
                scaled_positions=crystal.get_scaled_positions(),
                # phonopy has none for the elements after bismuth that have no stable isotope
                masses=crystal.get_masses(),
            ),
            supercell_matrix=np.diag(repeats),
            primitive_matrix="auto",
        )
    # both signs: what is cubic in the displacement, the largest error, drops out
    phonon.generate_displacements(distance=displacement, is_plusminus=True)
    cells: list[Any] = [phonon.supercell]
    cells += phonon.supercells_with_displacements or []
    supercells = [
        Atoms(cell.symbols, scaled_positions=cell.scaled_positions, cell=cell.cell, pbc=True)
        for cell in cells
    ]
    residual, *displaced = (np.asarray(one, dtype=float) for one in forces(supercells))
    phonon.produce_force_constants(forces=[one - residual for one in displaced], show_drift=False)
    phonon.symmetrize_force_constants(show_drift=False)
    path = Cell(phonon.primitive.cell).bandpath(npoints=points)
    distance, special, labels = path.get_linear_kpoint_axis()
    result = phonon.run_qpoints(path.kpts)
    phonon.run_mesh(DOS_MESH_ANGSTROM)
    dos_frequencies, dos = _density_of_states(phonon, result.frequencies)
    return PhononBands(
        q_points=np.asarray(path.kpts),
        distance=np.asarray(distance),
        ticks=_ticks(special, labels),
        frequencies=np.asarray(result.frequencies),
        n_atoms=len(phonon.supercell),
        n_displacements=len(displaced),
        residual_force=float(np.abs(residual).max()),
        dos_frequencies=dos_frequencies,
        dos=dos,
    )


def _density_of_states(
    phonon: Phonopy, frequencies: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies (THz) and states per THz and primitive cell, over the whole zone."""
    mesh: Any = phonon.mesh
    width = float(np.ptp(mesh.frequencies))
    if width < _FLAT:
        # atoms that feel nothing of each other: phonopy cannot draw one frequency
        points = float(np.mean(frequencies)) + np.linspace(-_FLAT, _FLAT, DOS_POINTS + 1)
        return points, np.full(len(points), frequencies.shape[1] / (2 * _FLAT))
    phonon.run_total_dos(freq_pitch=float(np.ptp(frequencies)) / DOS_POINTS or None)
    zone = phonon.total_dos
    assert zone is not None
    return np.asarray(zone.frequency_points, dtype=float), np.asarray(zone.dos, dtype=float)


def _ticks(places: Sequence[float], labels: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """Join labels: where the path jumps, two of them share a place and are written "K|U"."""
    ticks: dict[float, str] = {}
    for place, label in zip(places, labels, strict=True):
        x = round(float(place), 9)
        ticks[x] = f"{ticks[x]}|{label}" if x in ticks else str(label)
    return tuple(ticks.items())


def phonon_table(bands: Mapping[str, PhononBands]) -> pd.DataFrame:
    """Tabulate bands.

    Parameters
    ----------
    bands
        By name of the calculator.

    Returns
    -------
    pandas.DataFrame
        One row per calculator, point and branch: "calculator", "point", "path_length_per_angstrom"
        (without 2 pi), "q1", "q2", "q3", "label" (of special points), "branch", "frequency_thz"
        (negative: imaginary).
    """
    import pandas as pd

    rows = []
    for name, one in bands.items():
        marks = dict(one.ticks)
        for point, (q, x, values) in enumerate(
            zip(one.q_points, one.distance, one.frequencies, strict=True)
        ):
            label = next((mark for place, mark in marks.items() if abs(place - x) < 1e-8), "")
            rows += [
                {
                    "calculator": name,
                    "point": point,
                    "path_length_per_angstrom": x,
                    "q1": q[0],
                    "q2": q[1],
                    "q3": q[2],
                    "label": label,
                    "branch": branch,
                    "frequency_thz": value,
                }
                for branch, value in enumerate(values)
            ]
    return pd.DataFrame(rows)


def phonon_sentences(bands: Mapping[str, PhononBands]) -> list[str]:
    """Say what the bands show: highest frequency, imaginary modes, and how two sets differ.

    Parameters
    ----------
    bands
        By name of the calculator; the second is what the first is compared with.
    """
    lines = [_describe(name, one) for name, one in bands.items()]
    if len(bands) == 2:
        (first, ours), (second, theirs) = bands.items()
        difference = ours.frequencies - theirs.frequencies
        worst = np.unravel_index(int(np.argmax(np.abs(difference))), difference.shape)
        rms = float(np.sqrt(np.mean(difference**2)))
        scale = float(np.sqrt(np.mean(theirs.frequencies**2)))
        lines.append(
            f"{first} against {second}: frequencies differ by {rms:.3f} THz (root mean square over "
            f"the path, {100 * rms / scale:.1f} % of that of {second}), on average by "
            f"{float(difference.mean()):+.3f} THz, at most by {difference[worst]:+.3f} THz at q = "
            f"{_q(ours.q_points[worst[0]])}."
        )
    return lines


def _describe(name: str, bands: PhononBands) -> str:
    values = bands.frequencies
    force = bands.residual_force
    at_rest = f"{force:.4f}" if force >= _NO_FORCE else f"below {_NO_FORCE:g}"
    numbers = (
        f"Highest frequency {values.max():.2f} THz; {bands.n_displacements} displaced supercells "
        f"of {bands.n_atoms} atoms, largest force on the undisplaced crystal "
        f"{at_rest} eV/Å."
    )
    if bands.stable:
        return (
            f"{name}: no imaginary modes on the path, small displacements do not break the "
            f"crystal. {numbers}"
        )
    point = int(np.argmin(values.min(axis=1)))
    share = 100 * float((values < IMAGINARY_BELOW_THZ).any(axis=1).mean())
    return (
        f"{name}: imaginary modes at {share:.0f} % of the points: the crystal is not stable at "
        f"this lattice, or the supercell is too small (try a longer one). The deepest, "
        f"{abs(values.min()):.2f}i THz, is at q = {_q(bands.q_points[point])}, "
        f"{_near(bands, point)}. {numbers}"
    )


def _near(bands: PhononBands, point: int) -> str:
    x = bands.distance[point]
    place, label = min(bands.ticks, key=lambda tick: abs(tick[0] - x))
    return f"at {label}" if abs(place - x) < 1e-8 else f"nearest to {label}"


def _q(q: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in q) + ")"
