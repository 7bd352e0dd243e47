"""What a large dataset folder costs: seconds and peak memory of writing and of reading it.

    python benchmarks/dataset_size.py [--frames 5000] [--settings 4] [--atoms 8] [--grid 2001]

The labels are made up, 20 000 in all unless told otherwise, each with a DOS by orbital; their DOS
are made one by one as they are written, so that neither side ever holds them all. Each side runs in
a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms

from dosml.relabel.dataset import Dataset, LabelSet, load, save
from dosml.relabel.frames import canonical
from dosml.theory.dos import ElectronicDos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing


class MadeUpDos:
    """A sum of lines per orbital, another one for every frame."""

    def __init__(self, count: int, n_grid: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self.grid = np.linspace(-20, 20, n_grid)

    def __len__(self) -> int:
        """Count the frames."""
        return self.count

    def __getitem__(self, number: int) -> ElectronicDos:
        """Make one."""
        rng = np.random.default_rng([self.seed, number])
        lines = rng.normal(-1, 2, size=(5, 8, 1))
        d_m = np.exp(-(((self.grid - lines) / 0.14) ** 2)).sum(axis=1)
        d = d_m.sum(axis=0)
        return ElectronicDos(self.grid, d + 0.1, d, d_m, 0.1)


def write(folder: Path, given: argparse.Namespace) -> None:
    """Make labels up and save them."""
    rng, n = np.random.default_rng(0), given.atoms
    frames = []
    for number in range(given.frames):
        atoms = Atoms(f"Ti{n}", rng.random((n, 3)) * 5, cell=np.eye(3) * 5, pbc=True)
        frames.append(canonical(atoms))
        frames[-1].info |= {"tier": "warm", "split": "test" if number % 5 == 0 else "train"}
    sets = [
        LabelSet(
            rng.normal(size=given.frames),
            rng.normal(size=(given.frames, n, 3)),
            rng.normal(size=(given.frames, 6)),
            ElectronicSetting(Smearing("cold", 0.1 * (1 + k))),
            dos_parts=MadeUpDos(given.frames, given.grid, k),
            facts={"fermi_level_ev": rng.normal(size=given.frames).tolist()},
        )
        for k in range(given.settings)
    ]
    save(Dataset.of(frames, sets), folder)


def read(folder: Path, given: argparse.Namespace) -> None:
    """Read everything once, and some DOS of single frames again."""
    data = load(folder)
    assert len(data.frames) == given.frames
    for labels in data.label_sets:
        assert labels.dos is not None
        assert labels.dos_parts is not None
        for number in range(0, given.frames, max(1, given.frames // 10)):
            assert labels.dos_parts[number].d_m is not None


def main() -> None:
    """Run both sides, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("frames", 5000), ("settings", 4), ("atoms", 8), ("grid", 2001)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--part", choices=("write", "read"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        start = time.perf_counter()
        {"write": write, "read": read}[given.part](given.folder, given)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{given.part}: {time.perf_counter() - start:.0f} s, peak memory {peak:.0f} MiB")
        return
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{given.frames * given.settings} labels of {given.atoms} atoms", flush=True)
        for part in ("write", "read"):
            command = [sys.executable, __file__, *sys.argv[1:], "--part", part]
            subprocess.run([*command, "--folder", f"{scratch}/data"], check=True)
        size = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file())
        print(f"on disk: {size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
