"""Training: one pass over the frames, one model per label set."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.learners.base import check_training_data
from dosml.learners.sgp.accumulate import NormalEquations
from dosml.learners.sgp.calibration import HeldForces
from dosml.learners.sgp.evidence_maximum import choose_hyperparameters, ignored_text
from dosml.learners.sgp.geometry import BatchSource
from dosml.learners.sgp.inducing import greedy_environments, shares
from dosml.learners.sgp.kernel import Inducing, kernel_rows
from dosml.learners.sgp.likelihood import posterior
from dosml.learners.sgp.model import SgpModels
from dosml.learners.sgp.on_threads import on_threads
from dosml.learners.sgp.settings import NAME, with_cutoff
from dosml.learners.sgp.targets import Targets
from dosml.learners.sgp.trained import SgpModel, SharedBasis
from dosml.memory import keep_freed_memory, peak_memory_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.learners.base import Progress
    from dosml.learners.sgp.accumulate import Evidence
    from dosml.learners.sgp.force_errors import ForceErrors
    from dosml.learners.sgp.geometry import PairBatch
    from dosml.learners.sgp.hyperparameters import Hyperparameters
    from dosml.learners.sgp.kernel import KernelRows
    from dosml.learners.sgp.settings import SgpSettings
    from dosml.learners.sgp.targets import Baseline
    from dosml.relabel.dataset import LabelSet

#: Elements of the largest temporary: stays near the caches of a CPU, fills a GPU.
_CHUNK = {"cpu": 1_000_000, "cuda": 100_000_000}
#: Memory for neighbour pairs kept between the two passes over the frames.
_KEEP_BYTES = {"cpu": 256 * 2**20, "cuda": 4 * 2**30}
#: Over the training frames: to choose inducing environments, and to make kernel rows.
_PASSES = 2
_ATOMS_PER_BATCH = {"cpu": 128, "cuda": 2048}


class SgpFitting:
    """How the sgp is trained.

    Parameters
    ----------
    settings
        See `SgpSettings`; its device is one that torch has.
    """

    def __init__(self, settings: SgpSettings) -> None:
        self.settings = settings
        self._device = torch.device(settings.device)

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> SgpModels:
        """Train one model per label set; see `dosml.learners.sgp.learner.SgpLearner.fit`."""
        check_training_data(frames, label_sets)
        keep_freed_memory()
        tell = progress or _silent
        began, cpu_began = time.perf_counter(), time.process_time()
        species = tuple(sorted({int(z) for frame in frames for z in frame.numbers}))
        if label_sets[0].stresses is not None and not all(
            all(frame.pbc) and frame.cell.volume for frame in frames
        ):
            raise LearnerError(
                "stress labels need frames that are periodic in all directions; "
                "give stresses=None for others"
            )
        settings = with_cutoff(self.settings, frames)
        empty = SharedBasis(settings, species, Inducing((), ()), torch.zeros(0))
        device = self._device.type
        batches = BatchSource(
            empty.pair_builder(), frames, _ATOMS_PER_BATCH[device], _KEEP_BYTES[device]
        )
        inducing, bound = self._choose(batches, empty, tell)
        targets = Targets(frames, label_sets, species, bound)
        chosen = time.perf_counter()
        equations = NormalEquations(inducing.gram(settings.zeta), settings.jitter, len(label_sets))
        shared = SharedBasis(settings, species, inducing, equations.lower)
        held = self._stream(batches, targets, shared, equations, tell)
        evidence, rotation = equations.finish()
        known: dict[str, float | int | str] = {
            "learner": NAME,
            "n_frames": len(frames),
            "cutoff_angstrom": shared.cutoff,
            "n_inducing": inducing.size,
            "n_features": shared.descriptor().n_features,
            "jitter": equations.jitter,
            "seconds_inducing": chosen - began,
            "seconds_kernel": time.perf_counter() - chosen,
            "cpu_seconds": time.process_time() - cpu_began,
            "device": self.settings.device,
            "n_parameters": inducing.size,
            "epochs": _PASSES,
        }
        apart = held.calibration(shared.lower, rotation)
        models = []
        for k, (one, baseline) in enumerate(zip(evidence, targets.baselines, strict=True)):
            tell("likelihood", k, len(evidence))
            models.append(self._solve(one, rotation, shared, baseline, partial(apart, k), known))
        tell("likelihood", len(evidence), len(evidence))
        return SgpModels(shared, models)

    def _choose(
        self, batches: BatchSource, shared: SharedBasis, tell: Progress
    ) -> tuple[Inducing, NDArray[np.bool_]]:
        """Inducing environments by predictive variance, and which atoms have neighbours."""
        settings, species = shared.settings, shared.species
        descriptor = shared.descriptor()
        origins = np.concatenate(
            [np.stack([np.full(n, k), np.arange(n)], 1) for k, n in enumerate(batches.sizes)]
        )
        keep = self._candidates(len(origins))
        n_frames = len(batches.sizes)
        found: list[list[torch.Tensor]] = [[] for _ in species]
        places: list[list[NDArray[np.int64]]] = [[] for _ in species]
        bound = np.zeros(len(origins), dtype=bool)
        offset = 0
        for part, batch in batches:
            tell("descriptors", part.start, n_frames)
            here = slice(offset, offset + batch.n_atoms)
            offset += batch.n_atoms
            values = descriptor.environments(batch).values
            filled = values.abs().sum(dim=1) > 0
            bound[here] = filled.cpu().numpy()
            wanted = torch.as_tensor(keep[here], device=self._device) & filled
            for s in range(len(species)):
                mine = wanted & (batch.species == s)
                found[s].append(values[mine])
                places[s].append(origins[here][mine.cpu().numpy()])
        tell("descriptors", n_frames, n_frames)
        counts = shares([sum(map(len, parts)) for parts in found], settings.n_inducing)
        picked, sources = [], []
        for parts, where, count in zip(found, places, counts, strict=True):
            block = torch.cat(parts)
            chosen = greedy_environments(block, settings.zeta, count, settings.selection_tolerance)
            picked.append(block[chosen])
            sources.append(np.concatenate(where)[chosen.cpu().numpy()])
        if not sum(len(block) for block in picked):
            raise LearnerError(
                f"no atom of the training frames has a neighbour within {shared.cutoff} Å: "
                "raise cutoff"
            )
        return Inducing(tuple(picked), tuple(sources)).thinned(), bound

    def _candidates(self, total: int) -> NDArray[np.bool_]:
        """Which of all atoms may become inducing environments."""
        keep = np.ones(total, dtype=bool)
        if total > self.settings.max_candidates:
            drawn = np.random.default_rng(self.settings.seed).permutation(total)
            keep[drawn[self.settings.max_candidates :]] = False
        return keep

    def _stream(
        self,
        batches: BatchSource,
        targets: Targets,
        shared: SharedBasis,
        equations: NormalEquations,
        tell: Progress,
    ) -> HeldForces:
        """Accumulate the normal equations of all label sets in one pass over the frames.

        Returns what the frames set apart say of the forces.
        """
        descriptor = shared.descriptor()
        found = HeldForces(descriptor, self.settings.zeta, targets.n_held)
        n_frames = len(batches.sizes)

        def rows_of(item: tuple[slice, PairBatch]) -> KernelRows:
            return kernel_rows(
                descriptor,
                item[1],
                shared.inducing,
                self.settings.zeta,
                stress=targets.stress,
                dtype=getattr(torch, shared.settings.dtype),
                chunk_elements=_CHUNK[self._device.type],
            )

        # on a GPU batches are large, and one fills it
        at_a_time = torch.get_num_threads() if self._device.type == "cpu" else 1
        for (part, batch), rows in on_threads(rows_of, batches, at_a_time):
            tell("kernel", part.start, n_frames)
            for held in (False, True):
                kept = targets.kept(part, held=held)
                if kept["energy"].any():
                    labels = targets.rows(part, kept, self._device)
                    equations.add(rows.only(kept), labels, held=held)
            apart = np.flatnonzero(targets.kept(part, held=True)["energy"]).tolist()
            found.add(batch, rows, targets.forces(part, self._device), apart)
        tell("kernel", n_frames, n_frames)
        return found

    def _peak_memory_mib(self) -> float:
        """Of the GPU where that is the device, else of this process."""
        if self._device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self._device) / 2**20, 1)
        return peak_memory_mib()

    def _solve(
        self,
        evidence: Evidence,
        rotation: torch.Tensor,
        shared: SharedBasis,
        baseline: Baseline,
        calibrated: Callable[[Evidence, Hyperparameters], ForceErrors],
        known: dict[str, float | int | str],
    ) -> SgpModel:
        """Hyperparameters and weights of one label set."""
        began, cpu_began = time.perf_counter(), time.process_time()
        settings = self.settings
        given = {
            "signal": settings.signal,
            "energy_noise": settings.energy_noise,
            "force_noise": settings.force_noise,
            "stress_noise": settings.stress_noise,
        }
        choice = choose_hyperparameters(evidence, given, settings.max_iterations)
        best = choice.hyperparameters
        solved = posterior(evidence, best)
        white = best.signal**2 * (rotation @ solved.solution)
        weights = torch.linalg.solve_triangular(shared.lower.T, white[:, None], upper=True)[:, 0]
        spread = torch.linalg.solve_triangular(solved.factor, rotation.T, upper=False)
        errors = calibrated(evidence, best)
        facts: dict[str, float | int | str] = {
            **known,
            "n_labels": sum(evidence.counts.values()),
            "signal_ev": best.signal,
            "energy_noise_ev": best.energy_noise,
            "force_noise_ev_per_angstrom": best.force_noise,
            "force_error_scale": errors.scale,
            "log_likelihood": choice.log_likelihood,
            "likelihood_evaluations": choice.evaluations,
            "seconds_likelihood": time.perf_counter() - began,
        }
        parts = ("seconds_inducing", "seconds_kernel", "seconds_likelihood")
        facts["seconds_training"] = sum(float(facts[name]) for name in parts)
        facts["cpu_seconds"] = float(facts["cpu_seconds"]) + time.process_time() - cpu_began
        facts["peak_memory_mib"] = self._peak_memory_mib()
        if choice.ignored:
            facts["warning"] = ignored_text(evidence, choice)
        if "stress" in evidence.phi:
            facts["stress_noise_ev_per_angstrom3"] = best.stress_noise
        return SgpModel(
            best,
            torch.as_tensor(baseline.bound, dtype=torch.float64, device=self._device),
            torch.as_tensor(baseline.alone, dtype=torch.float64, device=self._device),
            weights,
            spread,
            errors,
            facts,
        )


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
