"""Runs inside FLARE's own environment: train and predict on a job that another process wrote.

    PYTHON flare_peer.py job.npz result.npz

The job holds the frames, labels, hyperparameters and inducing environments; the result holds
descriptors, predictions, likelihoods, seconds and peak memory. Only numpy, ase-free arrays and
FLARE are needed, so that nothing of ours runs here.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from flare.bffs.sgp import sparse_gp as flare_sgp
from flare.bffs.sgp._C_flare import B2, NormalizedDotProduct, SparseGP, Structure

if TYPE_CHECKING:
    from collections.abc import Iterator

#: FLARE orders stress xx xy xz yy yz zz, with the sign of a pressure.
FROM_VOIGT = [0, 5, 4, 1, 3, 2]
TO_VOIGT = [0, 3, 5, 4, 2, 1]


def structures(
    job: dict[str, Any], prefix: str, cutoff: float, descriptor: B2
) -> Iterator[Structure]:
    """FLARE structures of one group of frames."""
    sizes = job[f"{prefix}_sizes"]
    ends = np.cumsum(sizes)
    for n, (start, end) in enumerate(zip(ends - sizes, ends)):  # noqa: B905 (one length)
        yield Structure(
            job[f"{prefix}_cells"][n],
            job[f"{prefix}_species"][start:end].tolist(),
            job[f"{prefix}_positions"][start:end],
            cutoff,
            [descriptor],
        )


def train(job: dict[str, Any], options: dict[str, Any], process: SparseGP, descriptor: B2) -> None:
    """Add every frame with its labels and inducing environments."""
    first = 0
    # a list: the process keeps no copy of what it points to
    frames = list(structures(job, "train", options["cutoff"], descriptor))
    for n, frame in enumerate(frames):
        frame.energy = np.array([job["energies"][n]])
        frame.forces = job["forces"][first : first + frame.noa].ravel()
        first += frame.noa
        if "stresses" in job:
            frame.stresses = -job["stresses"][n][FROM_VOIGT]
        process.add_training_structure(frame)
        atoms = job["inducing"][job["inducing"][:, 0] == n, 1]
        if len(atoms):
            process.add_specific_environments(frame, atoms.tolist())
    process.update_matrices_QR()


def predict(
    job: dict[str, Any], options: dict[str, Any], process: SparseGP, descriptor: B2
) -> dict[str, Any]:
    """Predict the test frames."""
    out: dict[str, Any] = {}
    means, variances = [], []
    for frame in structures(job, "test", options["cutoff"], descriptor):
        if options["variances"]:
            process.predict_DTC(frame)
            variances.append(np.array(frame.variance_efs))
        else:
            process.predict_mean(frame)
        means.append(np.array(frame.mean_efs))
        if options["descriptors"]:
            for block in frame.descriptors[0].descriptors:
                out[f"descriptor_{len(out)}"] = np.array(block)
    out["energies"] = np.array([mean[0] for mean in means])
    out["forces"] = np.concatenate([mean[1:-6].reshape(-1, 3) for mean in means])
    out["stresses"] = np.array([-mean[-6:][TO_VOIGT] for mean in means])
    if variances:
        out["force_variances"] = np.concatenate([v[1:-6].reshape(-1, 3) for v in variances])
    return out


def main(source: str, target: str) -> None:
    """Read the job, run FLARE, write the result."""
    job = dict(np.load(source))
    options = json.loads(str(job["options"]))
    # these must outlive the Gaussian process: it keeps bare pointers
    kernel = NormalizedDotProduct(options["signal"], options["zeta"])
    descriptor = B2(
        "chebyshev",
        "quadratic",
        [0.0, options["cutoff"]],
        [],
        [options["n_species"], options["n_max"], options["l_max"]],
    )
    process = SparseGP([kernel], *options["noises"])
    process.Kuu_jitter = options["jitter"] * options["signal"] ** 2
    out: dict[str, Any] = {}
    began, began_cpu = time.perf_counter(), time.process_time()
    train(job, options, process, descriptor)
    out["seconds_build"] = time.perf_counter() - began
    out["cpu_build"] = time.process_time() - began_cpu
    with contextlib.redirect_stdout(io.StringIO()):
        out["log_likelihood"] = process.compute_likelihood_gradient_stable(False)
        out["gradient"] = np.array(process.likelihood_gradient)
        began, began_cpu = time.perf_counter(), time.process_time()
        if options["steps"]:
            flare_sgp.optimize_hyperparameters(
                process,
                max_iterations=options["steps"],
                method="L-BFGS-B",
                bounds=[(1e-3, None)] * 4,
            )
    out["seconds_likelihood"] = time.perf_counter() - began
    out["cpu_likelihood"] = time.process_time() - began_cpu
    out["hyperparameters"] = np.array(process.hyperparameters)
    out["final_log_likelihood"] = process.log_marginal_likelihood
    began_cpu = time.process_time()
    out.update(predict(job, options, process, descriptor))
    out["cpu_predict"] = time.process_time() - began_cpu
    out["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(target, **out)


if __name__ == "__main__":
    main(*sys.argv[1:3])
