"""Names are data: what ase, rich, matplotlib or a shell would take apart stays a name."""

from __future__ import annotations

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from dosml.cli import main
from dosml.relabel.dataset import load
from dosml.relabel.frames import read_frames

NAMES = (
    *("Cu@300K", "Cu@2", "Cu[fcc]", "run[/red]", "[bold]", "~tilde", "two  blanks ", "star*", "?"),
    *(
        "铜 Å σ",
        "mysql",
        "postgres://x",
        "a:b;c|d&e",
        "'q\"",
        "{0}",
        "%s",
        "$x$_{",
        "_hidden",
        "#1",
    ),
)


def labels():
    """Six frames with labels, of two tiers with odd names."""
    frames = []
    for seed in range(6):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.info = {"REF_energy": atoms.get_potential_energy()}
        atoms.info["tier"] = ("$co_{ld", "[/warm]")[seed % 2]
        atoms.arrays["REF_forces"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    return frames


def write(path, frames) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        ase.io.write(handle, frames, format="extxyz")


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """Run the command line in this process, in a folder of its own; give what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["dosml", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        assert not end.value.code, err
        return out

    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_that_file(tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{name.replace('/', '_')}.extxyz"
    frames = labels()
    # what a name that is taken apart or filled in could lead to
    for other in ("Cu", "star", "stars.extxyz", "x.extxyz"):
        write(tmp_path / other, frames[:1])
    write(path, frames)
    for given in (path, path.relative_to(tmp_path)):
        assert len(read_frames(given)) == 6
        assert len(load(given).frames) == 6


def test_scans_and_studies_take_any_name(tmp_path, command) -> None:
    name = "Cu@[x] 1*$x_{ Å"
    write(tmp_path / "x" / f"{name}.extxyz", labels())
    file = f"x/{name}.extxyz"
    plan = command(
        "smear-scan", file, "--dry-run", "--engine", "xtb", "--train", "4", "--test", "2"
    )
    assert f"subject   {name}.extxyz (sha256" in plan
    tiny = ("--inducing", "3", "--n-max", "2", "--cutoff", "3.5", "--workers", "1", "--l-max", "1")
    curve = command("learning-curve", file, "--sizes", "2,4", "--out", f"{name}/curve", *tiny)
    assert f"wrote {name}/curve/" in curve
    assert list((tmp_path / name / "curve").rglob("*.png"))
    moved = command("transfer", file, *tiny)
    assert "[/warm]" in moved
    assert f"wrote dosml-transfer-{name}/" in moved
    assert list((tmp_path / f"dosml-transfer-{name}").rglob("*.png"))


def test_vasp_studies_take_any_name(tmp_path, command, no_potcars) -> None:  # noqa: ARG001
    name = "Cu@[x] 1*$x_{ Å"
    write(tmp_path / f"{name}.extxyz", labels())
    said = command("relabel", f"{name}.extxyz", "--sigma", "0.2")
    assert f"dosml-vasp-{name}: 6 frames x 1 settings" in said
    assert f"dosml relabel resolve dosml-vasp-{name}" in said
