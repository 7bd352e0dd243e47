"""What ends a command early: a sentence for what a user can meet, the last net for bugs only."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from dosml.cli import main, scan_options
from dosml.sentences import sentence


@pytest.fixture
def command(monkeypatch, capfd):
    """Run the command line in this process: command("train", ...) gives code and error line."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dosml", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capfd.readouterr().err

    return run


@pytest.fixture
def failing(monkeypatch, command):
    """Let a scan end with an exception."""

    def run(error: BaseException) -> tuple[int, str]:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(scan_options, "run_command", fail)
        return command("map", "Ti")

    return run


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fewer --workers"),
        (errno.ENOMEM, "out of memory"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EDQUOT, "no space left on the disk"),
        (errno.EISDIR, "folder where a file is expected"),
        (errno.ELOOP, "symbolic links"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EIO, "the disk cannot be read or written"),
    ],
)
def test_what_the_system_refuses_is_said_in_words(failing, number: int, words: str) -> None:
    code, said = failing(OSError(number, os.strerror(number), "study/[x] file"))
    assert code == 2
    assert words in said
    assert "(study/[x] file)" in said
    assert said.count("\n") == 1
    assert "details" not in said


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 17.2 GiB for an array with shape (48000, 48000)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 80000000000 bytes."
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_no_memory_is_said_in_words(failing, error: Exception) -> None:
    code, said = failing(error)
    assert code == 2
    assert said.startswith("dosml: error: out of memory")
    assert "--workers" in said


@pytest.mark.parametrize("most", [6, 8, 16])
def test_few_open_files(dosml, crystals, tmp_path, most: int) -> None:
    """Under a limit that is really low, a study is made or the limit is named."""
    crystals(tmp_path / "my.extxyz")

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    done = dosml("relabel", "my.extxyz", "--sigma", "1", "--out", "study", preexec_fn=lower)
    said = done.stderr.decode()
    if done.returncode:
        assert done.returncode == 2
        assert "may not open more files" in said
    else:
        assert len(list((tmp_path / "study").rglob("POSCAR"))) == 3
    assert most < 16 or not done.returncode
    assert "this is a bug" not in said


@pytest.mark.parametrize("error", [EOFError("no data left"), ValueError("odd"), OSError("odd")])
def test_a_bug_is_called_one(failing, monkeypatch, tmp_path, error: Exception) -> None:
    real = tempfile.NamedTemporaryFile
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", partial(real, dir=tmp_path))
    code, said = failing(error)
    assert code == 2
    assert said.startswith(f"dosml: error: {type(error).__name__}: ")
    (details,) = tmp_path.glob("dosml-error-*.log")
    assert str(details) in said
    assert "Traceback" in details.read_text()


