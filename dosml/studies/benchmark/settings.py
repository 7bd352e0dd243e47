"""Settings of `dosml benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from dosml.limits import MOST_COUNTED, at_most
from dosml.paths import UserText  # noqa: TC001 - pydantic reads it at run time
from dosml.settings import IntList, TrainingSettings, WordList, default_folder

#: What is trained and tested.
PROTOCOLS = ("full", "transfer", "curve", "grid", "size")
#: Engine of the DOS where the metal decides, and none at all.
AUTO, NO_DOS = "auto", "none"
#: All metals of a source.
ALL = "all"


class BenchmarkSettings(TrainingSettings):
    """Everything that decides what `dosml benchmark` does.

    `protocol` names what is trained: "full" (the split of the source), "transfer" (trained on the
    coldest tier, tested on all), "curve" (growing numbers of frames of the hottest tier), "grid"
    (options of the learners that know which to try, compared on a fifth of the training frames) and
    "size" (trained and tested on the frames of `supercell` too, larger cells of the same metals).
    """

    command: ClassVar[str] = "benchmark"

    source: UserText
    metals: WordList = (ALL,)
    protocol: WordList = ("full",)
    label_sets: WordList | None = None
    hold_out: float | None = Field(default=None, gt=0, lt=1)
    train: int | None = Field(default=None, ge=2, le=MOST_COUNTED)
    test: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    sizes: IntList | None = None
    tier: str | None = None
    supercell: UserText | None = None
    vary: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    l_max: int | None = Field(default=None, ge=0)
    dos_engine: str = AUTO
    dos_frames: int = Field(default=3, ge=1, le=MOST_COUNTED)
    stress: bool = True

    @model_validator(mode="after")
    def _check_protocol(self) -> BenchmarkSettings:
        for name in self.protocol:
            if name not in PROTOCOLS:
                raise ValueError(
                    f"--protocol {name}: choose some of {', '.join(PROTOCOLS)}, a comma list"
                )
        if not self.protocol or len(set(self.protocol)) < len(self.protocol):
            raise ValueError("--protocol is empty or holds a word twice")
        if not self.metals or len(set(self.metals)) < len(self.metals):
            raise ValueError("--metals is empty or holds a metal twice")
        if ("size" in self.protocol) != (self.supercell is not None):
            raise ValueError(
                "--protocol size trains on the larger cells that --supercell names: give both, or "
                "neither"
            )
        for option, values in (("sizes", self.sizes), ("metals", self.metals)):
            at_most(values or (), f"--{option}")
        if any(size < 2 for size in self.sizes or ()):
            raise ValueError("--sizes takes numbers of training frames from 2 up")
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.out or default_folder("benchmark", Path(self.source).resolve().name, None)
