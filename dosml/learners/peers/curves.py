"""Training curves: what the logs of the peers tell of every epoch, in one table."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Columns of a training curve besides "epoch"; a peer whose log lacks one leaves it out. Errors are
#: root mean squares, of force components (eV/Å) and of energies per atom (eV); losses are the
#: peer's own numbers.
LOSSES = ("loss_training", "loss_validation")
FORCES = ("force_rmse_training_ev_per_angstrom", "force_rmse_validation_ev_per_angstrom")
ENERGIES = ("energy_rmse_training_ev_per_atom", "energy_rmse_validation_ev_per_atom")
_NEQUIP = {
    "train_loss_epoch/weighted_sum": LOSSES[0],
    "train_metric_epoch/forces_rmse": FORCES[0],
    "train_metric_epoch/per_atom_energy_rmse": ENERGIES[0],
    "val0_epoch/forces_rmse": FORCES[1],
    "val0_epoch/per_atom_energy_rmse": ENERGIES[1],
}
_MACE = {"loss": LOSSES[1], "rmse_f": FORCES[1], "rmse_e_per_atom": ENERGIES[1]}
_METATRAIN = {
    "training loss": LOSSES[0],
    "validation loss": LOSSES[1],
    "training forces RMSE": FORCES[0],
    "validation forces RMSE": FORCES[1],
    "training energy RMSE (per atom)": ENERGIES[0],
    "validation energy RMSE (per atom)": ENERGIES[1],
}
#: Units in the second line of metatrain's table, in eV and eV/Å.
_UNITS = {"": 1.0, "eV": 1.0, "eV/A": 1.0, "meV": 1e-3, "meV/A": 1e-3}

Row = dict[str, float]


def nequip_curve(folder: Path) -> list[Row]:
    """Read NequIP's metrics.csv, where training and validation have lines of their own."""
    epochs: dict[int, Row] = {}
    for path in _by_start(folder / "run" / "log", "version_*/metrics.csv"):
        with path.open(encoding="utf-8") as file:
            for line in csv.DictReader(file):
                told = {new: float(line[old]) for old, new in _NEQUIP.items() if line.get(old)}
                if told:
                    epochs.setdefault(int(line["epoch"]), {}).update(told)
    return _rows(epochs)


def mace_curve(folder: Path) -> list[Row]:
    """Read MACE's log of results: a line of JSON for every step and every evaluation."""
    epochs: dict[int, Row] = {}
    steps: dict[int, list[float]] = {}
    for path in _by_start(folder / "results", "model_run-*_train.txt"):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if line["epoch"] is None:  # the evaluation before the first epoch
                continue
            if line["mode"] == "opt":
                steps.setdefault(int(line["epoch"]), []).append(float(line["loss"]))
            else:
                told = {new: float(line[old]) for old, new in _MACE.items() if old in line}
                epochs[int(line["epoch"])] = told
    for epoch, losses in steps.items():
        epochs.setdefault(epoch, {})[LOSSES[0]] = sum(losses) / len(losses)
    return _rows(epochs)


def metatrain_curve(folder: Path) -> list[Row]:
    """Read metatrain's train.csv, whose second line has the units."""
    epochs: dict[int, Row] = {}
    for path in _by_start(folder / "outputs", "*/*/train.csv"):
        heads, units, *lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
        factors = {
            head: _UNITS.get(unit.strip(), 1.0) for head, unit in zip(heads, units, strict=True)
        }
        for cells in lines:
            line = dict(zip(heads, cells, strict=True))
            epochs[int(line["Epoch"])] = {
                new: factors[old] * float(line[old])
                for old, new in _METATRAIN.items()
                if old in line
            }
    return _rows(epochs)


def _by_start(folder: Path, pattern: str) -> list[Path]:
    """List the logs of a training by age: where it was continued, the later one counts."""
    return sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


def _rows(epochs: Mapping[int, Row]) -> list[Row]:
    return [{"epoch": epoch, **epochs[epoch]} for epoch in sorted(epochs)]
