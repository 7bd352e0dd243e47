"""Cost of the sparse Gaussian process against frames, inducing environments and descriptor size.

    python benchmarks/sgp_scaling.py [--threads 1] [--device cpu] [--full 60]

Frames are rattled bcc supercells of 54 atoms (15.9 Å^3 per atom, Mo's) with synthetic labels; what
labels cost does not depend on what they say. With `--full N` the last part measures N frames at the
size of a whole TM23 metal (M = 2700, B2 with n_max = 9, l_max = 5) and extrapolates to 2700 frames
by the number of operations of each stage at the speed that was measured. `--only-full` leaves the
tables out.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from ase.build import bulk
from ase.neighborlist import neighbor_list

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import LabelSet

#: Frames of a whole TM23 metal, and inducing environments of the paper.
WHOLE = 2700
#: Atoms of the synthetic frames.
ATOMS = 54
#: Likelihood evaluations that real label sets take at most.
EVALUATIONS = 40


def frames_and_labels(count: int, seed: int = 0) -> tuple[list, LabelSet]:
    """Make rattled cells and smooth labels: springs to the ideal sites."""
    rng = np.random.default_rng(seed)
    frames, energies, forces = [], [], []
    for _ in range(count):
        atoms = bulk("Mo", "bcc", a=3.17, cubic=True) * (3, 3, 3)
        move = rng.normal(scale=0.2 * rng.uniform(0.3, 1.0), size=(ATOMS, 3))
        atoms.positions += move
        frames.append(atoms)
        energies.append(2.0 * (move**2).sum())
        forces.append(-4.0 * move)
    return frames, LabelSet(np.array(energies), forces, rng.normal(size=(count, 6)) * 1e-3)


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
    predict = (clock() - began) / (10 * ATOMS)
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


def operations(frames: int, pairs: float, candidates: int, size: int, features: int) -> dict:
    """Floating-point operations of the matrix products (docs/sgp.md), by stage.

    Parameters
    ----------
    frames
        Of `ATOMS` atoms.
    pairs
        Neighbours of an atom.
    candidates
        Atoms among which inducing environments are chosen.
    size, features
        M and the length of the descriptor.
    """
    atoms = frames * ATOMS
    return {
        "inducing": candidates * size**2 + 2 * candidates * features * size,
        "kernel": (3 * pairs + 9) * 2 * atoms * features * size + 6 * atoms * size**2,
        "likelihood": 2 * size**3,
    }


def dense_evaluation(size: int, device: str) -> float:
    """Seconds of a likelihood evaluation without block form, which few frames would have."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    root = torch.rand((size, size), dtype=torch.float64, device=device)
    matrix = root @ root.T + size * torch.eye(size, dtype=torch.float64, device=device)
    began = clock()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
    float(sum((inverse * part).sum() for part in (matrix, root, root.T)))
    return clock() - began


def extrapolate(row: dict[str, float], device: str) -> None:
    """Say what a whole TM23 metal takes: each stage by its operations at the measured speed."""
    frames, _ = frames_and_labels(5)
    pairs = sum(len(neighbor_list("i", frame, 5.0)) for frame in frames) / (5 * ATOMS)
    size, features = int(row["M"]), int(row["features"])
    most = SgpSettings().max_candidates
    here = operations(int(row["frames"]), pairs, int(row["frames"]) * ATOMS, size, features)
    whole = operations(WHOLE, pairs, most, size, features)
    # the measured frames are so few that their evaluations have block form
    row = {**row, "likelihood": dense_evaluation(size, device)}
    # what real label sets take to converge
    whole["likelihood"] *= EVALUATIONS
    print(
        f"a whole TM23 metal: {WHOLE} frames of {ATOMS} atoms, {pairs:.1f} neighbours, M = {size}, "
        f"{features} features, {EVALUATIONS} likelihood evaluations"
    )
    total = 0.0
    for stage, count in whole.items():
        speed = here[stage] / row[stage]
        seconds = count / speed
        total += seconds
        print(
            f"  {stage:<10} {here[stage] / 1e9:9.0f} Gflop measured in {row[stage]:7.1f} s "
            f"({speed / 1e9:5.1f} Gflop/s); whole {count / 1e9:9.0f} Gflop, {seconds:7.0f} s"
        )
    print(
        f"  in all {total:.0f} s = {total / 60:.0f} min; each further label set adds its likelihood"
    )


def tables(device: str, base: dict[str, float]) -> None:
    """Vary the number of frames, of inducing environments, and the descriptor."""
    for count in (10, 20, 40):
        show(measure(count, device, **base, n_inducing=250))
    for size in (125, 500, 1000):
        show(measure(20, device, **base, n_inducing=size))
    for n_max, l_max in ((4, 3), (6, 4), (10, 5)):
        shape = {"cutoff": 5.0, "n_max": n_max, "l_max": l_max}
        show(measure(20, device, **shape, n_inducing=250))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", type=int, default=0)
    parser.add_argument("--only-full", action="store_true")
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
    if not options.only_full:
        tables(options.device, base)
    if options.full and options.full * ATOMS < WHOLE:
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
        extrapolate(row, options.device)


if __name__ == "__main__":
    main()
