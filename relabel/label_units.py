"""Units and signs of labels, judged by whether energies, forces and stresses belong together.

Nobody writes the unit of a number into extxyz. But the three labels are derivatives of one energy:
a quick force field fitted to the forces alone (`dosml.relabel.force_fit`) predicts how energies
differ between frames, and the stress. The slope of labels against these predictions is 1 where all
are in eV, Å and ase's sign: 0.94 to 1.15 for energies and 0.54 to 1.3 for stresses of the DFT
labels of nine metals. Where it is 160.2 or 1602 the stresses are in GPa or kB; where it is negative
they have VASP's sign; where it is the volume they are virials.

What no unit explains is a warning, and nothing is said where the fit cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import units

from dosml.errors import FrameError
from dosml.relabel.force_fit import correlation, fit_forces
from dosml.relabel.frames import frame_id, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

#: Frames and atoms that are looked at, spread over the set: a second's work.
MOST_FRAMES = 60
MOST_ATOMS = 4000
#: Fewer leave no slope once volumes and elements have had their share.
FEWEST_FRAMES = 10
#: Correlation from which a slope of energies or stresses means something.
_SURE = 0.9
#: The forces themselves, where the fit is none.
_FITTED = 0.8
#: Slopes of sound labels lie between one over this and this: energies, stresses.
_ENERGY_SLOPE, _STRESS_SLOPE = 1.5, 2.5
#: Slopes of energies that are further off than this are no fault of the fit.
_CERTAIN = 3.0
#: A unit explains a slope that is as near to it as this, as a factor.
_NEAR = 1.3
#: eV per atom, eV/Å^3: files keep eight decimals.
_LEAST = 1e-7
#: eV per atom by which energies may miss what forces and volumes say, whatever the fit.
_SCATTER = 0.3

#: What labels of energies and forces may be in, with the slope that follows.
_ENERGY_FACTORS = {
    "energies and forces in eV and eV/Å": 1.0,
    "energies in hartree": 1 / units.Hartree,
    "energies in rydberg": 1 / units.Rydberg,
    "energies in kcal/mol": units.mol / units.kcal,
    "energies in kJ/mol": units.mol / units.kJ,
    "energies in meV": 1000.0,
    "forces in hartree/bohr": units.Hartree / units.Bohr,
    "forces in rydberg/bohr": units.Rydberg / units.Bohr,
    "forces in eV/bohr, or energies in hartree and forces in hartree/bohr": 1 / units.Bohr,
    "forces in kcal/mol/Å": units.kcal / units.mol,
    "forces in kJ/mol/Å": units.kJ / units.mol,
    "forces in meV/Å": 0.001,
    "forces in eV/nm": 0.1,
}
#: What stresses may be in: one eV/Å^3 in each.
_STRESS_FACTORS = {
    "GPa": 1 / units.GPa,
    "kB": 10 / units.GPa,
    "bar": 1e4 / units.GPa,
    "hartree/bohr^3": units.Bohr**3 / units.Hartree,
    "rydberg/bohr^3": units.Bohr**3 / units.Rydberg,
}
#: Where VASP's xx yy zz xy yz zx has what ase's order yz xz xy asks for.
VASP_ORDER = (4, 5, 3)


@dataclass(frozen=True)
class _Slope:
    """Labels against predictions; nothing where either only varies by rounding."""

    value: float
    correlation: float

    @classmethod
    def of(cls, labels: NDArray[np.float64], said: NDArray[np.float64]) -> _Slope:
        if min(float(labels.std()), float(said.std())) < _LEAST:
            return cls(0.0, 0.0)
        return cls(float(labels @ said / (said @ said)), correlation(labels, said))


def check_units(
    frames: Sequence[Atoms],
    energies: NDArray[np.float64],
    forces: Sequence[NDArray[np.float64]],
    stresses: NDArray[np.float64] | None,
    path: Path,
) -> list[str]:
    """Judge units and signs of the labels of one file.

    Parameters
    ----------
    frames, energies, forces, stresses
        Labels as they stand there, with numbers that are finite; shapes as in
        `dosml.relabel.dataset.LabelSet`.
    path
        The file, for messages.

    Returns
    -------
    list of str
        What a user has to know and nobody but the user can judge.

    Raises
    ------
    FrameError
        If the labels do not belong together and a unit or a sign would explain it, with the factor;
        if no label differs from zero.
    """
    if len(frames) > 1 and not energies.any() and not any(one.any() for one in forces):
        raise FrameError(f"{path}: all energies and forces are zero: were the frames labelled?")
    chosen = _chosen(frames)
    # twins have nothing to add, and would make noise of rounding certain
    first = {frame_id(frames[n]): n for n in reversed(chosen)}
    chosen = np.array(sorted(first.values()), dtype=int)
    if len(chosen) < FEWEST_FRAMES:
        return []
    some = [frames[n] for n in chosen]
    fit = fit_forces(some, [forces[n] for n in chosen])
    if fit is None or fit.correlation < _FITTED:
        return []
    warnings = _energies(some, energies[chosen], fit.energies, path)
    if stresses is not None:
        warnings += _stresses(some, stresses[chosen], fit.stresses, path)
    return warnings


def _chosen(frames: Sequence[Atoms]) -> NDArray[np.int_]:
    """Frames to look at, spread over the set; lone atoms say nothing of forces."""
    able = np.array([n for n, frame in enumerate(frames) if len(frame) > 1], dtype=int)
    count = min(len(able), MOST_FRAMES)
    while count:
        some: NDArray[np.int_] = able[
            np.unique(np.linspace(0, len(able) - 1, count).round().astype(int))
        ]
        if sum(len(frames[n]) for n in some) <= MOST_ATOMS or count <= FEWEST_FRAMES:
            return some
        count = max(FEWEST_FRAMES, count // 2)
    return able[:0]


def _without(known: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what columns of shape (n_frames, ...) explain."""
    u, singular, _ = np.linalg.svd(known, full_matrices=False)
    basis = u[:, singular > 1e-8 * singular[0]]
    return values - basis @ (basis.T @ values)


