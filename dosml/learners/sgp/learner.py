"""The learner as plans know it: name, settings, content. torch is read when it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.learners.base import check_device
from dosml.learners.sgp.settings import (
    GRID_CUTOFFS,
    GRID_VALUES,
    LARGEST_DEGREE,
    NAME,
    SgpSettings,
    with_cutoff,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.learners.base import Progress
    from dosml.learners.sgp.model import SgpModels
    from dosml.relabel.dataset import LabelSet

#: Goes up whenever the same settings and data would give another model.
DEFINITION = 2


class SgpLearner:
    """Sparse Gaussian process on ACE descriptors.

    Parameters
    ----------
    settings
        See `SgpSettings`; None takes the defaults.

    Raises
    ------
    InputError
        If the device does not exist here.
    """

    name = NAME

    def __init__(self, settings: SgpSettings | None = None) -> None:
        self.settings = settings or SgpSettings()
        check_device(self.settings.device)

    def fingerprint(self) -> dict[str, Any]:
        """Give the settings and the version of the model's definition.

        The device is left out: it changes results by rounding only.
        """
        # trainings of other descriptors stay valid
        idle = set() if self.settings.descriptor == "cace" else {"nu"}
        return {
            "learner": self.name,
            "definition": DEFINITION,
            "settings": self.settings.model_dump(exclude={"device", *idle}),
        }

    def settled(self, frames: Sequence[Atoms]) -> SgpLearner:
        """Give the same learner with the cutoff that it takes for these frames.

        Raises
        ------
        LearnerError
            If the cutoff is open and a frame has no volume.
        """
        return SgpLearner(with_cutoff(self.settings, frames))

    def grid(self, frames: Sequence[Atoms]) -> dict[str, tuple[Any, ...]]:
        """Values of descriptor and kernel power that are worth trying for these frames.

        Raises
        ------
        LearnerError
            If a frame has no volume: the cutoffs follow it.
        """
        middle = with_cutoff(self.settings.model_copy(update={"cutoff": None}), frames).cutoff
        assert middle is not None
        cutoffs = tuple(round(factor * middle, 2) for factor in GRID_CUTOFFS)
        values: dict[str, tuple[Any, ...]] = {"cutoff": cutoffs, **GRID_VALUES}
        if self.settings.descriptor == "B1":  # no angular part
            del values["l_max"]
        if self.settings.descriptor == "cace":
            largest = LARGEST_DEGREE[self.settings.nu]
            values["l_max"] = tuple(one for one in GRID_VALUES["l_max"] if one <= largest)
        return values

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> SgpModels:
        """Train one model per label set; kernel blocks are computed once for all of them.

        Parameters
        ----------
        frames
            Training frames, fully periodic where stresses are given.
        label_sets
            Labels in the frames' order.
        progress
            Called as progress(stage, done, total) with the stages "descriptors", "kernel" and
            "likelihood".

        Raises
        ------
        LearnerError
            If frames and labels do not fit together, or no model can be made of them.
        """
        from dosml.learners.sgp.fitting import SgpFitting

        return SgpFitting(self.settings).fit(frames, label_sets, progress=progress)
