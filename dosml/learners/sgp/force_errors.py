"""From variance and noise of a force to the error to expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ForceErrors:
    """From variance and noise to the error to expect; see `dosml.learners.sgp.calibration`.

    Attributes
    ----------
    scale
        Of the standard deviation.
    flat
        Share of the noise that does not grow with the forces of a frame.
    mean_square
        Mean square force of the frames set apart, (eV/Å)^2.
    """

    scale: float = 1.0
    flat: float = 1.0
    mean_square: float = 1.0

    def noise_share(self, squares: torch.Tensor) -> torch.Tensor:
        """Noise^2 in units of that of the model, from mean square forces of frames."""
        return self.flat + (1 - self.flat) * squares / self.mean_square
