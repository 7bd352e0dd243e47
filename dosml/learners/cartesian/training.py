"""Training of one potential on one label set, kept as it goes and continued after a kill."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dosml.errors import LearnerError
from dosml.files import whole_file
from dosml.learners.base import watched_frames
from dosml.learners.cartesian.batches import NeighbourTable, TableBuilder, join
from dosml.learners.cartesian.losses import Labels, displacements, label_loss, weak_loss
from dosml.learners.cartesian.potential import Potential
from dosml.learners.sgp.targets import Baseline, baselines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.cartesian.settings import CartesianSettings
    from dosml.relabel.dataset import LabelSet

#: A training is kept once so many seconds have passed since it was kept last.
KEEP_SECONDS = 10.0
#: Largest norm of a gradient, in the units of the loss.
_LARGEST_GRADIENT = 10.0
#: Atoms whose invariants decide how these are centred and scaled.
_ATOMS_TO_SETTLE = 1000


@dataclass
class Progress:
    """Where a training stands, besides its weights.

    Attributes
    ----------
    epoch
        Passes over the data that are done.
    seconds
        Wall time of them, earlier runs included.
    rate
        Factor on the learning rate from epochs without progress.
    best, best_epoch
        Smallest loss of the watched frames and when it was.
    idle
        Epochs without progress since the rate fell last.
    """

    epoch: int = 0
    seconds: float = 0.0
    rate: float = 1.0
    best: float = math.inf
    best_epoch: int = 0
    idle: int = 0

    def note(self, loss: float, settings: CartesianSettings) -> bool:
        """Take in the watched loss of an epoch; whether it is the smallest so far."""
        self.epoch += 1
        if loss < self.best:
            self.best, self.best_epoch, self.idle = loss, self.epoch, 0
            return True
        self.idle += 1
        if self.idle > settings.lr_patience:
            self.rate, self.idle = self.rate * settings.lr_factor, 0
        return False

    def share(self, settings: CartesianSettings) -> float:
        """Share of the training that is done, by epochs or by time."""
        done = self.epoch / settings.epochs
        return done if settings.seconds is None else max(done, self.seconds / settings.seconds)

    def learning_rate(self, settings: CartesianSettings) -> float:
        """Learning rate of the next epoch."""
        left = 1.0 - self.share(settings)
        cooling = min(1.0, left / settings.cool_down) if settings.cool_down else 1.0
        return settings.learning_rate * self.rate * max(cooling, 1e-3)

    def ended(self, settings: CartesianSettings) -> bool:
        """Whether training is over."""
        return self.share(settings) >= 1.0 or self.epoch - self.best_epoch >= settings.patience


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind.

    Attributes
    ----------
    state
        Weights of the potential, averaged, of the epoch with the smallest watched loss.
    baseline
        Energies per atom of each species.
    neighbours, scale
        Of the potential.
    progress
        Where it ended.
    watched
        Number of frames that were watched and not trained on.
    """

    state: dict[str, torch.Tensor]
    baseline: Baseline
    neighbours: float
    scale: float
    progress: Progress
    watched: int


