"""Settings of scans: smearing, number of electrons, and both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from dosml.limits import (
    MOST_COUNTED,
    MOST_ELECTRONS,
    MOST_KPOINTS,
    MOST_ORDER,
    MOST_VALUES,
    WIDEST_SMEARING,
    at_most,
    comma_list,
)
from dosml.paths import UserPath, UserText  # noqa: TC001 - pydantic reads them at run time
from dosml.relabel.elements import ELEMENTS, element
from dosml.settings import (
    FloatList,
    IntList,
    SchemeName,
    TrainingSettings,
    default_folder,
    join_numbers,
    join_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyScan = TypeVar("AnyScan", bound="ScanSettings")


def electron_shifts(value: object) -> object:
    """Turn `-4:4`, `-4:4:2` or `-2,-1,0,1` into a tuple of shifts; leave lists alone.

    A range holds both ends where the step (1 if not given) leads to the second.

    Raises
    ------
    ValueError
        If a part is neither a number nor a range that rises.
    """
    words = comma_list(value)
    if not isinstance(value, str) or not isinstance(words, list):
        return words
    shifts: list[float] = []
    for part in words:
        shifts += _range(part) if ":" in part else [_number(part)]
    return tuple(shifts)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"--electrons takes numbers (-2,-1,0,1) or ranges (-4:4 or -4:4:2), not {text!r}"
        ) from None


def _range(text: str) -> list[float]:
    words = text.split(":")
    if len(words) > 3:
        raise ValueError(f"--electrons {text}: a range is FIRST:LAST or FIRST:LAST:STEP")
    first, last, step = (_number(word) for word in [*words, "1"][:3])
    if not (step > 0 and -MOST_ELECTRONS <= first < last <= MOST_ELECTRONS):
        raise ValueError(
            f"--electrons {text}: a range rises from FIRST to LAST in steps above 0, such as "
            f"-4:4:2, between {-MOST_ELECTRONS:g} and {MOST_ELECTRONS:g}"
        )
    count = int((last - first) / step + 1e-9) + 1
    if count > MOST_VALUES:
        raise ValueError(
            f"--electrons {text} holds {count} values, at most {MOST_VALUES} are meant"
        )
    # steps such as 0.1 are not exact: the shift becomes part of file names and hashes
    return [round(first + k * step, 9) + 0.0 for k in range(count)]


Shifts = Annotated[tuple[float, ...], BeforeValidator(electron_shifts)]


class ScanSettings(TrainingSettings):
    """What every scan needs to know; each kind of scan adds what it varies."""

    command: ClassVar[str] = "scan"

    target: UserText
    sigma: FloatList
    scheme: SchemeName | None = None
    engine: str | None = None
    engine_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    preset: str | None = None
    kpoints: IntList | None = None
    labels: UserText | None = None
    dos_engine: str | None = None
    sampler: Literal["classical", "engine", "hard"] = "classical"
    train: int = Field(default=27, ge=2, le=MOST_COUNTED)
    test: int = Field(default=12, ge=2, le=MOST_COUNTED)
    prototype: str | None = None
    cell: Literal["published", "small"] | None = None
    min_length: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    l_max: int | None = Field(default=None, ge=0, le=MOST_ORDER)
    retry_failed: bool = False

    @model_validator(mode="after")
    def _check_common(self) -> ScanSettings:
        at_most(self.sigma, "--sigma")
        if any(not 0 < width <= WIDEST_SMEARING for width in self.sigma):
            raise ValueError(
                f"--sigma takes widths above 0 eV, got {join_numbers(self.sigma)}: a metal needs "
                f"smearing, of {WIDEST_SMEARING:g} eV at most"
            )
        if len(set(self.sigma)) != len(self.sigma):
            raise ValueError(f"--sigma holds a width twice: {join_numbers(self.sigma)}")
        grid = self.kpoints
        if grid is not None and (
            len(grid) != 3 or any(not 1 <= number <= MOST_KPOINTS for number in grid)
        ):
            raise ValueError(
                f"--kpoints takes three numbers from 1 to {MOST_KPOINTS}, such as 2,2,2; got "
                f"{','.join(map(str, grid))}"
            )
        if self.dos_engine is not None and self.labels is None:
            raise ValueError("--dos-engine gives labels that are made a DOS: give --labels too")
        return self

    @property
    def shifts(self) -> tuple[float, ...]:
        """Electrons added per atom, one setting of every width each."""
        return (0.0,)

    @property
    def target_is_file(self) -> bool:
        """Whether the target names the user's own frames rather than an element."""
        if self.labels is not None or self.target in ELEMENTS:
            return False  # also where a folder of that name lies here
        return "." in self.target or os.sep in self.target or Path(self.target).is_file()

    @property
    def folder(self) -> Path:
        """The campaign folder."""
        return self.out or default_folder(self.command, self.name, self.labels)

    @property
    def name(self) -> str:
        """The target in names of folders."""
        return Path(self.target).stem if self.target_is_file else self.target


class SmearScanSettings(ScanSettings):
    """Everything that decides what a smearing scan does; see `dosml smear-scan --help`."""

    command: ClassVar[str] = "smear-scan"

    sigma: FloatList = (0.2, 0.5, 1.0, 2.0)

    @model_validator(mode="after")
    def _check_widths(self) -> SmearScanSettings:
        if len(self.sigma) < 2:
            raise ValueError(
                f"one sigma only ({join_numbers(self.sigma)}): a scan compares settings, give at "
                "least two, for example --sigma 0.2,1.0"
            )
        return self


