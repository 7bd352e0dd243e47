"""Molecular dynamics of saved force fields: atoms x steps per second of one core.

    OMP_NUM_THREADS=1 python benchmarks/md_speed.py MODEL... [--atoms 100,1000,10000]

MODEL are files that `dosml.load_model` reads, of any learner, for instance those of
`benchmarks/accuracy_per_cost.py`. Each runs ase's velocity Verlet (1 fs) on rattled cubic cells of
bcc molybdenum of about so many atoms. The seconds are CPU seconds of this process and of the
model's own process, if it has one, with two steps before the clock starts; a size is left out where
a step takes over a minute. FLARE's models are evaluated as its Python package does: what its LAMMPS
pair style makes of them is faster.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import psutil
from ase.build import bulk
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet
from ase.units import fs

from dosml import load_model
from dosml.errors import LearnerError

#: Å, K.
LATTICE, TEMPERATURE = 3.17, 600.0
#: CPU seconds of a measurement, at least; CPU seconds of a step, at most.
SECONDS, PATIENCE = 3.0, 60.0
MOST_STEPS = 100


def cpu_seconds() -> float:
    """Of this process and of its children that live."""
    here = psutil.Process()
    used = [one.cpu_times() for one in (here, *here.children(recursive=True))]
    return sum(one.user + one.system for one in used)


def speed(path: Path, repeats: int) -> tuple[int, int, float] | None:
    """Atoms, steps and atoms x steps per second; None where it takes too long."""
    atoms = bulk("Mo", "bcc", a=LATTICE, cubic=True) * (repeats, repeats, repeats)
    atoms.rattle(0.05, seed=1)
    thermalize_momenta(atoms, TEMPERATURE, rng=np.random.default_rng(1))
    atoms.calc = load_model(path)
    dynamics = VelocityVerlet(atoms, fs)
    dynamics.run(1)
    began, began_cpu = time.perf_counter(), cpu_seconds()
    dynamics.run(1)
    step = cpu_seconds() - began_cpu
    if max(step, time.perf_counter() - began) > PATIENCE:
        return None
    steps = max(1, min(MOST_STEPS, round(SECONDS / step)))
    began_cpu = cpu_seconds()
    dynamics.run(steps)
    return len(atoms), steps, len(atoms) * steps / (cpu_seconds() - began_cpu)


def main() -> None:
    """Print a line for every model and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--atoms", default="100,1000,10000")
    given = parser.parse_args()
    sizes = [max(2, round((int(one) / 2) ** (1 / 3))) for one in given.atoms.split(",")]
    print("model                     atoms  steps  atoms x steps / s", flush=True)
    for path in given.models:
        for repeats in sizes:
            try:
                found = speed(path, repeats)
            except LearnerError as error:
                print(f"{path.name:<24} {2 * repeats**3:6d}  {error}", flush=True)
                break
            if found is None:
                print(f"{path.name:<24} {2 * repeats**3:6d}  a step takes over {PATIENCE:.0f} s")
                break
            print(f"{path.name:<24} {found[0]:6d} {found[1]:6d} {found[2]:18.0f}", flush=True)


if __name__ == "__main__":
    main()