def test_a_bug_without_a_place_for_details(failing, monkeypatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", none)
    code, said = failing(ValueError("odd"))
    assert code == 2
    assert "ValueError: odd; this is a bug" in said


def test_bugs_have_no_sentence() -> None:
    assert sentence(OSError(errno.ENOENT, "No such file", "models.json")) is None
    assert sentence(RuntimeError("tensors of different shapes")) is None


SCANS = ("smear-scan", "nelect-scan", "map", "survey")


@pytest.mark.parametrize(
    "arguments",
    [
        *((name, "Ti", "--dry-run") for name in SCANS),
        *((name, "--labels", "reference", "Ti") for name in ("train", "grid", "transfer")),
        ("learning-curve", "--labels", "reference", "Ti"),
        ("phonons", "xtb", "--structure", "Cu"),
        ("relabel", "frames.extxyz"),
        ("theory", "smearing"),
        ("dos", "DOSCAR", "--sigma", "0.2"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_scheme(command, tmp_path, monkeypatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = command(*arguments, "--scheme", "colder")
    assert code == 2, said
    assert "colder" in said
    assert "fermi-dirac, gaussian" in said
    assert "details" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("width", ["nan", "-0.2", "0", "inf"])
def test_a_width_that_is_none(command, tmp_path, monkeypatch, width: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = command("phonons", "xtb", "--structure", "Cu", "--sigma", width)
    assert code == 2
    told = "--sigma 'nan' cannot be used: this command takes one number".replace("nan", width)
    assert (told if width in {"nan", "inf"} else "smearing width must be a positive number") in said
    assert "details" not in said


def test_a_cell_that_is_too_large(command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ("phonons", "xtb", "--structure", "Cu"),
        ("smear-scan", "Cu", "--dry-run"),
        ("relabel", "aimd", "Cu"),
    ):
        code, said = command(*arguments, "--min-length", "1e5")
        assert code == 2
        assert "atoms" in said
        assert "details" not in said


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folders that cannot be written: a file in the way, links in a circle or to nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nothing").symlink_to("missing/place")
    (tmp_path / "frames.extxyz").write_text("")
    return tmp_path


OUT_COMMANDS = [
    *((name, "Ti") for name in SCANS),
    *((name, "labels.extxyz") for name in ("train", "grid", "transfer", "learning-curve")),
    ("phonons", "xtb", "--structure", "Cu"),
    ("report", "campaign"),
    ("relabel", "frames.extxyz"),
    ("relabel", "aimd", "Ti"),
]


@pytest.mark.parametrize("arguments", OUT_COMMANDS, ids=" ".join)
def test_out_is_checked_first(command, places, monkeypatch, arguments: tuple[str, ...]) -> None:
    for out in ("file/study", "circle/study", "nothing", "x" * 300):
        code, said = command(*arguments, "--out", out)
        assert code == 2, (out, said)
        assert said.startswith(f"dosml: error: cannot write results to {out} ("), said
        assert said.endswith("give another --out\n")
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    code, said = command(*arguments, "--out", "study")
    assert code == 2
    assert "study (.: no permission to write): give another --out" in said
    assert {path.name for path in places.iterdir()} == {
        *("file", "circle", "nothing", "frames.extxyz")
    }


def test_home_is_written_out_once(command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").write_text("a file")
    (tmp_path / "scan.toml").write_text('out = "~/study"\n')
    for arguments in (["--out=~/study"], ["--out", "~/study"], ["--config", "scan.toml"]):
        code, said = command("smear-scan", "Ti", *arguments)
        assert code == 2
        assert f"cannot write results to {tmp_path}/home/study" in said
    assert "no frame file at ~/x.extxyz" in command("smear-scan", "./~/x.extxyz")[1]
    assert (
        "no frame file at ~nobody-of-that-name"
        in (command("smear-scan", "~nobody-of-that-name/x.extxyz")[1])
    )


@pytest.mark.parametrize("name", ["a\nb.extxyz", "a\x1b[31mb.extxyz", "a\udcffb.extxyz"])
def test_names_that_no_report_can_hold(command, name: str) -> None:
    code, said = command("smear-scan", name)
    assert code == 2
    assert "rename the file" in said
    assert said.count("\n") == 1
    assert said.isascii()
    assert "\x1b" not in said


@pytest.mark.parametrize("sink", ["full", "closed", "gone"])
def test_an_output_that_fails(dosml, sink: str) -> None:
    if sink == "full":
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            result = dosml("learners", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    elif sink == "gone":
        reader, writer = os.pipe()
        os.close(reader)
        result = dosml("learners", stdout=writer, stderr=subprocess.PIPE, capture_output=False)
        os.close(writer)
    else:  # nobody wants to read it: that is no failure
        code = "import os; os.close(1); import sys; sys.argv[1:] = ['learners'];"
        code += "sys.stdout = None; from dosml.cli import main; main()"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert result.returncode == 0
        assert result.stderr == b""
        return
    assert result.returncode == 2
    said = result.stderr.decode()
    assert said.startswith("dosml: error: what was printed is lost, standard output failed (")
    assert said.count("\n") == 1


def test_ways_to_end_that_are_typers(command) -> None:
    assert command("--version") == (0, "")
    code, said = command("smear-scan", "Ti", "--sigmas", "0.2")
    assert code == 2
    assert "--sigmas" in said
    assert "this is a bug" not in said


def test_an_error_about_labels_names_them(command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.extxyz").write_text(
        '2\nLattice="3 0 0 0 3 0 0 0 6" Properties=species:S:1:pos:R:3:REF_forces:R:3 '
        'REF_energy=-7.5 pbc="T T T"\nCu 0 0 0 0 0 0.1\nCu 0 0 3.1 0 0 -0.1\n'
    )
    code, said = command("train", "one.extxyz")
    assert code == 2
    assert "one.extxyz: holding out 0.2 of 1 frames" in said
