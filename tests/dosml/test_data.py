"""`dosml data`: collections fetched from a local server, and files of others."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace

import pytest
from helpers.file_server import Served, serve
from helpers.foreign_files import extxyz_text, frames, tm23_archive
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import DamagedFileError, FetchError, InputError
from dosml.progress import Reporter
from dosml.relabel.dataset import load
from dosml.relabel.foreign import archives
from dosml.relabel.foreign.archives import ARCHIVES, METAL_43, TM23, content_address
from dosml.studies.data import collection_folder, collections, data_folder, fetch
from dosml.terminal import make_console


def known(content: bytes, archive=TM23):
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return replace(archive, size=len(content), md5=md5)


@pytest.fixture(scope="module")
def packed():
    return tm23_archive()


@pytest.fixture
def home(tmp_path, monkeypatch, packed):
    """A data folder of its own, and an archive of TM23's layout from frames of our own."""
    monkeypatch.setenv("DOSML_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(ARCHIVES, "tm23", known(packed))
    return data_folder()


def quiet() -> Reporter:
    return Reporter(make_console(quiet=True))


def test_tm23_becomes_one_folder_per_metal(home, packed) -> None:
    with serve(Served(packed, cut_after=[1000])) as served:
        found = fetch("tm23", quiet(), url=served.address)
        again = fetch("tm23", quiet(), url=served.address)
    assert len(served.asked) == 2  # cut once, and not fetched again
    assert found.record.metals == again.record.metals == ["Ag", "Cu"]
    assert found.record.complete
    data = load(home / "tm23" / "Cu")
    assert (len(data.train), len(data.test)) == (24, 9)  # the other members are not pooled
    assert {data.tiers[n] for n in data.test} == {"cold", "warm", "melt"}
    assert data.names == ("sigma_0.2",)
    assert data.stress
    assert "10.1038/s41524-024-01264-z" in data.provenance.warning
    assert [one.name for one in collections()] == ["tm23"]
    assert collection_folder("tm23") == home / "tm23"


def test_metals_that_are_damaged_are_read_again(home, packed) -> None:
    with serve(Served(packed)) as served:
        fetch("tm23", quiet(), url=served.address, metals=["Cu"])
        assert not fetch("tm23", quiet(), metals=["Cu"]).record.complete
        with pytest.raises(InputError, match="--metals Xx: tm23 has Ag, Cu"):
            fetch("tm23", quiet(), metals=["Xx"])
        assert fetch("tm23", quiet()).record.complete
    assert len(served.asked) == 1
    (home / "tm23" / "Cu" / "dataset.json").unlink()
    assert fetch("tm23", quiet()).record.complete
    assert load(home / "tm23" / "Cu").names == ("sigma_0.2",)


def test_a_wrong_file_is_said_and_removed(home, packed) -> None:
    wrong = packed[:-1] + bytes([packed[-1] ^ 1])
    with serve(Served(wrong)) as served, pytest.raises(DamagedFileError, match="MD5"):
        fetch("tm23", quiet(), url=served.address)
    assert not list((home / "tm23").glob("*.zip*"))


def test_without_a_network_it_says_where_to_put_the_file(home, packed, tmp_path) -> None:
    with serve(Served(packed, status=503)) as served:
        with pytest.raises(
            FetchError, match=r"503.*by hand, fetch .*zip from https://doi.org/"
        ) as e:
            fetch("tm23", quiet(), url=served.address)
        assert str(home / "tm23" / TM23.file_name) in str(e.value)
        own = tmp_path / "mine.zip"
        own.write_bytes(packed)
        assert fetch("tm23", quiet(), file=own).record.complete
    other = tmp_path / "other.zip"
    other.write_bytes(packed[:100])
    (home / "tm23" / "collection.json").unlink()
    with pytest.raises(DamagedFileError, match="100 bytes, expected"):
        fetch("tm23", quiet(), file=other)


@pytest.mark.usefixtures("home")
def test_an_archive_with_other_members(monkeypatch, tmp_path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    monkeypatch.setitem(ARCHIVES, "tm23", known(content.getvalue()))
    own = tmp_path / "own.zip"
    own.write_bytes(content.getvalue())
    with pytest.raises(InputError, match="no member of the archive is named"):
        fetch("tm23", quiet(), file=own)


def test_metal43_has_crystals_and_temperatures(home, monkeypatch, tmp_path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, name in enumerate(("fcc_300", "fcc_900", "p6-mmm_970")):
            archive.writestr(f"Cu_{name}.extxyz", extxyz_text(frames("Cu", 5, seed=number)))
    monkeypatch.setitem(ARCHIVES, "metal43", known(content.getvalue(), METAL_43))
    own = tmp_path / "own.zip"
    own.write_bytes(content.getvalue())
    fetch("metal43", quiet(), file=own)
    data = load(home / "metal43" / "Cu")
    assert (len(data.frames), data.roles) == (15, ())
    assert set(data.tiers) == {"300", "900", "970"}


def test_the_file_of_a_record_is_found_by_its_checksum() -> None:
    record = {
        "files": {
            "entries": {
                "a.txt": {"checksum": "md5:1", "links": {"content": "https://x/a"}},
                "b.zip": {"checksum": "md5:2", "links": {"content": "https://x/b"}},
            }
        }
    }
    assert content_address(record, "2") == "https://x/b"
    with pytest.raises(FetchError, match="no file with the checksum 3"):
        content_address(record, "3")
    with pytest.raises(FetchError, match="no file"):
        content_address([], "3")


def test_the_address_of_tm23_is_that_of_its_record() -> None:
    assert archives.TM23.address() == (
        "https://archive.materialscloud.org/api/records/tcrks-ymp88/files/"
        "benchmarking_master_collection-20240316T202423Z-001.zip/content"
    )


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["data", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_line(home, tmp_path) -> None:
    train, test = tmp_path / "Cu_train.xyz", tmp_path / "Cu_test.xyz"
    train.write_text(extxyz_text(frames("Cu", 12)))
    test.write_text(extxyz_text(frames("Cu", 4, seed=1)))
    said = run("import", str(train), str(test), "--name", "mine", "--cite", "me")
    assert "Cu: 16 frames (12 training, 4 held out; tiers all), energies, forces, stresses" in said
    listed = run("list")
    assert "PBE labels of Ag, Au, Cu, Mo, Nb, Os, Pd, Ru, Ti, V, W, Zr; ships with dosml" in listed
    assert str(home / "mine") in listed
    assert "dosml data fetch tm23" in listed
    shown = run("show", "mine")
    assert "16 frames of 8 atoms (4 held out)" in shown
    assert "me" in shown
    assert "52 frames of 8 atoms (12 held out)" in run("show", "reference")
    assert CliRunner().invoke(app, ["data", "show", "tm23"]).exit_code != 0
    with pytest.raises(InputError, match="holds something else"):
        other = tmp_path / "other"
        other.mkdir()
        (other / "thesis.tex").write_text("")
        CliRunner().invoke(
            app, ["data", "import", str(train), "--out", str(other)], catch_exceptions=False
        )
