"""Runs inside metatrain's own environment: train its GAP, predict, say what it cost.

    PYTHON gap_peer.py FOLDER

FOLDER holds train.extxyz and valid.extxyz (keys energy, forces), test.extxyz, and options.json with
the keys cutoff, max_radial, max_angular, inducing, regularizer, regularizer_forces; gap.json and
gap.npz are written there.
Seconds are those of the trainer alone: descriptors, choice of sparse points and the fit, without
imports, reading, and the evaluation that metatrain appends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
from metatomic_ase import MetatomicCalculator
from metatrain.cli.train import train_model
from metatrain.gap.trainer import Trainer
from omegaconf import OmegaConf


def options(given: dict) -> dict:
    """Make metatrain's options; what is not here keeps metatrain's defaults."""
    energy = {"key": "energy", "unit": "eV", "forces": {"key": "forces"}, "stress": False}
    return {
        "seed": 0,
        "base_precision": 64,
        "device": "cpu",
        "architecture": {
            "name": "gap",
            "model": {
                "soap": {
                    "cutoff": {"radius": given["cutoff"]},
                    "basis": {
                        "max_angular": given["max_angular"],
                        "radial": {"max_radial": given["max_radial"]},
                    },
                },
                "krr": {"num_sparse_points": given["inducing"]},
            },
            "training": {
                "regularizer": given["regularizer"],
                "regularizer_forces": given["regularizer_forces"],
            },
        },
        "training_set": {
            "systems": {"read_from": "train.extxyz", "length_unit": "angstrom"},
            "targets": {"energy": energy},
        },
        "validation_set": {
            "systems": {"read_from": "valid.extxyz", "length_unit": "angstrom"},
            "targets": {"energy": energy},
        },
        "test_set": 0.0,
    }


def main(folder: Path) -> None:
    """Train, predict, write the result."""
    os.chdir(folder)
    given = json.loads(Path("options.json").read_text(encoding="utf-8"))
    out: dict[str, float] = {}
    fit = Trainer.train

    def timed(self: Trainer, *arguments: object, **named: object) -> None:
        began, began_cpu = time.perf_counter(), time.process_time()
        fit(self, *arguments, **named)
        out["seconds"] = time.perf_counter() - began
        out["cpu"] = time.process_time() - began_cpu
        out["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    Trainer.train = timed
    train_model(OmegaConf.create(options(given)), output="model.pt")
    calculator = MetatomicCalculator("model.pt", extensions_directory="extensions/")
    frames = ase.io.read("test.extxyz", ":")
    began_cpu = time.process_time()
    energies, forces = [], []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    out["cpu_predict"] = time.process_time() - began_cpu
    Path("gap.json").write_text(json.dumps(out), encoding="utf-8")
    np.savez("gap.npz", energies=np.array(energies), forces=np.concatenate(forces))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
