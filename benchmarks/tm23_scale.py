"""Memory and time of a benchmark as large as TM23: 27 metals x 3000 frames, split and scheduled.

    python benchmarks/tm23_scale.py FOLDER [--metals 27] [--frames 3000]

The tree is laid out as `dosml data fetch tm23` leaves it. Frames have TM23's numbers of atoms where
they are known (35 to 80, else 53), with labels of springs to the lattice sites: what is in them
does not matter here. Scheduling names every training of three sgp and three protocols by its
content, as a run does before anything is trained. Prints a line per metal with the peak memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

from dosml.learners.registry import make_learner
from dosml.memory import peak_memory_mib
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, save
from dosml.relabel.frames import canonical
from dosml.settings import join_settings
from dosml.studies.benchmark.points import points
from dosml.studies.benchmark.settings import BenchmarkSettings
from dosml.studies.benchmark.source import open_source
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing
from dosml.trainings import TrainingStore

METALS = [
    "Ti",
    "V",
    "Cr",
    "Mn",
    "Fe",
    "Co",
    "Ni",
    "Cu",
    "Zn",
    "Zr",
    "Nb",
    "Mo",
    "Tc",
    "Ru",
    "Rh",
    "Pd",
    "Ag",
    "Cd",
    "Hf",
    "Ta",
    "W",
    "Re",
    "Os",
    "Ir",
    "Pt",
    "Au",
    "Hg",
]
#: Atoms per frame that are known.
ATOMS = {"Cu": 71, "Ti": 80, "Hf": 35, "Zr": 35}
#: Å: displacements of the tiers.
TIERS = {"cold": 0.08, "warm": 0.16, "melt": 0.25}
#: eV/Å^2.
SPRING = 2.0
MOST_MIB = 1024


def make_metal(symbol: str, frames: int, rng: np.random.Generator) -> Dataset:
    """Give displaced cells of one metal in three tiers, nine tenths of each for training."""
    n_atoms = ATOMS.get(symbol, 53)
    sites = bulk(symbol, "fcc", a=4.0, cubic=True) * (3, 3, 3)
    made, energies, forces = [], [], []
    for tier, stdev in TIERS.items():
        for number in range(frames // len(TIERS)):
            atoms = sites[:n_atoms]
            moved = rng.normal(0, stdev, (n_atoms, 3))
            atoms.positions += moved
            atoms.info = {
                "tier": tier,
                "split": "train" if number < 0.9 * (frames // len(TIERS)) else "test",
            }
            made.append(canonical(atoms))
            energies.append(0.5 * SPRING * float((moved**2).sum()))
            forces.append(-SPRING * moved)
    setting = ElectronicSetting(Smearing("methfessel-paxton-1", 0.2), 0.0)
    labels = LabelSet(np.array(energies), forces, setting=setting)
    return Dataset.of(made, [labels], Provenance(source="springs"))


def main() -> None:
    """Make what is missing of the tree, then index, split and schedule it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metals", type=int, default=len(METALS))
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    metals = METALS[: given.metals]
    for symbol in metals:
        if not (given.folder / symbol / "dataset.json").is_file():
            began = time.process_time()
            save(make_metal(symbol, given.frames, rng), given.folder / symbol)
            print(f"made {symbol}: {time.process_time() - began:.0f} CPU s", flush=True)
    values = {"source": str(given.folder), "protocol": ("full", "transfer", "curve"),
              "learner": ("sgp",)}  # fmt: skip
    settings = join_settings(BenchmarkSettings, values, None, required="source", nothing="")
    learners = [make_learner("sgp", {"l_max": l_max}) for l_max in (2, 4, 6)]
    store = TrainingStore(given.folder / "models")
    began, total, n_frames = time.process_time(), 0, 0
    source = open_source(str(given.folder), metals)
    for symbol in source.names:
        data, _ = source.split(symbol, settings)
        names = {
            one.task(store).place.name for one in points(settings, symbol, data, learners, None)
        }
        total += len(names)
        n_frames += len(data.frames)
        print(
            f"{symbol}: {len(data.train)} training and {len(data.test)} held-out frames of "
            f"{len(data.frames[0])} atoms, {len(names)} trainings; "
            f"{time.process_time() - began:.0f} CPU s, peak {peak_memory_mib():.0f} MiB",
            flush=True,
        )
    verdict = "under" if peak_memory_mib() < MOST_MIB else "NOT under"
    print(
        f"{len(source.names)} metals, {n_frames} frames, {total} trainings scheduled; peak "
        f"{peak_memory_mib():.0f} MiB, {verdict} {MOST_MIB} MiB"
    )


if __name__ == "__main__":
    main()
