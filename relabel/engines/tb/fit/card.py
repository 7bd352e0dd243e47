"""The card of a metal: what its parameters give beside PBE, on the same k-points.

Everything is computed from parameters and fitting data alone, so that a test can do it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.eos import birchmurnaghan
from ase.units import GPa
from scipy.optimize import curve_fit

from dosml.relabel.engines.tb.fit.plan import STRAINED_VOLUME, ground_state
from dosml.relabel.engines.tb.fit.residuals import (
    bands_of,
    observe,
    true_observables,
)
from dosml.relabel.engines.tb.fit.samples import SMEARINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Sample, Samples
    from dosml.relabel.engines.tb.model import TbParameters

#: What a metal has to reach: correlation and relative error of held-out forces, correlation of
#: their change with the smearing, and error of the lattice constant.
FORCE_R, FORCE_ERROR, CHANGE_R, LATTICE_PERCENT = 0.97, 0.20, 0.85, 1.0
#: Levels that the d centre counts, eV relative to the Fermi level: above, PBE has d character that
#: belongs to higher shells.
CENTRE_WINDOW = (-12.0, 5.0)
#: Volumes of an equation of state, relative to that of the lowest energy.
EOS_RANGE = 0.16
EOS_POINTS = 5


@dataclass(frozen=True)
class ForceErrors:
    """Errors of a set of force components.

    Attributes
    ----------
    r
        Pearson correlation.
    relative
        Mean absolute error over mean absolute value.
    slope
        Of the model's on PBE's, through the origin.
    mean_absolute
        Of PBE, eV/Å.
    """

    r: float
    relative: float
    slope: float
    mean_absolute: float

    @classmethod
    def of(cls, model: NDArray[np.float64], true: NDArray[np.float64]) -> ForceErrors:
        """Compare components, both of any one shape."""
        size = float(np.mean(np.abs(true)))
        return cls(
            r=float(np.corrcoef(model.ravel(), true.ravel())[0, 1]),
            relative=float(np.mean(np.abs(model - true))) / size,
            slope=float(np.sum(model * true) / np.sum(true * true)),
            mean_absolute=size,
        )

    def as_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def make_card(samples: Samples, parameters: TbParameters) -> dict[str, Any]:
    """Compute the card of a metal.

    Returns
    -------
    dict
        `forces` by width (and `change`) and tier on held-out snapshots, `forces_dense` the same on
        more k-points where that is known; `crystals` with lattice constant, bulk modulus and energy
        of fcc, bcc and hcp; `elastic` constants of the ground state, atoms clamped; `d_band`;
        `bars`: whether each is reached.
    """
    energies = energies_of(samples.crystals, parameters)
    card: dict[str, Any] = {"forces": forces(samples.held_out, parameters)}
    if samples.dense:
        card["forces_dense"] = forces(samples.dense, parameters)
    card |= {
        "crystals": equations_of_state(samples, energies),
        "elastic": elastic(samples, energies),
        "d_band": d_band(samples, parameters),
    }
    return card | {"bars": bars(card, ground_state(samples.symbol))}


def forces(
    snapshots: Sequence[Sample], parameters: TbParameters
) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of forces by width (and of their change) and by tier."""
    pairs = [
        (
            one.tier,
            observe(bands_of(one.atoms, one.kpoints, parameters), one.atoms),
            true_observables(one),
        )
        for one in snapshots
    ]
    out: dict[str, dict[str, dict[str, float]]] = {}
    tiers = list(dict.fromkeys(tier for tier, _, _ in pairs))
    for name, pick in (
        *((f"{one.width:g}", _at(index)) for index, one in enumerate(SMEARINGS)),
        ("change", lambda forces: forces[1] - forces[0]),
    ):
        out[name] = {}
        for tier in ("all", *tiers):
            chosen = [pair for pair in pairs if tier in {"all", pair[0]}]
            model = np.concatenate([pick(seen.forces).ravel() for _, seen, _ in chosen])
            true = np.concatenate([pick(known.forces).ravel() for _, _, known in chosen])
            out[name][tier] = ForceErrors.of(model, true).as_dict()
    return out