class Training:
    """One training.

    Parameters
    ----------
    settings
        Of the force field.
    species
        Atomic numbers, ascending.
    frames, labels
        What to learn.
    checkpoint
        File that the training is kept in; None: nowhere.

    Raises
    ------
    LearnerError
        If no frame has forces, or no atom a neighbour.
    """

    def __init__(
        self,
        settings: CartesianSettings,
        species: Sequence[int],
        frames: Sequence[Atoms],
        labels: LabelSet,
        checkpoint: Path | None,
    ) -> None:
        self._settings, self._checkpoint = settings, checkpoint
        self._device = torch.device(settings.device)
        self._dtype: torch.dtype = getattr(torch, settings.dtype)
        builder = TableBuilder(settings.cutoff, species)
        tables = [builder.build([frame], n) for n, frame in enumerate(frames)]
        self._trained_on, self._watched = watched_frames(
            len(frames), settings.validation, settings.seed
        )
        counts = torch.cat([tables[n].filled.sum(dim=1) for n in self._trained_on])
        self._neighbours = float(counts.mean())
        if self._neighbours == 0:
            raise LearnerError(
                f"no atom of the training frames has a neighbour within {settings.cutoff} Å: "
                "raise cutoff"
            )
        self._baseline = _baseline(tables, labels, len(species))
        forces = np.concatenate([labels.forces[n] for n in self._trained_on])
        self._scale = max(float(np.sqrt(np.mean(np.square(forces)))), 1e-3)
        stress = labels.stresses if settings.use_stress else None
        self._data = [
            (
                table.to(self._device, self._dtype),
                _labels(n, table, labels, stress, self._baseline).to(self._device, self._dtype),
            )
            for n, table in enumerate(tables)
        ]
        torch.manual_seed(settings.seed)
        self.potential = Potential(settings, len(species), self._neighbours, self._scale)
        self.potential.to(self._device, self._dtype)
        self._settle()
        self._average = copy.deepcopy(self.potential)
        self._best = copy.deepcopy(self.potential.state_dict())
        self._optimiser = torch.optim.Adam(self.potential.parameters(), lr=settings.learning_rate)
        self._progress, self._steps = Progress(), 0
        self._resume()

    def run(self, tell: Callable[[int], None]) -> Trained:
        """Train to the end; `tell` gets the number of epochs that are done.

        Raises
        ------
        LearnerError
            If the loss becomes infinite.
        """
        kept, began, before = time.monotonic(), time.monotonic(), self._progress.seconds
        while not self._progress.ended(self._settings):
            tell(self._progress.epoch)
            self._epoch()
            self._progress.seconds = before + time.monotonic() - began
            loss = self._watched_loss()
            if not math.isfinite(loss):
                raise LearnerError(
                    f"the loss is not finite after epoch {self._progress.epoch + 1}: give a lower "
                    "learning_rate"
                )
            if self._progress.note(loss, self._settings):
                self._best = copy.deepcopy(self._average.state_dict())
            if time.monotonic() - kept > KEEP_SECONDS:
                self._keep()
                kept = time.monotonic()
        self._keep()
        return Trained(
            state={k: v.detach().to("cpu").clone() for k, v in self._best.items()},
            baseline=self._baseline,
            neighbours=self._neighbours,
            scale=self._scale,
            progress=self._progress,
            watched=len(self._watched),
        )

    def _settle(self) -> None:
        some, atoms = [], 0
        for n in self._trained_on:
            some.append(self._data[n][0])
            atoms += len(some[-1].species)
            if atoms >= _ATOMS_TO_SETTLE:
                break
        self.potential.network.settle(join(some))

    def _epoch(self) -> None:
        """One pass over the frames, in an order that the number of the epoch decides."""
        settings = self._settings
        generator = torch.Generator().manual_seed(1000 * settings.seed + self._progress.epoch)
        rate = self._progress.learning_rate(settings)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        order = torch.randperm(len(self._trained_on), generator=generator).tolist()
        for start in range(0, len(order), settings.batch_size):
            chosen = [self._trained_on[n] for n in order[start : start + settings.batch_size]]
            table, labels = self._batch(chosen)
            loss = self._loss(table, labels, generator)
            self._optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.potential.parameters(), _LARGEST_GRADIENT)
            self._optimiser.step()
            self._add_to_average()

    def _loss(
        self, table: NeighbourTable, labels: Labels, generator: torch.Generator
    ) -> torch.Tensor:
        settings = self._settings
        said = self.potential(table, train=True)
        loss = label_loss(said, labels, table, settings, self._scale)
        if settings.weak == "none":
            return loss
        shape = said.forces.shape
        moves = tuple(
            displacements(shape, settings.displacement, generator).to(self._device, self._dtype)
            for _ in range(2)
        )
        known = labels.forces if settings.force_weight else None
        weak = weak_loss(self.potential, table, said, known, (moves[0], moves[1]), settings.weak)
        return loss + settings.weak_weight * weak

    def _batch(self, chosen: Sequence[int]) -> tuple[NeighbourTable, Labels]:
        tables, labels = zip(*(self._data[n] for n in chosen), strict=True)
        virials = [one.virials for one in labels if one.virials is not None]
        return join(tables), Labels(
            torch.cat([one.energies for one in labels]),
            torch.cat([one.forces for one in labels]),
            torch.cat(virials) if len(virials) == len(labels) else None,
        )

    def _add_to_average(self) -> None:
        # young averages forget their start sooner
        self._steps += 1
        decay = min(self._settings.ema_decay, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for mean, now in zip(
                self._average.parameters(), self.potential.parameters(), strict=True
            ):
                mean.lerp_(now, 1 - decay)

    def _watched_loss(self) -> float:
        """Loss of the watched frames, those trained on where there are no others, averaged."""
        numbers = self._watched or self._trained_on
        total = 0.0
        for start in range(0, len(numbers), self._settings.batch_size):
            chosen = numbers[start : start + self._settings.batch_size]
            table, labels = self._batch(chosen)
            said = self._average(table)
            loss = label_loss(said, labels, table, self._settings, self._scale)
            total += float(loss) * len(chosen)
        return total / len(numbers)

    def _keep(self) -> None:
        if self._checkpoint is None:
            return
        content = {
            "progress": asdict(self._progress),
            "steps": self._steps,
            "potential": self.potential.state_dict(),
            "average": self._average.state_dict(),
            "best": self._best,
            "optimiser": self._optimiser.state_dict(),
        }
        with whole_file(self._checkpoint) as partial:
            torch.save(content, partial)

    def _resume(self) -> None:
        """Go on from what was kept; what cannot be read is as if it were not there."""
        if self._checkpoint is None or not self._checkpoint.is_file():
            return
        try:
            found: dict[str, Any] = torch.load(
                self._checkpoint, weights_only=True, map_location=self._device
            )
        except Exception:  # noqa: BLE001 - torch raises whatever its readers do
            self._checkpoint.unlink()
            return
        self.potential.load_state_dict(found["potential"])
        self._average.load_state_dict(found["average"])
        self._optimiser.load_state_dict(found["optimiser"])
        self._best, self._steps = found["best"], int(found["steps"])
        self._progress = Progress(**found["progress"])


def _baseline(tables: Sequence[NeighbourTable], labels: LabelSet, n_species: int) -> Baseline:
    """Energies per atom, those without neighbours apart, as the sgp has them."""
    bound, alone = (
        np.array(
            [
                torch.bincount(
                    table.species[(table.filled.sum(dim=1) == 0) == apart], minlength=n_species
                ).numpy()
                for table in tables
            ]
        )
        for apart in (False, True)
    )
    return baselines(bound, alone, np.asarray(labels.energies)[:, None])[0]


def baseline_energies(table: NeighbourTable, baseline: Baseline) -> torch.Tensor:
    """Baseline of each frame, shape (n_frames,), eV, on the CPU in double precision."""
    alone = (table.filled.sum(dim=1) == 0).cpu()
    species, frame = table.species.cpu(), table.frame.cpu()
    bound, apart = (torch.as_tensor(one)[species] for one in (baseline.bound, baseline.alone))
    out = torch.zeros(len(table.sizes), dtype=torch.float64)
    return out.index_add(0, frame, torch.where(alone, apart, bound))


def _labels(
    n: int,
    table: NeighbourTable,
    labels: LabelSet,
    stresses: np.ndarray | None,
    baseline: Baseline,
) -> Labels:
    energies = torch.as_tensor(labels.energies[n : n + 1]) - baseline_energies(table, baseline)
    virials = None
    if stresses is not None:
        virials = torch.as_tensor(stresses[n : n + 1]) * table.volumes[:, None]
    return Labels(energies, torch.as_tensor(labels.forces[n]), virials)
