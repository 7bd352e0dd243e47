"""Frames to label, from molecular dynamics at constant volume and temperature.

Three tiers as in Owen et al., npj Comput. Mater. 10, 92 (2024): 0.25, 0.75 and 1.25 times the
melting temperature. The dynamics is Langevin's (ase), by default with the second-moment potential.

All tiers are at the volume of the cold crystal. `cold` frames keep the ground-state crystal in all
27 metals. `warm` frames keep it too, but for Zn, Cd and Hg, whose stretched crystals turn into
closer packings that the potential prefers. `melt` frames are liquids: one that has frozen is melted
again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from ase import units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from dosml.errors import FrameError, InputError
from dosml.limits import MOST_COUNTED
from dosml.neighbours import NeighborList
from dosml.relabel.bragg import bragg_order
from dosml.relabel.calibration import calibrate
from dosml.relabel.elements import element
from dosml.relabel.frames import DYNAMICS, canonical, check_frames
from dosml.relabel.second_moment import SecondMomentCalculator
from dosml.relabel.structures import build_structure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: Temperature of each tier in units of the melting temperature.
TIERS = {"cold": 0.25, "warm": 0.75, "melt": 1.25}
#: `hot` is the crystal at the melt's temperature: cells of few atoms do not melt.
TEMPERATURES = {**TIERS, "hot": TIERS["melt"]}

#: Time is counted in steps, because the step grows with the mass as the phonon periods do
#: (`default_timestep`): 2 ps and 0.4 ps for Ti. The spacing is several phonon periods and several
#: times the memory of the thermostat.
EQUILIBRATION_STEPS = 800
SPACING_STEPS = 160
#: Before a frame of a melt: steps at `OVERHEATING` times its temperature, the first time and later,
#: then steps at its temperature. At the volume of the cold crystal these small periodic cells would
#: freeze again within a few ps, so every frame is melted anew.
MELTING_STEPS = 800
REMELTING_STEPS = 300
MELT_EQUILIBRATION_STEPS = 250
OVERHEATING = 4.0
#: How often a frame may be melted again because it is still, or again, a crystal.
MELTING_ATTEMPTS = 40
#: Steps before the first frame and between frames of a costly calculator, which starts from an
#: equilibrated classical configuration.
ENGINE_STEPS = (40, 15)
#: Langevin friction per step: 0.01/fs for Ti.
FRICTION_PER_STEP = 0.025
MAX_TIMESTEP_FS = 20.0
#: K: tungsten boils at 6000. Steps of one trajectory: 1000 times the default.
HOTTEST = 1e5
MOST_STEPS = 10_000_000
#: Å: atoms closer than this have run into each other.
MIN_DISTANCE = 1.3


def default_timestep(mass: float) -> float:
    """Time step (fs) for atoms of a mass (u): 2.4 for Ti, 4.9 for Au.

    About a fortieth of the shortest phonon period, which goes as the square root of the mass.
    """
    return round(0.35 * math.sqrt(mass), 1)


def sample_frames(
    symbol: str,
    *,
    n_frames_per_tier: Mapping[str, int],
    seed: int,
    prototype: str | None = None,
    min_length: float = 7.0,
    primitive: bool = False,
    vacancy: bool = True,
    calculator_factory: Callable[[], Calculator] | None = None,
    equilibration_steps: int | None = None,
    spacing_steps: int | None = None,
    timestep_fs: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Atoms]:
    """Sample the tiers of one metal, each from the same crystal with the same vacancy.

    Parameters
    ----------
    symbol, prototype, min_length, primitive, vacancy
        As in `dosml.relabel.structures.build_structure`.
    n_frames_per_tier
        Number of frames by tier, one of `TEMPERATURES`. A larger number continues the same
        trajectory: the first frames stay the same.
    seed
        Chooses vacancy, velocities and thermostat noise. The same seed gives the same bits.
    calculator_factory
        Makes a fresh calculator per tier. None: the second-moment potential.
    equilibration_steps, spacing_steps, timestep_fs
        As in `sample_tier`.
    progress
        Called with (frames done, frames in all) after every frame.

    Returns
    -------
    list
        Frames, tier by tier in the order of `n_frames_per_tier`, as `sample_tier` makes them.

    Raises
    ------
    UnknownElementError, InputError, FrameError
        As `build_structure` and `sample_tier`; InputError also for an unknown tier.
    """
    unknown = [tier for tier in n_frames_per_tier if tier not in TEMPERATURES]
    if unknown:
        raise InputError(f"unknown tier {unknown[0]!r}: choose from {', '.join(TEMPERATURES)}")
    metal = element(symbol)
    start = build_structure(
        symbol,
        prototype=prototype,
        min_length=min_length,
        primitive=primitive,
        vacancy=vacancy,
        seed=seed,
    )
    total = sum(n_frames_per_tier.values())
    frames: list[Atoms] = []

    def tier_progress(done_in_tier: int, _: int) -> None:
        if progress is not None:
            progress(len(frames) + done_in_tier, total)

    for tier, n_frames in n_frames_per_tier.items():
        part = sample_tier(
            start,
            temperature=TEMPERATURES[tier] * metal.melting_temperature,
            n_frames=n_frames,
            # a stream of its own: the frames of one tier do not depend on the others asked for
            seed=(seed, list(TEMPERATURES).index(tier)),
            calculator=None if calculator_factory is None or not n_frames else calculator_factory(),
            melt=tier == "melt",
            equilibration_steps=equilibration_steps,
            spacing_steps=spacing_steps,
            timestep_fs=timestep_fs,
            progress=tier_progress,
        )
        for frame in part:
            frame.info["tier"] = tier
        frames += part
    return frames


def sample_tier(
    start: Atoms,
    *,
    temperature: float,
    n_frames: int,
    seed: int | tuple[int, ...],
    calculator: Calculator | None = None,
    melt: bool = False,
    equilibration_steps: int | None = None,
    spacing_steps: int | None = None,
    timestep_fs: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Atoms]:
    """Sample one temperature by Langevin dynamics at constant volume.

    The second-moment potential brings the crystal to temperature (through an overheated stage if
    `melt`, before every frame anew) and goes on to make the frames. Another `calculator` takes over
    positions and velocities once temperature is reached, so that a costly one spends its steps on
    its own equilibrium; it continues one trajectory, molten only once.

    Parameters
    ----------
    start
        Periodic crystal of one metal, as from `build_structure`; not changed.
    temperature
        K.
    n_frames
        Number of frames, `spacing_steps` apart.
    seed
        Of velocities and thermostat noise.
    calculator
        Forces of the frames' dynamics. None: the second-moment potential.
    melt
        Melt first.
    equilibration_steps, spacing_steps
        Steps at `temperature` before the first frame, and before each later one. Defaults: 800 and
        160 with the second-moment potential (250 and 250, each after an overheated stage, if
        `melt`); 40 and 15 with another calculator.
    timestep_fs
        Default: `default_timestep`.
    progress
        Called with (frames done, `n_frames`) after every frame.

    Returns
    -------
    list of ase.Atoms
        Wrapped into the cell, no calculator, no velocities; `info` has that of `start` and
        `temperature_K` and `md_time_fs` (of all the dynamics before it).

    Raises
    ------
    InputError
        If a number is out of range.
    UnknownElementError
        If the metal is not in the element table.
    FrameError
        If `start` has several elements or is not periodic, or if the dynamics failed: atoms closer
        than 1.3 Å, a kinetic temperature far above the one asked for, a melt that stays a crystal.
    """
    check_frames([canonical(start)], "the starting crystal", DYNAMICS)
    symbol = str(start.symbols[0])
    timestep = default_timestep(start.get_masses()[0]) if timestep_fs is None else timestep_fs
    if calculator is not None:
        defaults = ENGINE_STEPS
    elif melt:
        defaults = (MELT_EQUILIBRATION_STEPS, MELT_EQUILIBRATION_STEPS)
    else:
        defaults = (EQUILIBRATION_STEPS, SPACING_STEPS)
    equilibration = defaults[0] if equilibration_steps is None else equilibration_steps
    spacing = defaults[1] if spacing_steps is None else spacing_steps
    _check_numbers(temperature, n_frames, equilibration, spacing, timestep)
    if n_frames == 0:
        return []

    parameters = calibrate(symbol, start.info.get("prototype"))
    run = _Dynamics(start, SecondMomentCalculator(parameters), temperature, timestep, seed)
    if calculator is not None:
        if melt:
            run.melt(MELTING_STEPS, MELT_EQUILIBRATION_STEPS)
        else:
            run.advance(EQUILIBRATION_STEPS)
        run.atoms.calc = calculator

    frames = []
    for number in range(n_frames):
        steps = spacing if number else equilibration
        if melt and calculator is None:
            run.melt(REMELTING_STEPS if number else MELTING_STEPS, steps)
        else:
            run.advance(steps)
        frames.append(run.frame())
        if progress is not None:
            progress(number + 1, n_frames)
    return frames


class _Dynamics:
    """Langevin dynamics that knows its temperature and its age."""

    def __init__(
        self,
        start: Atoms,
        calculator: Calculator,
        temperature: float,
        timestep: float,
        seed: int | tuple[int, ...],
    ) -> None:
        self.start = start
        self.temperature = temperature
        self.timestep = timestep
        self.steps = 0
        self.atoms = start.copy()
        self.atoms.calc = calculator
        rng = np.random.default_rng(seed)
        thermalize_momenta(self.atoms, temperature, rng=rng)
        # fixcm=False samples the exact canonical ensemble; a drift of the cell changes no label
        self.langevin = Langevin(
            self.atoms,
            timestep * units.fs,
            temperature_K=temperature,
            friction=FRICTION_PER_STEP / (timestep * units.fs),
            fixcm=False,
            rng=rng,
        )

    def melt(self, hot_steps: int, steps: int) -> None:
        """Overheat, then advance at the temperature; again where crystalline order is left."""
        # a liquid has S(G)/N with S < 5 at the first peak, more in a very small cell
        molten = 0.2 + 3.0 / len(self.atoms)
        for _ in range(MELTING_ATTEMPTS):
            self.langevin.set_temperature(temperature_K=OVERHEATING * self.temperature)
            self._run(hot_steps)
            self.langevin.set_temperature(temperature_K=self.temperature)
            self.advance(steps)
            order = bragg_order(self.atoms, self.start)
            if order < molten:
                return
        raise FrameError(
            f"{self.atoms.symbols} did not melt at {self.temperature:.0f} K in {MELTING_ATTEMPTS} "
            f"attempts: Bragg order {order:.2f}, a liquid has less than {molten:.2f}; ask for a "
            "larger cell (min_length)"
        )

    def advance(self, steps: int) -> None:
        self._run(steps)
        _check_dynamics(self.atoms, self.temperature, self.timestep)

    def _run(self, steps: int) -> None:
        self.langevin.run(steps)
        self.steps += steps

    def frame(self) -> Atoms:
        frame: Atoms = self.start.copy()
        frame.positions = self.atoms.positions
        frame.wrap()
        frame.info["temperature_K"] = self.temperature
        frame.info["md_time_fs"] = round(self.steps * self.timestep, 3)
        return frame


def _check_numbers(
    temperature: float, n_frames: int, equilibration: int, spacing: int, timestep: float
) -> None:
    if not 0 < timestep <= MAX_TIMESTEP_FS:
        raise InputError(
            f"the time step must be above 0 and at most {MAX_TIMESTEP_FS} fs, got {timestep}"
        )
    if not 0 < temperature <= HOTTEST:
        raise InputError(
            f"the temperature must be above 0 and at most {HOTTEST:g} K, got {temperature}"
        )
    if not 0 <= n_frames <= MOST_COUNTED:
        raise InputError(f"the number of frames must be 0 to {MOST_COUNTED}, got {n_frames}")
    if not (0 <= equilibration <= MOST_STEPS and 1 <= spacing <= MOST_STEPS):
        raise InputError(
            f"steps before the first frame must be 0 to {MOST_STEPS} and steps between frames 1 to "
            f"{MOST_STEPS}, got {equilibration} and {spacing}"
        )


def _check_dynamics(atoms: Atoms, temperature: float, timestep: float) -> None:
    """Refuse a configuration that no crystal or liquid at this temperature visits."""
    advice = f"use a time step shorter than {timestep} fs"
    # the kinetic temperature of N atoms fluctuates by sqrt(2/3N): eight of these are no fluctuation
    limit = temperature * (1.0 + 8.0 * math.sqrt(2.0 / (3.0 * len(atoms))))
    reached = atoms.get_kinetic_energy() / (1.5 * len(atoms) * units.kB)
    if not reached <= limit:  # also catches nan
        raise FrameError(
            f"the dynamics of {atoms.symbols} at {temperature:.0f} K blew up: kinetic temperature "
            f"{reached:.0f} K; {advice}"
        )
    pairs = NeighborList(cutoff=MIN_DISTANCE, full_list=False, n_threads=1)
    (distances,) = pairs.compute(
        atoms.positions, np.asarray(atoms.cell), periodic=True, quantities="d"
    )
    if len(distances):
        raise FrameError(
            f"the dynamics of {atoms.symbols} at {temperature:.0f} K brought atoms as close as "
            f"{distances.min():.2f} Å (least allowed {MIN_DISTANCE} Å); {advice}"
        )