def _volumes(frames: Sequence[Atoms]) -> NDArray[np.float64]:
    """Volume per atom, relative to its mean and less 1: what forces at one volume cannot tell."""
    each = np.array([abs(frame.cell.volume) / len(frame) for frame in frames])
    return np.asarray(each / each.mean() - 1)


def _energies(
    frames: Sequence[Atoms], energies: NDArray[np.float64], said: NDArray[np.float64], path: Path
) -> list[str]:
    sizes = np.array([len(frame) for frame in frames])
    kinds = sorted({int(z) for frame in frames for z in frame.numbers})
    shares = np.array([[(frame.numbers == z).mean() for z in kinds] for frame in frames])
    v = _volumes(frames)
    known = np.column_stack([shares, v, v**2])
    # the rest decides: as many again as were taken out
    if len(frames) < 2 * known.shape[1] + 4:
        return []
    keep = np.ones(len(frames), dtype=bool)
    for _ in range(4):
        given = _without(known[keep], energies[keep] / sizes[keep])
        expected = _without(known[keep], said[keep] / sizes[keep])
        slope = _Slope.of(given, expected)
        off = np.abs(given - slope.value * expected)
        # ten times the usual miss: no noise but another energy
        odd = off > 10 * np.median(off) + 1e-6
        if not odd.any() or keep.sum() - odd.sum() < max(FEWEST_FRAMES, 0.7 * len(frames)):
            break
        keep[np.flatnonzero(keep)[odd]] = False
    if abs(slope.correlation) < _SURE:
        spread, explained = float(given.std()), float(expected.std())
        if spread < _SCATTER or spread < 3 * explained or abs(slope.correlation) > _SURE / 2:
            return []
        scatter = (
            f"{path}: energies scatter by {spread:.2g} eV per atom where the forces explain "
            f"{explained:.2g}: are they total energies in eV, all of one program with the same "
            "settings?"
        )
        return [scatter]
    if 1 / _ENERGY_SLOPE <= slope.value <= _ENERGY_SLOPE:
        return _odd_energies(frames, energies / sizes - slope.value * said / sizes, known, keep)
    factors = dict(_ENERGY_FACTORS)
    if sizes.min() == sizes.max():
        factors["energies per atom"] = 1 / float(sizes[0])
    text = (
        f"{path}: REF_energy does not belong to REF_forces: energies differ by {slope.value:.3g} "
        "times what the forces say"
    )
    right = "expected total free energies in eV and forces -dF/dR in eV/Å: divide by the factor"
    reasons = _reasons(slope.value, factors, _NEAR, "the gradient in place of the forces")
    if not reasons:
        return [f"{text}, and no unit or sign explains it; {right}"]
    text += f"; {reasons} would explain it; {right}"
    if slope.value > 0 and 1 / _CERTAIN < slope.value < _CERTAIN:
        return [text]
    raise FrameError(text)


