"""Ranges of electron numbers, swaps, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dosml.errors import InputError, UnknownElementError
from dosml.plan import resolve
from dosml.studies.scan_settings import (
    ElectronScanSettings,
    MapSettings,
    electron_shifts,
    load_scan_settings,
)


def scan(**options: object) -> ElectronScanSettings:
    return load_scan_settings(ElectronScanSettings, {"target": "Os", **options}, None)


@pytest.mark.parametrize(
    ("text", "shifts"),
    [
        ("-4:4", (-4, -3, -2, -1, 0, 1, 2, 3, 4)),
        ("-4:4:2", (-4, -2, 0, 2, 4)),
        ("-2,-1,0,1", (-2, -1, 0, 1)),
        ("-1:0:0.25", (-1, -0.75, -0.5, -0.25, 0)),
        ("0:0.3:0.1", (0, 0.1, 0.2, 0.3)),
        ("-1:1.5", (-1, 0, 1)),
        ("-3, 0:2", (-3, 0, 1, 2)),
    ],
)
def test_ranges_and_lists(text: str, shifts: tuple[float, ...]) -> None:
    assert electron_shifts(text) == shifts
    assert scan(electrons=text).shifts == shifts


def test_a_range_that_reaches_zero_reaches_a_plain_zero() -> None:
    # -0.0 would give the neutral setting another hash, and its labels another folder
    assert all(str(one) != "-0.0" for one in electron_shifts("-0.3:0.3:0.1"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"electrons": "many"}, r"not 'many'"),
        ({"electrons": "4:-4"}, r"a range rises"),
        ({"electrons": "-4:4:0"}, r"a range rises"),
        ({"electrons": "-4:4:1:1"}, r"FIRST:LAST:STEP"),
        ({"electrons": "-4:4:0.01"}, r"801 values"),
        ({"electrons": "0"}, r"one electron number only \(0\)"),
        ({"electrons": ""}, r"nothing between two commas"),
        ({"electrons": "-1,0,-1"}, r"a value twice"),
        ({"electrons": "nan,0"}, r"finite"),
        ({"electrons": "-8:0"}, r"Os has 8 valence electrons .* stay above -8"),
        ({"sigma": "0.5,1"}, r"one sigma, got 0.5,1: dosml map"),
        ({"as": "Fe"}, r"Os and Fe have the same number"),
        ({"with": "somewhere"}, r"give --as too"),
        ({"as": "Au", "target": "frames.extxyz"}, r"name one, such as Au"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scan(**options)


def test_unknown_partner() -> None:
    with pytest.raises(UnknownElementError, match="Ox"):
        scan(**{"as": "Ox"})


def test_swap_is_a_preset_of_two_settings() -> None:
    swap = scan(target="Au", **{"as": "Os"})
    assert swap.shifts == (-3, 0)
    assert swap.folder == Path("dosml-nelect-scan-Au")
    more = scan(target="Au", electrons="-1,0", **{"as": "Os"})
    assert more.shifts == (-3, -1, 0)


def test_configuration_file_with_the_names_of_the_command_line(tmp_path) -> None:
    config = tmp_path / "swap.toml"
    config.write_text('target = "Au"\nas = "Os"\nwith = "os-study"\nsigma = 1.0\n')
    settings = load_scan_settings(ElectronScanSettings, {}, config)
    assert settings.as_element == "Os"
    assert settings.with_campaign == Path("os-study")
    config.write_text('target = "Au"\nelectron = "-1:1"\n')
    with pytest.raises(InputError, match="did you mean electrons"):
        load_scan_settings(ElectronScanSettings, {}, config)


def test_map_is_every_width_at_every_shift() -> None:
    settings = load_scan_settings(
        MapSettings, {"target": "Ti", "sigma": "1,0.5", "electrons": "-1:0"}, None
    )
    points = [
        (one.smearing.width, one.electrons_per_atom_shift) for one in resolve(settings).electronic
    ]
    assert points == [(0.5, -1), (1, -1), (0.5, 0), (1, 0)]
    with pytest.raises(InputError, match="a map varies both"):
        load_scan_settings(MapSettings, {"target": "Ti", "sigma": "1"}, None)
