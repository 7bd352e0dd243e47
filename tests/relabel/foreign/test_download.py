"""Fetching a file: cut connections, wrong files, a full disk, a server that is not there."""

from __future__ import annotations

import hashlib
import resource
from collections import namedtuple

import pytest
from helpers.file_server import Served, serve

from dosml.errors import DamagedFileError, DiskSpaceError, FetchError, InputError
from dosml.relabel.foreign import download
from dosml.relabel.foreign.download import fetch_file

CONTENT = bytes(range(256)) * 20_000  # five megabytes
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def fetch(served, path, **options):
    return fetch_file(
        served.address, path, **{"size": len(CONTENT), "md5": MD5, "wait": 0.01, **options}
    )


def test_a_whole_file(tmp_path) -> None:
    seen = []
    with serve(Served(CONTENT)) as served:
        path = fetch(served, tmp_path / "a" / "file.zip", progress=lambda *at: seen.append(at))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [one.name for one in path.parent.iterdir()] == ["file.zip"]


def test_a_connection_that_is_cut_is_continued_where_it_was(tmp_path) -> None:
    with serve(Served(CONTENT, cut_after=[3_000_000, 1_000_000])) as served:
        path = fetch(served, tmp_path / "file.zip")
    assert path.read_bytes() == CONTENT
    begins = [int(one.removeprefix("bytes=").rstrip("-")) for one in served.asked[1:]]
    assert len(begins) == 2
    for begin, cut in zip(begins, (3_000_000, 4_000_000), strict=True):
        assert cut - 2 * 65_536 < begin <= cut


def test_a_run_that_was_killed_is_continued(tmp_path) -> None:
    (tmp_path / "file.zip.partial").write_bytes(CONTENT[:1000])
    with serve(Served(CONTENT)) as served:
        assert fetch(served, tmp_path / "file.zip").read_bytes() == CONTENT
    assert served.asked == ["bytes=1000-"]


def test_a_server_without_ranges_sends_everything_again(tmp_path) -> None:
    (tmp_path / "file.zip.partial").write_bytes(b"x" * 1000)
    with serve(Served(CONTENT, ranges=False)) as served:
        assert fetch(served, tmp_path / "file.zip").read_bytes() == CONTENT


def test_another_file_is_removed(tmp_path) -> None:
    other = CONTENT[:-1] + b"!"
    with serve(Served(other)) as served, pytest.raises(DamagedFileError, match="MD5 checksum"):
        fetch(served, tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_size_is_not_fetched(tmp_path) -> None:
    with serve(Served(CONTENT[:100])) as served, pytest.raises(DamagedFileError, match="offers"):
        fetch(served, tmp_path / "file.zip")


def test_a_full_disk_keeps_what_came(tmp_path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(Served(CONTENT)) as served:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
        try:
            with pytest.raises(DiskSpaceError, match="it continues"):
                fetch(served, tmp_path / "file.zip")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert 0 < (tmp_path / "file.zip.partial").stat().st_size <= 2_000_000
        assert fetch(served, tmp_path / "file.zip").read_bytes() == CONTENT
    assert served.asked[1].startswith("bytes=")


def test_no_room_is_said_before_anything_is_fetched(tmp_path, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil's
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    with serve(Served(CONTENT)) as served:
        with pytest.raises(DiskSpaceError, match="DOSML_DATA"):
            fetch(served, tmp_path / "file.zip")
        assert served.asked == []


def test_a_server_that_refuses(tmp_path) -> None:
    with serve(Served(CONTENT, status=403)) as served, pytest.raises(FetchError, match="403"):
        fetch(served, tmp_path / "file.zip")


def test_a_server_that_cuts_again_and_again(tmp_path) -> None:
    with serve(Served(CONTENT, cut_after=[0] * 20)) as served:
        with pytest.raises(FetchError, match="continue"):
            fetch(served, tmp_path / "file.zip")
        assert len(served.asked) == download.ATTEMPTS


def test_nobody_at_home(tmp_path) -> None:
    with serve(Served(CONTENT)) as served:
        address = served.address
    with pytest.raises(FetchError, match="refused"):
        fetch_file(address, tmp_path / "file.zip", wait=0.001)


def test_other_addresses_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="http"):
        fetch_file("file:///etc/passwd", tmp_path / "file.zip")
