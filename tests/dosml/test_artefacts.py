"""What dosml writes and reads back: damaged is missing, links are not followed, nothing escapes."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import zipfile

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from rich.console import Console

from dosml.campaign import LOG_NAME, Campaign
from dosml.config_file import read_toml
from dosml.errors import DamagedFileError, EngineError, InputError
from dosml.files import inside, open_plain, read_npz, sweep_partials, whole_file
from dosml.progress import Reporter
from dosml.records import (
    CAMPAIGN,
    CampaignRecord,
    Record,
    as_recorded,
    check_recorded,
    find_record,
    json_object,
    read_record,
)
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.structures import CELLS
from dosml.relabel.vasp.record import read_record as read_job
from dosml.studies.frames import SampledFrames
from dosml.studies.phonons import ForceSource, ForceSpec, ForceTask, _compute


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def huge_header(path):
    """An array that says it holds 10^15 numbers."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"1" * 64
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("forces.npy", content)
    return path


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(npz(path, a=np.arange(999.0)).read_bytes()[:-40]),
    "text": lambda path: path.write_text("no archive"),
    "objects": lambda path: npz(path, a=np.array([{}], dtype=object)),
    "huge": huge_header,
    "bomb": lambda path: npz(path, a=np.zeros(200_000)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_arrays_are_one_error(tmp_path, kind) -> None:
    path = tmp_path / "a.npz"
    DAMAGE[kind](path)
    with pytest.raises(DamagedFileError, match=r"a\.npz cannot be read"):
        read_npz(path, most_bytes=1_000_000)


def test_a_flipped_bit_is_noticed_and_what_is_whole_comes_back(tmp_path) -> None:
    given = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.array("text"),
        "c": np.asfortranarray([[1, 2]]),
    }
    path = npz(tmp_path / "a.npz", **given)
    for name, values in read_npz(path).items():
        np.testing.assert_array_equal(values, given[name])
    content = bytearray(path.read_bytes())
    content[content.index(b"a.npy") + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_npz(path)
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "absent.npz")


def test_only_plain_files_are_opened(tmp_path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("link", "symbolic link"), ("folder", "directory"), ("pipe", "pipe")):
        with pytest.raises(OSError, match=words):
            os.close(open_plain(tmp_path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_the_log_is_a_plain_file(tmp_path, kind) -> None:
    target, log = tmp_path / "precious", tmp_path / "study" / LOG_NAME
    target.write_text("precious")
    log.parent.mkdir()
    if kind == "link":
        log.symlink_to(target)
    elif kind == "folder":
        log.mkdir()
    else:
        os.mkfifo(log)
    with (
        pytest.raises(InputError, match=r"cannot write the log .*dosml\.log"),
        Campaign(log.parent, "Ti"),
    ):
        pass
    assert target.read_text() == "precious"


def test_a_planted_link_is_not_written_through(tmp_path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / f".a.{os.getpid()}.partial.txt").symlink_to(target)
    with whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("mine")
    assert (target.read_text(), (tmp_path / "a.txt").read_text()) == ("precious", "mine")


def test_what_a_killed_run_left_half_written_is_removed(tmp_path) -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    with subprocess.Popen(["sleep", "60"]) as alive:
        deep = tmp_path / "labels" / "sigma_0.2"
        deep.mkdir(parents=True)
        dead = [tmp_path / f".results.{done.pid}.partial.csv", deep / f".ab.{done.pid}.partial.npz"]
        kept = [
            deep / f".ab.{alive.pid}.partial.npz",
            deep / "ab.npz",
            tmp_path / "mine.partial.csv",
        ]
        for path in (*dead, *kept):
            path.write_text("half")
        with open_runner(RunSettings(), tmp_path, workers=1):
            pass
        alive.kill()
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in kept)
    assert sweep_partials(tmp_path) == [kept[0]]  # its writer is gone now


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "link.png", "a/../../secret.png"])
def test_names_in_records_stay_in_their_folder(tmp_path, name) -> None:
    folder = tmp_path / "campaign"
    folder.mkdir()
    (tmp_path / "secret.png").write_text("secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="does not lie in that folder"):
        inside(folder, name)
    assert inside(folder, "figures/a.png") == folder / "figures" / "a.png"


class Small(Record):
    number: int


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[1]", "should be an object"),
        ("{}", "number: Field required"),
        ('{"number": "x"}', "number: Input should be a valid integer"),
        ("[" * 100_000, "Invalid JSON"),
        ("\x00\xff", "Invalid JSON"),
    ],
)
def test_a_record_that_is_none_names_file_and_key(tmp_path, text, words) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"cannot read .*a\.json \(.*{words}"):
        read_record(path, Small)
    assert find_record(path, Small) is None


def test_records_that_cannot_be_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "round.json").symlink_to(tmp_path / "round.json")
    for name in ("absent.json", "pipe.json", "round.json"):
        with pytest.raises(InputError, match=rf"cannot read .*{name}"):
            read_record(tmp_path / name, Small)


def test_files_are_compared_with_the_record(tmp_path) -> None:
    table = tmp_path / "results.csv"
    with Campaign(tmp_path, "Ti") as campaign:
        table.write_text("a\n1\n2\n")
        campaign.note([table])
        campaign.record({"sigma": [0.2]})  # keeps what is known of files
    record = read_record(tmp_path / CAMPAIGN, CampaignRecord)
    assert record.run == {"sigma": [0.2]}
    check_recorded(table, tmp_path, record)
    table.write_text("a\n1\n")
    assert not as_recorded(table, tmp_path, record)
    with pytest.raises(InputError, match=r"results\.csv .*4 bytes, 6 bytes were written"):
        check_recorded(table, tmp_path, record)
    table.unlink()
    with pytest.raises(InputError, match="no such file"):
        check_recorded(table, tmp_path, record)


