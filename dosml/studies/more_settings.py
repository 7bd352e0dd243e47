"""Settings of `dosml label-more`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from dosml.limits import MOST_COUNTED, MOST_ORDER, MOST_VALUES
from dosml.paths import UserPath  # noqa: TC001 - pydantic reads it at run time
from dosml.studies.open_study import LabelStudySettings

#: Candidates for each frame that is to be labelled.
POOL = 15
#: Rounds, where the user does not say how many frames each takes.
ROUNDS = 3


class MoreSettings(LabelStudySettings):
    """Everything that decides what `dosml label-more` does.

    `add` frames are labelled in rounds of `batch`, chosen from a pool of `pool` candidates and the
    frames of `pool_file`. `pool_test` random candidates are labelled and held out, because the
    folder's own held-out frames know nothing of what else is in the pool; `random` draws of as many
    frames as are chosen are labelled beside them.
    """

    command: ClassVar[str] = "label-more"

    add: int = Field(default=12, ge=1, le=MOST_COUNTED)
    batch: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    pool: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    pool_file: UserPath | None = None
    pool_test: int = Field(default=8, ge=0, le=MOST_COUNTED)
    random: int = Field(default=1, ge=0, le=MOST_VALUES)
    engine: str | None = None
    engine_options: dict[str, Any] = Field(default_factory=dict)
    l_max: int | None = Field(default=None, ge=0, le=MOST_ORDER)

    @property
    def per_round(self) -> int:
        """Frames of each round."""
        return min(self.add, self.batch or -(-self.add // ROUNDS))

    @property
    def candidates(self) -> int:
        """Frames of the pool."""
        return self.pool or POOL * self.add