def _at(index: int) -> Any:
    return lambda forces: forces[index]


def energies_of(
    crystals: Sequence[Sample], parameters: TbParameters
) -> dict[str, tuple[float, float, float]]:
    """By name: volume (Å^3), model's and PBE's free energy (eV), all per atom."""
    out = {}
    for sample in crystals:
        n = len(sample.atoms)
        bands = bands_of(sample.atoms, sample.kpoints, parameters)
        model = bands.free_energy(parameters.electrons * n, SMEARINGS[0]).value / n
        true = sample.results[SMEARINGS[0].width].free_energy / n
        out[sample.name] = (sample.atoms.cell.volume / n, model, true)
    return out


def equations_of_state(
    samples: Samples, energies: dict[str, tuple[float, float, float]]
) -> dict[str, dict[str, float]]:
    """Lattice constant, bulk modulus and energy of each crystal, model beside PBE.

    The fit is Birch and Murnaghan's to the volumes around the lowest energy. Lattice constants are
    cube roots of the volume per atom (times the same factor on both sides), so their error is that
    of the volume over three; c/a is kept.
    """
    out: dict[str, dict[str, float]] = {}
    names = dict.fromkeys(one.tier for one in samples.crystals)
    fits = {}
    for name in names:
        rows = np.array(
            [
                energies[one.name]
                for one in samples.crystals
                if one.tier == name and one.name.removeprefix(f"{name}-")[0].isdigit()
            ]
        )
        model, true = (_minimum(rows[:, 0], rows[:, column]) for column in (1, 2))
        if model is not None and true is not None:
            fits[name] = (model, true)
    ground = fits.get(ground_state(samples.symbol))
    for name, (model, true) in fits.items():
        row = {
            "lattice_percent": 100 * ((model[1] / true[1]) ** (1 / 3) - 1),
            "volume": model[1],
            "volume_pbe": true[1],
            "bulk_modulus_gpa": model[2] / GPa,
            "bulk_modulus_gpa_pbe": true[2] / GPa,
        }
        if ground is not None:
            row["energy_ev"] = model[0] - ground[0][0]
            row["energy_ev_pbe"] = true[0] - ground[1][0]
        out[name] = {key: round(float(value), 4) for key, value in row.items()}
    return out


