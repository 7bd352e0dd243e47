"""Labelled frames of one metal as many and as large as TM23's, from the engine tb.

    OMP_NUM_THREADS=1 python benchmarks/whole_metal_labels.py FOLDER [--metal Mo]

The tiers are TM23's: 0.25, 0.75 and 1.25 times the melting temperature (molten), 54 atoms, no
vacancy, from dynamics with the sampling potential: of each 930 frames, of which the first 900 that
have labels are for training (in a melt atoms may be closer than the parameters allow).
Labels are at Gamma alone, 0.07 s each on one core, and at 1 eV (Methfessel-Paxton of first order):
a fifth of the forces is then error of the mesh, which the cubic symmetry of the mesh leaves
learnable, and which has no say in what training costs. `--kpoints 2` has none of it and takes 14
minutes instead of 4. What was stopped goes on; the result is a folder of label sets, FOLDER/METAL,
for `dosml train` and `benchmarks/whole_metal.py`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.io import read, write

from dosml.files import whole_file
from dosml.relabel.dataset import Dataset, LabelSet, Provenance, save
from dosml.relabel.elements import element
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import canonical
from dosml.relabel.sampling import TIERS, sample_tier
from dosml.relabel.structures import build_structure
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from dosml.relabel.engines.tb.engine import TbEngine

SETTING = ElectronicSetting(Smearing("methfessel-paxton-1", 1.0), 0.0)
#: Frames of each tier, and how many of them for training.
SAMPLED, TRAIN = 930, 900
#: Steps between frames of a crystal; melts are melted anew before every frame.
SPACING = 80
#: Å: 54 atoms of bcc.
LENGTH = 9.0
KINDS = ("energies", "forces", "stresses")
#: Frames whose labels are written together.
TOGETHER = 90


def sample(metal: str) -> list:
    """Sample all tiers, each in the order of its time."""
    start = build_structure(metal, vacancy=False, seed=0, min_length=LENGTH)
    melting = element(metal).melting_temperature
    frames = []
    for number, (tier, share) in enumerate(TIERS.items()):
        melt = tier == "melt"
        part = sample_tier(
            start,
            temperature=share * melting,
            n_frames=SAMPLED,
            seed=(0, number),
            melt=melt,
            spacing_steps=None if melt else SPACING,
        )
        for frame in part:
            frame.info["tier"] = tier
        frames += part
        print(f"{tier}: {len(part)} frames of {len(start)} atoms", flush=True)
    return frames


def label(engine: TbEngine, frames: list, place: Path) -> None:
    """Write the labels of some frames, unless they are there; NaN where there is none."""
    if place.is_file():
        return
    made = []
    for frame in frames:
        one = engine.label(canonical(frame), SETTING)
        if isinstance(one, LabelFailure):
            print(f"no label: {one.reason}")
            made.append((np.nan, np.full((len(frame), 3), np.nan), np.full(6, np.nan)))
        else:
            made.append((one.free_energy, one.forces, one.stress))
    arrays = dict(zip(KINDS, map(np.array, zip(*made, strict=True)), strict=True))
    with whole_file(place) as partial, partial.open("wb") as handle:
        np.savez(handle, **arrays)
    print(f"wrote {place}", flush=True)


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metal", default="Mo")
    parser.add_argument("--kpoints", type=int, default=1, help="along each direction")
    given = parser.parse_args()
    folder = given.folder / given.metal
    if (folder / "dataset.json").is_file():
        print(f"{folder} is there")
        return
    parts = given.folder / f"{given.metal}-parts-{given.kpoints}"
    parts.mkdir(parents=True, exist_ok=True)
    source = given.folder / f"{given.metal}-frames.extxyz"
    if not source.is_file():
        with whole_file(source) as partial:
            write(partial, sample(given.metal), format="extxyz")
    frames = read(source, ":", format="extxyz")
    engine = make_engine("tb", {"kpoints": (given.kpoints,) * 3}, [given.metal])
    places = [parts / f"labels_{start:05d}.npz" for start in range(0, len(frames), TOGETHER)]
    for number, place in enumerate(places):
        label(engine, frames[number * TOGETHER : (number + 1) * TOGETHER], place)
    loaded = [np.load(place) for place in places]
    arrays = [np.concatenate([one[kind] for one in loaded]) for kind in KINDS]
    labelled = np.flatnonzero(np.isfinite(arrays[0]))
    seen: Counter[str] = Counter()
    for number in labelled:
        tier = frames[number].info["tier"]
        seen[tier] += 1
        frames[number].info["split"] = "train" if seen[tier] <= TRAIN else "test"
    kept = [canonical(frames[number]) for number in labelled]
    labels = LabelSet(*(values[labelled] for values in arrays), setting=SETTING)
    save(Dataset.of(kept, [labels], Provenance(source="tb")), folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
