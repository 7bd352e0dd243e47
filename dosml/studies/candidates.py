"""A pool of cheap frames to choose from: dynamics of a force field, rattles, strains, files.

Nothing here costs a label. Frames whose atoms are closer than any label means something are left
out; what a force field does wrong (atoms that fall into each other) ends its run, and the frames
before that are in the pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError
from dosml.relabel.elements import ELEMENTS, element
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.sampling import TEMPERATURES
from dosml.studies.model_runs import KEPT, RunPlan, closest_pair, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: Tiers of the dynamics, in units of the melting temperature.
TIERS = ("cold", "warm", "hot")
#: K, where no melting temperature is known (alloys).
TEMPERATURES_K = (300.0, 900.0, 1800.0)
#: Steps of each run.
STEPS = 400
#: Shares of dynamics, rattles and strains.
SHARES = (0.5, 0.2, 0.3)
#: Largest strain, and range of rattles in units of the neighbour distance.
STRAIN, RATTLES = 0.07, (0.02, 0.10)
#: Shortest distance in units of the neighbour distance.
CLOSEST = 0.65
#: Frames are tried so many times.
_TRIALS = 20


def make_pool(
    calculator: Calculator,
    frames: Sequence[Atoms],
    count: int,
    *,
    seed: int,
    given: Sequence[Atoms] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> list[Atoms]:
    """Make candidates from training frames.

    Parameters
    ----------
    calculator
        A trained force field.
    frames
        Training frames: where runs begin, what is rattled and strained.
    count
        How many; fewer where runs end early.
    seed
        Of everything.
    given
        Frames of files, such as those of a structure search: taken as they are, beyond `count`.
    progress
        Called with the number of candidates.

    Returns
    -------
    list of ase.Atoms
        Canonical and different frames that are none of `frames`; `info["tier"]` is "md 340 K",
        "rattle", "strain" or "given", `info["split"]` is "train".

    Raises
    ------
    InputError
        If no candidate is left.
    """
    known = {frame_id(frame) for frame in frames}
    # of the training frames: a cluster in a box says nothing of how far apart atoms are
    limit = CLOSEST * min(neighbour_of(frame) for frame in frames)
    pool: list[Atoms] = []
    n_md, n_rattle = (round(share * count) for share in SHARES[:2])
    rng = np.random.default_rng(seed)
    parts = (
        (n_md, _dynamics(calculator, frames, n_md, seed)),
        (n_rattle, _rattled(frames, rng)),
        (count - n_md - n_rattle, _strained(frames, rng)),
        (len(given), _given(given)),
    )
    for wanted, source in parts:
        taken = 0
        for trial, atoms in enumerate(source):
            if taken == wanted or trial == _TRIALS * wanted:
                break
            frame = canonical(atoms)
            frame.info["split"] = "train"
            if frame_id(frame) in known or closest_pair(frame, 2 * limit) < limit:
                continue
            known.add(frame_id(frame))
            pool.append(frame)
            taken += 1
            progress(len(pool))
    if not pool:
        raise InputError(
            f"none of {count} candidates has atoms as far apart as {CLOSEST:g} of the neighbour "
            "distance: the force field is unstable (see dosml validate), train on more frames"
        )
    return pool


def neighbour_of(frame: Atoms) -> float:
    """Neighbour distance (Å) of a close packing with the volume of a frame."""
    return float((np.sqrt(2.0) * frame.cell.volume / len(frame)) ** (1 / 3))


def _dynamics(
    calculator: Calculator, frames: Sequence[Atoms], count: int, seed: int
) -> Iterator[Atoms]:
    symbols = {symbol for frame in frames for symbol in set(frame.symbols)}
    temperatures: tuple[float, ...] = TEMPERATURES_K
    if len(symbols) == 1 and symbols <= set(ELEMENTS):
        melts = element(next(iter(symbols))).melting_temperature
        temperatures = tuple(TEMPERATURES[tier] * melts for tier in TIERS)
    rng = np.random.default_rng([seed, 1])
    runs = max(1, -(-count // (KEPT * len(temperatures))))
    for number in range(runs):
        for temperature in temperatures:
            start = frames[int(rng.integers(len(frames)))].copy()
            plan = RunPlan("NVT", temperature, STEPS, seed + number)
            for frame in simulate(start, calculator, plan, start).frames:
                frame.info = {"tier": f"md {temperature:.0f} K", "temperature_K": temperature}
                yield frame


def _rattled(frames: Sequence[Atoms], rng: np.random.Generator) -> Iterator[Atoms]:
    while True:
        atoms = frames[int(rng.integers(len(frames)))].copy()
        width = float(rng.uniform(*RATTLES)) * neighbour_of(atoms)
        atoms.positions += rng.normal(0.0, width, atoms.positions.shape)
        atoms.info = {"tier": "rattle"}
        yield atoms


def _strained(frames: Sequence[Atoms], rng: np.random.Generator) -> Iterator[Atoms]:
    while True:
        atoms = frames[int(rng.integers(len(frames)))].copy()
        random = rng.uniform(-STRAIN, STRAIN, (3, 3))
        # half of them change the volume only
        shape = np.eye(3) * random[0, 0] if rng.random() < 0.5 else (random + random.T) / 2
        atoms.set_cell(np.asarray(atoms.cell) @ (np.eye(3) + shape), scale_atoms=True)
        atoms.info = {"tier": "strain"}
        yield atoms


def _given(frames: Sequence[Atoms]) -> Iterator[Atoms]:
    for frame in frames:
        atoms = frame.copy()
        atoms.info = {"tier": "given"}
        yield atoms