def _minimum(
    volumes: NDArray[np.float64], energies: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Energy, volume and bulk modulus (eV/Å^3); None without a minimum inside."""
    lowest = int(np.argmin(energies))
    if lowest in {0, len(volumes) - 1} or len(volumes) < EOS_POINTS:
        return None
    near = np.argsort(np.abs(volumes / volumes[lowest] - 1))
    count = max(EOS_POINTS, int(np.sum(np.abs(volumes / volumes[lowest] - 1) < EOS_RANGE)))
    chosen = np.sort(near[:count])
    guess = (energies[lowest], 1.0, 4.0, volumes[lowest])
    fitted, _ = curve_fit(birchmurnaghan, volumes[chosen], energies[chosen], guess, maxfev=20000)
    return float(fitted[0]), float(fitted[3]), float(fitted[1])


def elastic(samples: Samples, energies: dict[str, tuple[float, float, float]]) -> dict[str, float]:
    """Shear moduli of the ground state at `STRAINED_VOLUME`, atoms clamped, GPa.

    With E the energy per volume: `axial` is E'' by a volume-conserving strain along z, 3 C' of a
    cubic crystal; `basal` by one that stretches x and shortens y, 4 C' (cubic) or 4 C66 (hcp);
    `shear` by a tilt of y and z, C44. The second difference of the axial strain is exact to second
    order, that of the others rests on the symmetry of the strain.
    """
    ground = ground_state(samples.symbol)
    out = {}
    base = energies.get(f"{ground}-{STRAINED_VOLUME:.2f}")
    parts = {
        "axial": (("axial+0.03", "axial-0.03"), 0.03),
        "basal": (("basal+0.03",), 0.03),
        "shear": (("shear+0.05",), 0.05),
    }
    for name, (strained, size) in parts.items():
        ends = [energies.get(f"{ground}-{one}") for one in strained]
        if base is None or any(one is None for one in ends):
            continue
        for suffix, column in (("", 1), ("_pbe", 2)):
            mean = np.mean([one[column] for one in ends if one is not None])
            second = 2 * (mean - base[column]) / size**2 / base[0]
            out[f"{name}_gpa{suffix}"] = round(float(second / GPa), 1)
    return out


def d_band(samples: Samples, parameters: TbParameters) -> dict[str, float]:
    """Centre of the d band (eV) and d-DOS at the Fermi level (states/eV/atom) of the ground state.

    Mulliken weights of the model beside GPAW's bound projectors, which sum to less.
    """
    name = f"{ground_state(samples.symbol)}-{STRAINED_VOLUME:.2f}"
    found = [one for one in samples.crystals if one.name == name]
    if not found:
        return {}
    sample = found[0]
    assert sample.levels is not None
    n, smearing = len(sample.atoms), SMEARINGS[0]
    bands = bands_of(sample.atoms, sample.kpoints, parameters)
    level = bands.free_energy(parameters.electrons * n, smearing).fermi_level
    sides = {
        "": (bands.energies - level, bands.d_weights.sum(axis=1)),
        "_pbe": (sample.levels.energies - sample.levels.fermi_level, sample.levels.d_weights),
    }
    out = {}
    low, high = CENTRE_WINDOW
    for suffix, (energies, d) in sides.items():
        weights = 2 * sample.kpoints.weights[:, None] * d / n
        inside = (energies > low) & (energies < high)
        centre = np.sum((weights * energies)[inside]) / np.sum(weights[inside])
        out[f"centre_ev{suffix}"] = round(float(centre), 3)
        at_level = np.sum(weights * smearing.delta(energies))
        out[f"dos_at_fermi_level{suffix}"] = round(float(at_level), 3)
    return out


def bars(card: dict[str, Any], ground: str) -> dict[str, bool]:
    """Whether each bar is reached."""
    forces = card["forces"]
    crystal = card["crystals"].get(ground)
    return {
        "force": bool(
            all(
                forces[f"{one.width:g}"]["all"]["r"] >= FORCE_R
                and forces[f"{one.width:g}"]["all"]["relative"] <= FORCE_ERROR
                for one in SMEARINGS
            )
        ),
        "force_change": all(
            card[name]["change"]["all"]["r"] >= CHANGE_R
            for name in ("forces", "forces_dense")
            if name in card
        ),
        "lattice": crystal is not None and abs(crystal["lattice_percent"]) <= LATTICE_PERCENT,
    }


def warnings_of(card: dict[str, Any], ground: str) -> tuple[str, ...]:
    """One sentence for each bar that is missed."""
    reached, all_tiers = card["bars"], {k: v["all"] for k, v in card["forces"].items()}
    changes = [card[name]["change"]["all"] for name in ("forces", "forces_dense") if name in card]
    out = []
    if not reached["force"]:
        worst = max((all_tiers[f"{one.width:g}"] for one in SMEARINGS), key=lambda x: x["relative"])
        out.append(
            f"Forces of held-out snapshots miss PBE's by {100 * worst['relative']:.0f} % (r "
            f"{worst['r']:.3f}), the bar is {100 * FORCE_ERROR:.0f} % (r {FORCE_R})."
        )
    if not reached["force_change"]:
        out.append(
            "The change of the forces from 0.2 to 2 eV follows PBE's with r "
            f"{min(one['r'] for one in changes):.2f} only, the bar is {CHANGE_R}."
        )
    if not reached["lattice"]:
        row = card["crystals"].get(ground)
        size = "has no minimum" if row is None else f"is off by {row['lattice_percent']:+.1f} %"
        out.append(f"The lattice constant {size}, the bar is {LATTICE_PERCENT:g} % of PBE's.")
    return tuple(out)
