"""What the likelihood of the sparse Gaussian process is maximised over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hyperparameters:
    """Standard deviations of the prior and of the noises.

    Attributes
    ----------
    signal
        Of one environment's energy, eV.
    energy_noise
        eV per frame (not per atom).
    force_noise
        eV/Å.
    stress_noise
        eV/Å^3; without effect where there were no stress labels.
    """

    signal: float
    energy_noise: float
    force_noise: float
    stress_noise: float

    def noise(self, kind: str) -> float:
        """Noise of one label kind."""
        return {
            "energy": self.energy_noise,
            "force": self.force_noise,
            "stress": self.stress_noise,
        }[kind]