def _odd_energies(
    frames: Sequence[Atoms],
    misses: NDArray[np.float64],
    known: NDArray[np.float64],
    keep: NDArray[np.bool_],
) -> list[str]:
    """Name frames whose energy is of another kind than those of the others."""
    best = np.linalg.lstsq(known[keep], misses[keep], rcond=None)[0]
    off = np.abs(misses - known @ best)
    # another density, such as a slab's, is no fault of the energy
    v = known[:, -2]
    beside = (v >= v[keep].min() - 0.01) & (v <= v[keep].max() + 0.01)
    odd = np.flatnonzero(~keep & beside & (off > _SCATTER))
    if not len(odd):
        return []
    worst = int(odd[off[odd].argmax()])
    more = f" (and {len(odd) - 1} others)" if len(odd) > 1 else ""
    said = (
        f"{name_of(frames[worst], worst)}{more}: its energy is {off[worst]:.2g} eV per atom away "
        "from what its forces and the other frames say: is it of the same program and settings?"
    )
    return [said]


@dataclass(frozen=True)
class StressSlope:
    """Stresses against what the forces say.

    Attributes
    ----------
    slope
        1 where they are in eV/Å^3 with ase's sign.
    vasp_order
        Whether the shear stands in the order xy yz zx.
    """

    slope: float
    vasp_order: bool


def stress_slope(
    frames: Sequence[Atoms],
    forces: Sequence[NDArray[np.float64]],
    stresses: NDArray[np.float64],
) -> StressSlope | None:
    """Compare stresses in any unit with forces in eV/Å; None where that cannot tell."""
    chosen = _chosen(frames)
    if len(chosen) < FEWEST_FRAMES:
        return None
    some = [frames[n] for n in chosen]
    fit = fit_forces(some, [forces[n] for n in chosen])
    if fit is None or fit.correlation < _FITTED:
        return None
    return _stress_slope(some, stresses[chosen], fit.stresses)


def _stress_slope(
    frames: Sequence[Atoms], stresses: NDArray[np.float64], said: NDArray[np.float64]
) -> StressSlope | None:
    v = _volumes(frames)
    known = np.column_stack([np.ones(len(v)), v, v**2])

    def pressure(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return _without(known, of[:, :3].mean(axis=1))

    def diagonal(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((of[:, :3] - of[:, :3].mean(axis=1, keepdims=True)).ravel())

    shear = _Slope.of(stresses[:, 3:].ravel(), said[:, 3:].ravel())
    as_vasp = _Slope.of(stresses[:, VASP_ORDER].ravel(), said[:, 3:].ravel())
    # in its own order shear follows the forces with 0.8 and more, in another with 0.2 and less
    turned = abs(as_vasp.correlation) > max(abs(shear.correlation) + 0.3, 0.6)
    found = [
        _Slope.of(pressure(stresses), pressure(said)),
        _Slope.of(diagonal(stresses), diagonal(said)),
        as_vasp if turned else shear,
    ]
    sure = [one for one in found if abs(one.correlation) > _SURE]
    if not sure or len({one.value > 0 for one in sure}) > 1:
        return None
    return StressSlope(float(np.median([one.value for one in sure])), turned)


def _stresses(
    frames: Sequence[Atoms], stresses: NDArray[np.float64], said: NDArray[np.float64], path: Path
) -> list[str]:
    found = _stress_slope(frames, stresses, said)
    if found is None:
        return []
    slope, turned = found.slope, found.vasp_order
    if 1 / _STRESS_SLOPE <= slope <= _STRESS_SLOPE and not turned:
        return []
    volume = float(np.median([abs(frame.cell.volume) for frame in frames]))
    factors = {
        **_STRESS_FACTORS,
        f"virials (eV: stress times the volume, {volume:.4g} Å^3)": volume,
        "eV/Å^3": 1.0,
    }
    reasons = _reasons(slope, factors, _STRESS_SLOPE, "the sign of VASP (compression positive)")
    text = (
        f"{path}: REF_stress does not belong to REF_forces: it is {slope:.3g} times what the "
        "forces say"
    )
    expected = (
        "expected eV/Å^3 with ase's sign (tension positive) in the order xx yy zz yz xz xy, where "
        "1 eV/Å^3 = 160.2 GPa = 1602 kB: divide by the factor, or leave the stresses out with "
        "--no-stress"
    )
    if turned:
        text += ", with the shear in the order of VASP, xx yy zz xy yz zx"
        reasons = reasons.replace("eV/Å^3 (factor 1)", "that order")
    if not reasons:
        return [f"{text}, and no unit or sign explains it; {expected}"]
    raise FrameError(f"{text}; {reasons} would explain it; {expected}")


def _reasons(slope: float, factors: Mapping[str, float], near: float, negative: str) -> str:
    """Say which units, with which sign, make such a slope; the nearest first."""
    found = sorted(
        (abs(np.log(abs(slope) / factor)), name, factor) for name, factor in factors.items()
    )
    sign, how = (-1, f" with {negative}") if slope < 0 else (1, "")
    return " or ".join(
        f"{name}{how} (factor {sign * factor:.4g})"
        for off, name, factor in found
        if off < np.log(near)
    )