@pytest.mark.parametrize(
    "name", ["errors.csv", "models", "sigma_0.2.npz", "sigma_0.2.settings.json"]
)
def test_a_foreign_folder_keeps_its_files(tmp_path, name) -> None:
    path = tmp_path / name
    path.write_text("somebody else's")
    with (
        pytest.raises(InputError, match=rf"holds {name}, which would be replaced"),
        Campaign(tmp_path, "Ti", ["sigma_0.2"]),
    ):
        pass
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208 - hidden files count
    assert path.read_text() == "somebody else's"


def test_a_folder_with_other_things_is_used(tmp_path) -> None:
    for name in ("frames.extxyz", "notes.txt", "sigma_0.5.npz"):
        (tmp_path / name).write_text("mine")
    with Campaign(tmp_path, "Ti", ["sigma_0.2"]):
        pass
    (tmp_path / "errors.csv").write_text("ours now")
    with Campaign(tmp_path, "Ti", ["sigma_0.2"]):
        pass


@pytest.fixture
def source(monkeypatch) -> SampledFrames:
    """Frames whose dynamics take no time."""

    def rattled(symbol, *, n_frames_per_tier, seed, **_):
        for first, (tier, count) in enumerate(n_frames_per_tier.items()):
            for number in range(count):
                atoms = bulk(symbol, cubic=True)
                atoms.rattle(0.1, seed=seed + 100 * first + number)
                atoms.info["tier"] = tier
                yield atoms

    monkeypatch.setattr("dosml.studies.frames.sample_frames", rattled)
    return SampledFrames("Cu", None, CELLS["small"], 4, 2, 0)


def sampled(source, folder):
    printed = io.StringIO()
    with Campaign(folder, "Cu"):
        frames = source.get(folder, Reporter(Console(file=printed, width=300)))
    return frames, printed.getvalue()


def cut_a_frame(path):
    frames = ase.io.read(path, ":")
    ase.io.write(path, frames[:-1], format="extxyz")


def other_positions(path):
    frames = ase.io.read(path, ":")
    frames[1].positions += 1e-3
    ase.io.write(path, frames, format="extxyz")


def without_record(path):
    (path.parent.parent / CAMPAIGN).unlink()
    cut_a_frame(path)


@pytest.mark.parametrize(
    "damage",
    [cut_a_frame, other_positions, without_record, lambda path: path.write_bytes(b"6\n\x00")],
)
def test_damaged_sampled_frames_are_sampled_again(tmp_path, source, damage) -> None:
    first, _ = sampled(source, tmp_path)
    (path,) = (tmp_path / "frames").glob("*.extxyz")
    assert "sampled before" in sampled(source, tmp_path)[1]
    damage(path)
    if not (tmp_path / CAMPAIGN).exists():  # a campaign of an older version
        text = json.dumps({"dosml": "0", "subject": "Cu", "run": {}})
        (tmp_path / CAMPAIGN).write_text(text)
    again, said = sampled(source, tmp_path)
    assert "was changed or damaged" in said
    assert len(again) == len(first) == 6
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


class Broken(EMT):
    """As a model with NaN weights."""

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.results["forces"] = np.full_like(self.results["forces"], np.nan)


def test_forces_that_are_not_finite_are_no_phonons(tmp_path) -> None:
    spec = ForceSpec("broken", None, None, None)
    source = ForceSource(spec, "broken", {}, Broken())
    with pytest.raises(EngineError, match="not 1 x 3 finite numbers"):
        _compute(source, ForceTask(spec, bulk("Cu"), tmp_path / "a.npy"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ['{"a":' * 100_000 + "1" + "}" * 100_000, "[1]", "", "{"])
def test_json_of_somebody_else(tmp_path, text) -> None:
    """Nested without end it is an error like any other: Python's own reader runs out of stack."""
    with pytest.raises(ValueError, match=r"(?i)json|dictionary|object"):
        json_object(text)
    (tmp_path / "deep.json").write_text(text, encoding="utf-8")
    with pytest.raises(EngineError, match=r"parameters=.*deep.json: expected the parameters"):
        make_engine("tb", {"parameters": str(tmp_path / "deep.json")}, ("Cu",)).fingerprint()
    with pytest.raises(InputError, match=r"deep.json is not the record of a job"):
        read_job(tmp_path / "deep.json")


@pytest.mark.parametrize(
    "text",
    [
        "sigma = " + "[" * 2000 + "]" * 2000,
        "a" + ".a" * 100_000 + " = 1",
        "seed = " + "9" * 5000,
        "a = " + "{a=" * 1000 + "1" + "}" * 1000,
        "# a comment\n" * 100_000,
    ],
    ids=["lists", "dots", "digits", "tables", "comments"],
)
def test_settings_without_end(tmp_path, text) -> None:
    path = tmp_path / "long.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="long.toml is not valid TOML"):
        read_toml(path)


def test_settings_from_windows(tmp_path) -> None:
    path = tmp_path / "scan.toml"
    path.write_bytes(b"\xef\xbb\xbfsigma = [0.2, 1.0]\r\ntrain = 5\r\n")
    assert read_toml(path) == {"sigma": [0.2, 1.0], "train": 5}
