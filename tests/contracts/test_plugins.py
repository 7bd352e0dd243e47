"""Engines and learners of other packages: installed from the page that explains them, or broken."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from dosml.errors import EngineError, InputError, LearnerError
from dosml.learners.registry import LEARNERS, learner_names, make_learner, options_by_learner
from dosml.relabel.engines.registry import ENGINES, engine_names, engine_options, make_engine

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def files_of_the_page() -> dict[str, str]:
    """Code blocks that begin with the name of a file."""
    blocks = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(blocks)


def run(*words: str, folder: Path, path: Path | None = None) -> str:
    extra = {} if path is None else {"PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "300", **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def install_offline(package: Path, target: Path) -> None:
    """`pip install`, or what it would write where setuptools is too old to build wheels."""
    if tuple(map(int, version("setuptools").split(".")[:2])) >= (70, 1):
        words = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target")
        run("-m", "pip", "install", *words, str(target), str(package), folder=package)
        return
    project = tomllib.loads((package / "pyproject.toml").read_text())
    record = target / "dosml_emt-1.0.dist-info"
    record.mkdir(parents=True)
    for module in project["tool"]["setuptools"]["py-modules"]:
        shutil.copy(package / f"{module}.py", target)
    lines = ["Metadata-Version: 2.1", "Name: dosml-emt", "Version: 1.0"]
    (record / "METADATA").write_text("\n".join(lines) + "\n")
    (record / "top_level.txt").write_text("dosml_emt\n")
    with (record / "entry_points.txt").open("w") as out:
        for group, points in project["project"]["entry-points"].items():
            out.write(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))


#: Uses a plug-in as dosml's own commands do.
USE = """
import numpy as np
from ase.build import bulk
from pathlib import Path
from dosml.relabel.dataset import LabelSet
from dosml.relabel.engines.registry import ENGINES, make_engine
from dosml.learners.registry import LEARNERS, load_model, make_learner
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

setting = ElectronicSetting(Smearing("fermi-dirac", 0.2))
frames = [bulk("Cu", cubic=True) for _ in range(3)]
for seed, frame in enumerate(frames):
    frame.rattle(0.1, seed=seed)
