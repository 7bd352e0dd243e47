"""Numbers and files are bounded before memory is taken."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
from ase.build import bulk

from dosml.cli.relabel_options import electronic_settings
from dosml.errors import DosmlError, InputError, TooLargeError
from dosml.learners.registry import make_learner
from dosml.limits import at_most, check_pairs, comma_list, open_bounded
from dosml.relabel.dataset import LabelSet
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.structures import build_structure
from dosml.studies.force_source import force_source
from dosml.studies.open_study import CurveSettings, GridSettings, TrainSettings, load_study_settings
from dosml.studies.phonons import run_phonons
from dosml.studies.scan_settings import (
    ElectronScanSettings,
    MapSettings,
    SmearScanSettings,
    load_scan_settings,
)

MANY = ",".join(f"{0.01 * n:.2f}" for n in range(1, 3001))

SCANS = [
    ({"sigma": "0.2,,2"}, r"--sigma '0.2,,2' cannot be used: .*nothing between two commas"),
    ({"sigma": "0.2,2,"}, r"--sigma '0.2,2,' cannot be used"),
    ({"sigma": MANY}, "--sigma holds 3000 values, at most 41 are meant"),
    ({"sigma": "0.2,inf"}, "widths above 0 eV, got 0.2,inf: .* 50 eV at most"),
    ({"sigma": "0.2,1e5"}, "widths above 0 eV, got 0.2,100000"),
    ({"sigma": True}, "--sigma true cannot be used: it takes a value"),
    ({"train": True}, "--train true cannot be used"),
    ({"train": 10**12}, "--train 1000000000000 cannot be used: .*less than or equal to 1000000"),
    ({"test": math.inf}, "--test inf cannot be used"),
    ({"workers": 10**9}, "--workers 1000000000 cannot be used: .*1024"),
    ({"seed": 10**23}, "--seed 10{23} cannot be used: .*4294967295"),
    ({"cutoff": 1000.0}, "--cutoff 1000.0 cannot be used: .*30"),
    ({"cutoff": math.nan}, "--cutoff nan cannot be used"),
    ({"cutoff": math.inf}, "--cutoff inf cannot be used"),
    ({"n_max": 10**6}, "--n-max 1000000 cannot be used"),
    ({"l_max": 10**6}, "--l-max 1000000 cannot be used"),
    ({"min_length": math.inf}, "--min-length inf cannot be used"),
    ({"kpoints": "1,1,100000"}, "--kpoints takes three numbers from 1 to 200.* got 1,1,100000"),
    ({"kpoints": "2,,2"}, "--kpoints '2,,2' cannot be used"),
    ({"epochs": 10**9}, "--epochs 1000000000 cannot be used"),
    ({"inducing": 10**9}, "--inducing 1000000000 cannot be used"),
]


@pytest.mark.parametrize(("options", "message"), SCANS)
def test_numbers_of_scans_are_bounded(options, message) -> None:
    with pytest.raises(InputError, match=message):
        load_scan_settings(SmearScanSettings, {"target": "Ti", **options})


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (ElectronScanSettings, {"electrons": "1e9,0"}, "--electrons .*between -30 and 30 per atom"),
        (ElectronScanSettings, {"electrons": "-1e9:0"}, "--electrons -1e9:0: .*between -30 and 30"),
        (ElectronScanSettings, {"electrons": "-1,,0"}, "nothing between two commas"),
        (MapSettings, {"electrons": ",".join(map(str, range(-60, 0)))}, "holds 60 values, at most"),
        (MapSettings, {"electrons": "0:1:1e-9"}, r"holds 100000000\d values, at most 41"),
    ],
)
def test_electron_numbers_are_bounded(model, options, message) -> None:
    with pytest.raises(InputError, match=message):
        load_scan_settings(model, {"target": "Ti", **options})


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (TrainSettings, {"hold_out": math.nan}, "--hold-out nan cannot be used"),
        (TrainSettings, {"seed": -1}, "--seed -1 cannot be used"),
        (CurveSettings, {"sizes": "4,,8"}, "--sizes '4,,8' cannot be used"),
        (CurveSettings, {"sizes": "0,8"}, "--sizes takes numbers of frames from 1 to 1000000"),
        (CurveSettings, {"sizes": list(range(1, 60))}, "--sizes holds 59 values, at most 41"),
        (CurveSettings, {"l_max": "1,1000"}, "--l-max takes numbers from 0 to 100"),
        (CurveSettings, {"repeats": 10**6}, "--repeats 1000000 cannot be used"),
        (GridSettings, {"vary": {"n_max": tuple(range(50))}}, "--n-max holds 50 values, at most"),
    ],
)
def test_numbers_of_studies_are_bounded(model, options, message) -> None:
    with pytest.raises(InputError, match=message):
        load_study_settings(model, {"targets": ["Ti"], **options})


def test_numbers_of_vasp_studies_and_runs_are_bounded() -> None:
    scheme = "gaussian"
    assert len(electronic_settings("0.2,0.5", scheme, "0,1")) == 4
    for sigma, electrons, message in [
        ("0.2,,2", "0", "--sigma takes numbers .*nothing between two commas"),
        (MANY, "0", "--sigma .*holds 3000 values"),
        ("inf", "0", "--sigma 'inf': give numbers between -50 and 50"),
        ("0.2", "nan", "--electrons 'nan': give numbers between -30 and 30"),
        ("0.2", "1e9", "--electrons '1e9': give numbers between -30 and 30"),
    ]:
        with pytest.raises(InputError, match=message):
            electronic_settings(sigma, scheme, electrons)
    with pytest.raises(ValueError, match="less than or equal to 1024"):
        RunSettings(workers=10**9)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"displacement": 100.0}, "positive displacement of 0.5 Å at most .* got 100"),
        ({"displacement": math.nan}, "positive displacement .* got nan"),
        ({"points": 10**9}, "a path of phonons has 2 to 10001 points, got 1000000000"),
        ({"min_length": 1e5}, r"--min-length 100000 makes a supercell of \d+ atoms of Cu, at most"),
        ({"min_length": math.nan}, "--min-length must be a positive length"),
        ({"min_length": math.inf}, "--min-length must be a positive length"),
    ],
)
def test_numbers_of_phonons_are_bounded_before_anything_is_written(
    tmp_path, numbers, message
) -> None:
    usual = {"min_length": 5.0, "displacement": 0.01, "points": 11}
    with pytest.raises(InputError, match=message):
        run_phonons(
            "Cu", [], tmp_path / "out", None, **{**usual, **numbers}, run=RunSettings(), workers=1
        )
    assert not (tmp_path / "out").exists()


def test_the_smearing_of_phonons_is_checked() -> None:
    for sigma, scheme in ((math.nan, None), (-1.0, None), (1e9, None), (0.2, "nonsense")):
        with pytest.raises(InputError, match="--sigma"):
            force_source("tb", sigma=sigma, scheme=scheme, device=None)


def test_neighbour_lists_are_counted_before_they_are_made() -> None:
    check_pairs(20_000, 20_000 * 12.0, 6.0, "frame 0")
    with pytest.raises(
        TooLargeError, match=r"frame 3: 4 atoms in 48 Å\^3 have about 9.42e\+06 nei"
    ):
        check_pairs(4, 48.0, 300.0, "frame 3")
    with pytest.raises(TooLargeError):
        check_pairs(4, 0.0, 5.0, "frame 3")
    # whoever calls the learner from Python meets the same bound
    frame = bulk("Cu", cubic=True)
    labels = LabelSet(np.array([0.0]), [np.zeros((4, 3))])
    learner = make_learner("sgp", {"cutoff": 300.0}, workers=1)
    with pytest.raises(DosmlError, match="4 atoms in .* have about .* neighbours"):
        learner.fit([frame], [labels])


def test_lists_of_values() -> None:
    assert comma_list(" 0.2, 1 ") == ["0.2", "1"]
    assert comma_list(0.5) == [0.5]
    assert comma_list((1, 2)) == (1, 2)
    for text in ("", ",", "1,,2", "1,"):
        with pytest.raises(ValueError, match="nothing between two commas"):
            comma_list(text)
    at_most(range(41), "--x")
    with pytest.raises(ValueError, match="--x holds 42 values"):
        at_most(range(42), "--x")


def test_files_are_unpacked_within_a_bound(tmp_path) -> None:
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(bytes(66 << 20)))
    with (
        pytest.raises(TooLargeError, match="unpacks to more than 200 times its size"),
        open_bounded(path) as handle,
    ):
        while handle.read(1 << 20):
            pass
    path.write_bytes(gzip.compress(bytes(5 << 20)))
    with open_bounded(path) as handle:
        assert len(handle.read()) == 5 << 20


def test_structures_are_bounded_in_words_of_the_command_line() -> None:
    for change, message in [
        ({"seed": -1}, "--seed takes numbers from 0 to 4294967295, got -1"),
        ({"min_length": math.nan}, "--min-length must be a positive length in Å, got nan"),
        ({"min_length": 1e5}, r"--min-length 100000 Å gives \d+ atoms of fcc Cu"),
    ]:
        with pytest.raises(InputError, match=message):
            build_structure("Cu", **change)
