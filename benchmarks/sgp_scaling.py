"""Cost of the sparse Gaussian process against frames, inducing environments and descriptor size.

    python benchmarks/sgp_scaling.py [--threads 1] [--device cpu] [--full 60]

Frames are rattled bcc supercells of 54 atoms (15.9 Å^3 per atom, Mo's) with synthetic labels; what
labels cost does not depend on what they say. With `--full N` the last part measures N frames at the
size of a whole TM23 metal (M = 2700, B2 with n_max = 9, l_max = 5) and extrapolates openly to 2700
frames: kernel rows grow with the frames, the rest does not.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from ase.build import bulk

from dosml.learners.base import TrainingLabels
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings

#: Frames of a whole TM23 metal, and inducing environments of the paper.
WHOLE = 2700


def frames_and_labels(count: int, seed: int = 0) -> tuple[list, TrainingLabels]:
    """Make rattled cells and smooth labels: springs to the ideal sites."""
    rng = np.random.default_rng(seed)
    frames, energies, forces = [], [], []
    for _ in range(count):
        atoms = bulk("Mo", "bcc", a=3.17, cubic=True) * (3, 3, 3)
        move = rng.normal(scale=0.2 * rng.uniform(0.3, 1.0), size=(54, 3))
        atoms.positions += move
        frames.append(atoms)
        energies.append(2.0 * (move**2).sum())
        forces.append(-4.0 * move)
    return frames, TrainingLabels(np.array(energies), forces, rng.normal(size=(count, 6)) * 1e-3)


def measure(count: int, device: str, **options: float) -> dict[str, float]:
    """Train once; give sizes and seconds of each stage: CPU seconds, on a GPU wall seconds."""
    frames, labels = frames_and_labels(count)
    settings = SgpSettings(device=device, selection_tolerance=0, **options)
    clock = time.process_time if device == "cpu" else time.perf_counter
    first: dict[str, float] = {}
    wall, start = time.perf_counter(), clock()
    models = SgpLearner(settings).fit(
        frames, [labels], progress=lambda stage, _done, _all: first.setdefault(stage, clock())
    )
    end, wall = clock(), time.perf_counter() - wall
    facts = models.facts()[0]
    parts = {
        "inducing": first["kernel"] - start,
        "kernel": first["likelihood"] - first["kernel"],
        "likelihood": end - first["likelihood"],
    }
    began = clock()
    models.predict(frames[:10])
    predict = (clock() - began) / 540
    return {
        "frames": count,
        "M": int(facts["n_inducing"]),
        "features": int(facts["n_features"]),
        **parts,
        "evaluations": int(facts["likelihood_evaluations"]),
        "all": end - start,
        "wall": wall,
        "predict": predict,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def show(row: dict[str, float]) -> None:
    """Print one line of the table."""
    print(
        f"{row['frames']:7d} {row['M']:6d} {row['features']:8d} {row['inducing']:9.2f} "
        f"{row['kernel']:8.2f} {row['likelihood']:10.2f} {row['evaluations']:5d} "
        f"{row['all']:8.2f} {row['wall']:8.2f} {1e6 * row['predict']:11.0f} {row['peak']:9.0f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = "CPU" if options.device == "cpu" else "wall"
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU"
    print(f"{name}, {options.threads} thread(s); {clock} seconds; predict in us per atom")
    print(
        " frames      M features  inducing   kernel likelihood evals      all     wall "
        "predict/atom  peak/MiB"
    )
    base = {"cutoff": 5.0, "n_max": 8, "l_max": 4}
    measure(2, options.device, **base, n_inducing=50)
    for count in (10, 20, 40):
        show(measure(count, options.device, **base, n_inducing=250))
    for size in (125, 500, 1000):
        show(measure(20, options.device, **base, n_inducing=size))
    for n_max, l_max in ((4, 3), (6, 4), (10, 5)):
        shape = {"cutoff": 5.0, "n_max": n_max, "l_max": l_max}
        show(measure(20, options.device, **shape, n_inducing=250))
    if options.full and options.full * 54 < WHOLE:
        print(f"--full {options.full} has fewer atoms than M = {WHOLE}: take at least 50 frames")
    elif options.full:
        row = measure(
            options.full,
            options.device,
            cutoff=5.0,
            n_max=9,
            l_max=5,
            n_inducing=WHOLE,
            max_iterations=5,
        )
        show(row)
        kernel = row["kernel"] * WHOLE / options.full
        step = row["likelihood"] / row["evaluations"]
        # 40 evaluations: what real label sets take to converge
        print(
            f"a whole TM23 metal ({WHOLE} frames of 54 atoms, M = {row['M']}): kernel rows "
            f"{kernel:.0f} s by extrapolation in the number of frames, likelihood "
            f"{40 * step:.0f} s for 40 evaluations of {step:.2f} s"
        )


if __name__ == "__main__":
    main()