engine = make_engine("emt")
assert "emt: effective medium theory" in ENGINES.described()
assert "emt-potential: " in LEARNERS.described()
engine.check(setting)
labels = [dict(engine.label_ladder(one, [setting], [], Path("restart")))[setting] for one in frames]
assert engine.versions()["dosml-emt"] == "1.0"
set_of = LabelSet(np.array([one.free_energy for one in labels]), [one.forces for one in labels])
models = make_learner("emt-potential").fit(frames, [set_of])
models.save(Path("model.json"), 0)
frames[0].calc = load_model(Path("model.json"))
print(abs(frames[0].get_forces() - labels[0].forces).max(), engine.name)
"""


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout: the wheel has no documentation")
def test_the_package_of_the_page_installs_and_works(tmp_path) -> None:
    package, target = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    files = files_of_the_page()
    for name in ("pyproject.toml", "dosml_emt.py"):
        (package / name).write_text(files[name])
    assert len(files["dosml_emt.py"].strip().splitlines()) <= 12
    install_offline(package, target)
    assert run("-c", USE, folder=tmp_path, path=target).split() == ["0.0", "emt"]
    done = run(
        *("-m", "dosml", "smear-scan", "Cu", "--sigma", "0.2,1.0", "--train", "4", "--test", "2"),
        *("--engine", "emt", "--learner", "emt-potential", "--out", "scan", "--workers", "1"),
        folder=tmp_path,
        path=target,
    )
    assert "with emt on 1 process" in done
    # labels and force field are the same potential; there is no density of states to relate to
    (error,) = set(re.findall(r"^ *(?:0\.2|1) +(\d+\.\d) ", done, re.MULTILINE))
    assert float(error) == 0.0
    assert "gives no density of states" in (tmp_path / "scan" / "report.html").read_text()


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout: the wheel has no documentation")
def test_the_module_of_the_page_works(tmp_path) -> None:
    (tmp_path / "my_calculators.py").write_text(files_of_the_page()["my_calculators.py"])
    words = re.search(r"^\$ dosml (.*ase:my_calculators:labels.*)$", PAGE.read_text(), re.MULTILINE)
    assert words is not None
    plan = run("-m", "dosml", *words[1].split(), "--dry-run", folder=tmp_path)
    assert "with the engine ase:my_calculators:labels" in plan


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give a function that puts a distribution on the path: modules and entry points by hand."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name: str, *points: str, group: str = "dosml.engines", **modules: str) -> None:
        record = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (record / "entry_points.txt").write_text("\n".join([f"[{group}]", *points]) + "\n")
        for module, text in modules.items():
            (tmp_path / f"{module}.py").write_text(text)

    return put


def test_a_broken_plug_in_is_named_and_disturbs_nobody(install) -> None:
    install(
        "sad-package",
        "missing = no_such_module_at_all:ENTRY",
        "raises = sad_raises:ENTRY",
        "number = sad_number:ENTRY",
        "other = sad_number:OTHER",
        "loose = sad_number:LOOSE",
        sad_raises="raise OSError('no licence')\n",
        sad_number=(
            "from pydantic import BaseModel\n"
            "from dosml.relabel.engines.base import EngineEntry\n"
            "ENTRY = 3\n"
            "OTHER = EngineEntry(name='another', help='', make=print)\n"
            "LOOSE = EngineEntry(name='loose', help='', make=print, options=BaseModel)\n"
        ),
    )
    assert {"missing", "raises", "number", "other", "loose"} < set(engine_names())
    for name, says in {
        "missing": "no_such_module_at_all",
        "raises": "OSError: no licence",
        "number": "is a int, expected a EngineEntry",
        "other": "calls itself another",
        "loose": "take any name",
    }.items():
        with pytest.raises(EngineError, match=f"{name} of the distribution sad-package .*{says}"):
            make_engine(name)
    assert make_engine("xtb").name == "xtb"
    assert "missing" not in ENGINES.described()
    with pytest.raises(InputError, match=r"--kpoints is no option of xtb.*\(tb, gpaw"):
        engine_options("xtb", {"kpoints": (2, 2, 2)}, {})


def test_names_that_clash_are_refused(install, caplog) -> None:
    entry = (
        "from dosml.relabel.engines.base import EngineEntry\n"
        "XTB = EngineEntry(name='xtb', help='mine', make=print)\n"
        "TWICE = EngineEntry(name='twice', help='mine', make=print)\n"
    )
    install("rival", "xtb = rival_module:XTB", "twice = rival_module:TWICE", rival_module=entry)
    with caplog.at_level(logging.WARNING, logger="dosml"):
        assert "GFN1" in ENGINES.entry("xtb").help
    assert "the distribution rival: left out, the engine xtb is dosml's own" in caplog.text
    assert list(engine_names()).count("xtb") == 1
    assert make_engine("twice") is None  # print made it
    install("second", "twice = rival_module:TWICE")
    with pytest.raises(EngineError, match="the engine twice is registered by .*uninstall one"):
        make_engine("twice")


def test_a_plug_in_s_options_are_checked_and_shared(install) -> None:
    install(
        "dosml-mine",
        "mine = mine_module:ENTRY",
        group="dosml.learners",
        mine_module=(
            "from pydantic import BaseModel, ConfigDict, Field\n"
            "from dosml.learners.base import LearnerEntry\n"
            "class Options(BaseModel):\n"
            "    model_config = ConfigDict(extra='forbid')\n"
            "    cutoff: float = Field(default=4.0, gt=0, description='Å')\n"
            "ENTRY = LearnerEntry(name='mine', help='mine', options=Options,\n"
            "    suffix='.txt', load=open, make=lambda options, cores: (options.cutoff, cores))\n"
        ),
    )
    assert "mine" in learner_names()
    shared = options_by_learner(["sgp", "mine"], {"cutoff": 5.0, "n_max": 3}, {})
    assert shared == {"sgp": {"cutoff": 5.0, "n_max": 3}, "mine": {"cutoff": 5.0}}
    assert make_learner("mine", shared["mine"], workers=2) == (5.0, 2)
    with pytest.raises(InputError, match="no option cutof of the learner mine: did you mean cut"):
        make_learner("mine", {"cutof": 5.0})
    with pytest.raises(InputError, match="option cutoff of the learner mine cannot be -1"):
        make_learner("mine", {"cutoff": -1})
    with pytest.raises(InputError, match="--device is no option of mine: leave it out, or take"):
        options_by_learner(["mine"], {"device": "cpu"}, {})
    with pytest.raises(InputError, match="no learner named 'mina': did you mean mine?"):
        make_learner("mina")
    assert any(entry.name == "mine" for entry in LEARNERS.usable())


def test_a_broken_learner_is_a_learner_error(install) -> None:
    install("sad-learner", "sad = sad_learner:ENTRY", group="dosml.learners", sad_learner="1 / 0")
    with pytest.raises(LearnerError, match="sad of the distribution sad-learner .*ZeroDivision"):
        make_learner("sad")
    assert "sgp" in LEARNERS.described()