def load_scan_settings(
    model: type[AnyScan], options: Mapping[str, Any], config: Path | Sequence[Path] | None = None
) -> AnyScan:
    """Join TOML files and command-line options; see `dosml.settings.join_settings`.

    Raises
    ------
    InputError
        If a file cannot be read, a key is unknown or a value cannot be used.
    """
    nothing = (
        f"nothing to scan: name an element (dosml {model.command} Ti), a frame file, or labels "
        "that are made (--labels)"
    )
    return join_settings(model, options, config, required="target", nothing=nothing)


class ElectronSettings(ScanSettings):
    """What the scans of the electron number share."""

    # fewer frames than smear-scan: there are more settings, and each has labels of its own
    train: int = Field(default=18, ge=2, le=MOST_COUNTED)
    # four held-out frames a tier: fewer give no interval
    test: int = Field(default=12, ge=2, le=MOST_COUNTED)

    @model_validator(mode="after")
    def _check_shifts(self) -> ElectronSettings:
        shifts = self.shifts
        at_most(shifts, "--electrons")
        if any(not abs(shift) <= MOST_ELECTRONS for shift in shifts):
            raise ValueError(
                f"--electrons takes finite numbers, got {join_numbers(shifts)}: between "
                f"{-MOST_ELECTRONS:g} and {MOST_ELECTRONS:g} per atom"
            )
        if len(set(shifts)) != len(shifts):
            raise ValueError(f"--electrons holds a value twice: {join_numbers(shifts)}")
        if len(shifts) < 2:
            raise ValueError(
                f"one electron number only ({join_numbers(shifts) or 'none'}): a scan compares "
                "settings, give at least two, for example --electrons=-2:1"
            )
        if not self.target_is_file and self.labels is None:
            valence = element(self.target).valence_electrons
            if valence + min(shifts) <= 0:
                raise ValueError(
                    f"{self.target} has {valence} valence electrons per atom: an --electrons of "
                    f"{min(shifts):g} leaves none, stay above {-valence}"
                )
        return self


class ElectronScanSettings(ElectronSettings):
    """Everything that decides what `dosml nelect-scan` does; see its --help."""

    command: ClassVar[str] = "nelect-scan"

    sigma: FloatList = (0.5,)
    # to both sides of neutral; with GFN1-xTB adding electrons fails for several metals, whose scan
    # leaves that setting out by name
    electrons: Shifts = (-2.0, -1.0, 0.0, 1.0)
    as_element: str | None = Field(default=None, alias="as")
    with_campaign: UserPath | None = Field(default=None, alias="with")

    @model_validator(mode="after")
    def _check_swap(self) -> ElectronScanSettings:
        if len(self.sigma) != 1:
            raise ValueError(
                f"nelect-scan holds one sigma, got {join_numbers(self.sigma)}: dosml map varies "
                "both"
            )
        if self.with_campaign is not None and self.as_element is None:
            raise ValueError("--with shows the other element's own result: give --as too")
        return self

    @property
    def swap_shift(self) -> float:
        """Electrons per atom that give the target the count of the element it poses as.

        Raises
        ------
        ValueError
            If there is no such number, or none to shift.
        """
        if self.as_element is None:
            return 0.0
        if self.target_is_file:
            raise ValueError("--as swaps the electrons of an element: name one, such as Au")
        target, other = element(self.target), element(self.as_element)
        shift = float(other.valence_electrons - target.valence_electrons)
        if shift == 0:
            raise ValueError(
                f"{self.target} and {self.as_element} have the same number of valence electrons: "
                "there is nothing to swap"
            )
        return shift

    @property
    def shifts(self) -> tuple[float, ...]:
        """Electrons added per atom: those asked for; neutral and swapped where `--as` stands."""
        if self.as_element is None:
            return self.electrons
        asked = self.electrons if "electrons" in self.model_fields_set else ()
        return tuple(sorted({*asked, 0.0, self.swap_shift}))


class ElectronSeriesSettings(ElectronSettings):
    """Everything that decides what `dosml electron-series` does; see its --help."""

    command: ClassVar[str] = "electron-series"

    sigma: FloatList = (0.3,)
    fill: IntList = (3, 4, 5, 6, 7, 8, 9, 10, 11)

    @model_validator(mode="before")
    @classmethod
    def _check_target(cls, values: Any) -> Any:
        # before the shifts are asked for, which need an element
        if isinstance(values, dict) and values.get("labels") is not None:
            raise ValueError(
                "electron-series fills the levels of an engine: it makes its labels, leave "
                "--labels out"
            )
        if isinstance(values, dict) and values.get("target") not in {None, *ELEMENTS}:
            raise ValueError(
                f"electron-series counts the electrons of a metal: name an element, got "
                f"{values['target']!r}"
            )
        return values

    @model_validator(mode="after")
    def _check_series(self) -> ElectronSeriesSettings:
        if len(self.sigma) != 1:
            raise ValueError(f"electron-series holds one sigma, got {join_numbers(self.sigma)}")
        return self

    @property
    def shifts(self) -> tuple[float, ...]:
        """Electrons added per atom so that it holds each of the numbers in `fill`."""
        valence = element(self.target).valence_electrons
        return tuple(float(number - valence) for number in sorted(self.fill))


class MapSettings(ElectronSettings):
    """Everything that decides what `dosml map` does; see its --help."""

    command: ClassVar[str] = "map"

    sigma: FloatList = (0.5, 1.0, 2.0)
    electrons: Shifts = (-2.0, -1.0, 0.0)

    @model_validator(mode="after")
    def _check_grid(self) -> MapSettings:
        if len(self.sigma) < 2:
            raise ValueError(
                f"one sigma only ({join_numbers(self.sigma)}): a map varies both, give at least "
                "two; dosml nelect-scan holds one"
            )
        return self

    @property
    def shifts(self) -> tuple[float, ...]:
        """Electrons added per atom."""
        return self.electrons
