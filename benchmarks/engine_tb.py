"""Seconds a label of the engine tb: against atoms, k-points and settings, and beside xtb.

    OMP_NUM_THREADS=1 python benchmarks/engine_tb.py [PARAMETERS] [--xtb]
    OMP_NUM_THREADS=1 python benchmarks/engine_tb.py --map Ti,Os

PARAMETERS is a parameter file for titanium in the NRL format or in dosml's; without it, the
parameters that ship. `--map` times the nine settings of `dosml map` against one of them, on a warm
frame of its default sampling. Times are processor times on one core, each the smaller of two runs
(five with `--map`).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ase.build import bulk

from dosml.relabel.engines.registry import make_engine
from dosml.relabel.engines.tb import solve as solve_module
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.frames import canonical
from dosml.relabel.sampling import TIERS, sample_frames
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

CELLS = {15: (2, 2, 2), 31: (4, 2, 2), 63: (4, 4, 2), 127: (4, 4, 4)}
GRIDS = ((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4))
WIDTHS = (0.2, 0.5, 2.0)
SHIFTS = (-1.0, 0.0, 1.0)
#: Of `dosml map` by default.
MAP_WIDTHS, MAP_SHIFTS = (0.5, 1.0, 2.0), (-2.0, -1.0, 0.0)
RESTART = Path("benchmark-restart")


@dataclass
class Clock:
    """Processor time spent in a function, s."""

    function: Callable
    seconds: float = 0.0

    def __call__(self, *arguments: object, **named: object) -> object:
        """Call the function."""
        start = time.process_time()
        try:
            return self.function(*arguments, **named)
        finally:
            self.seconds += time.process_time() - start


def hcp_with_vacancy(n_atoms: int) -> Atoms:
    """Warm titanium."""
    frame = bulk("Ti", "hcp", a=2.95, c=4.68) * CELLS[n_atoms]
    frame.rattle(0.1, seed=1)
    del frame[n_atoms:]
    return frame


def seconds(run: Callable[[], object], runs: int = 2) -> float:
    """Smallest processor time of a few runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def settings(scheme: str, shifts: tuple[float, ...] = (0.0,)) -> list[ElectronicSetting]:
    """Every width with every shift."""
    smearings = [Smearing(scheme, width) for width in WIDTHS]
    return [ElectronicSetting(one, shift) for one in smearings for shift in shifts]


def time_map(metal: str) -> None:
    """Print what nine settings cost, in units of one."""
    (frame,) = (
        one
        for one in sample_frames(metal, n_frames_per_tier=dict.fromkeys(TIERS, 1), seed=0)
        if one.info["tier"] == "warm"
    )
    frame, engine = canonical(frame), make_engine("tb", {}, [metal])
    smearings = [Smearing("methfessel-paxton-1", width) for width in MAP_WIDTHS]
    nine = [ElectronicSetting(one, shift) for one in smearings for shift in MAP_SHIFTS]
    one, all_of_them = (
        seconds(lambda asked=asked: list(engine.label_ladder(frame, asked, [], RESTART)), 5)
        for asked in (nine[-1:], nine)
    )
    print(
        f"{metal}, {len(frame)} atoms: 1 setting {one:.3f} s, 9 settings {all_of_them:.3f} s, "
        f"{all_of_them / one:.2f} times one",
        flush=True,
    )


def main() -> None:
    """Print three tables, or what a map costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parameters", type=Path, nargs="?")
    parser.add_argument("--xtb", action="store_true", help="time xtb too (minutes)")
    parser.add_argument("--map", default="", help="metals")
    given = parser.parse_args()
    if given.map:
        for metal in given.map.split(","):
            time_map(metal)
        return
    one, many = settings("methfessel-paxton-1")[:1], settings("methfessel-paxton-1", SHIFTS)

    print("atoms  k-points  one label  diagonalisation  each further setting")
    for n_atoms in CELLS:
        frame = hcp_with_vacancy(n_atoms)
        for grid in GRIDS:
            if n_atoms * grid[0] > 260:
                continue
            engine = TbEngine(TbOptions(parameters=given.parameters, kpoints=grid))
            single = seconds(lambda e=engine, f=frame: list(e.label_ladder(f, one, [], RESTART)))
            clock = Clock(solve_module.eigh)
            solve_module.eigh = clock
            start = time.process_time()
            list(engine.label_ladder(frame, many, [], RESTART))
            all_of_them = time.process_time() - start
            solve_module.eigh = clock.function
            further = (all_of_them - single) / (len(many) - 1)
            print(
                f"{n_atoms:5d}  {'x'.join(map(str, grid)):>8}  {single:7.3f} s  "
                f"{100 * clock.seconds / single:13.0f} %  {further:18.3f} s",
                flush=True,
            )

    if given.xtb:
        print("\natoms  tb, 2x2x2: 1, 3 widths   xtb, Gamma: 1, 3 widths")
        for n_atoms in (15, 31, 63):
            frame = hcp_with_vacancy(n_atoms)
            row = []
            for engine, scheme in (
                (TbEngine(TbOptions(parameters=given.parameters, kpoints=(2, 2, 2))), "gaussian"),
                (XtbEngine(), "fermi-dirac"),
            ):
                for asked in (settings(scheme)[-1:], settings(scheme)):
                    start = time.process_time()
                    list(engine.label_ladder(frame, asked, [], RESTART))
                    row.append(time.process_time() - start)
            print("{:5d}  {:8.2f} {:8.2f} s  {:14.2f} {:8.2f} s".format(n_atoms, *row), flush=True)


if __name__ == "__main__":
    main()
