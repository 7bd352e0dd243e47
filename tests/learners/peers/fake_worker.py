"""A peer that needs no environment: a harmonic spring to the labels' mean force, in slow epochs."""

import json
import os
import time
from pathlib import Path

import ase.io
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from worker_common import run


def train(folder: Path, job: dict) -> dict:
    settings = json.loads((folder / "config.json").read_text())
    frames = ase.io.read(folder / "train.extxyz", ":")
    if settings["fail"]:
        raise ValueError("the fake peer was asked to fail")
    done = folder / "epochs.txt"
    for epoch in range(int(done.read_text()) if done.exists() else 0, settings["epochs"]):
        with (folder / "visited.txt").open("a") as log:
            log.write(f"{epoch}\n")
        time.sleep(settings["seconds"])
        done.write_text(str(epoch + 1))
    sizes = [len(atoms) for atoms in frames]
    mean = float(np.sum([a.info["REF_energy"] for a in frames]) / np.sum(sizes))
    stress = float(np.mean([np.trace(a.info["REF_stress"].reshape(3, 3)) for a in frames])) / 3
    (folder / "fake.json").write_text(json.dumps({"energy": mean, "pressure": stress}))
    return {
        "device": job["device"],
        "epochs": settings["epochs"],
        "n_parameters": 2,
        "threads": os.environ["OMP_NUM_THREADS"],
    }


class Fake(Calculator):
    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (ase declares it so)

    def __init__(self, model):
        super().__init__()
        self.model = model

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, list(properties), list(system_changes))
        if len(self.atoms) == 13:
            raise ValueError("thirteen atoms")
        if len(self.atoms) == 17:
            os._exit(3)
        self.results = {
            "energy": self.model["energy"] * len(self.atoms)
            + 0.5 * np.sum(self.atoms.positions**2),
            "forces": -self.atoms.positions,
            "stress": self.model["pressure"] * np.array([1.0, 1, 1, 0, 0, 0]),
        }


def load(model: Path, _device: str) -> Calculator:
    print("a peer that prints to standard output")
    return Fake(json.loads(model.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run(train, load)
