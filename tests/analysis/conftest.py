"""A made-up scan whose numbers look like those of titanium; no engine is involved."""

from __future__ import annotations

import html
import json
import shutil
import subprocess

import numpy as np
import pytest
from ase.build import bulk
from PIL import Image

from dosml.analysis.figures import style
from dosml.analysis.figures.style import FigureRecord
from dosml.analysis.statistics.results import HeldOut, SettingResult
from dosml.analysis.statistics.scan import ScanData
from dosml.theory.dos import ElectronicDos, mean_dos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

ENERGIES = np.linspace(-25, 25, 2501)


def peak(centre, width):
    return np.exp(-0.5 * ((ENERGIES - centre) / width) ** 2) / (width * np.sqrt(2 * np.pi))


def made_up_dos(rng, sigma):
    shift = 0.1 * sigma + rng.normal(0, 0.05)
    d = 2 * peak(-1.5 + shift, 0.7) + 3 * peak(0.6 + shift, 0.5) + 5 * peak(2.6 + shift, 0.9)
    d += 0.04 * rng.random(len(d)) * (np.abs(ENERGIES) < 6)
    return ElectronicDos(energies=ENERGIES, total=d + 0.15 * (ENERGIES > -6), d=d, broadening=0.1)


def made_up_setting(sigma, *, shift=0.0, n_atoms=31, train=24, test=12, stresses=True):
    common, own = np.random.default_rng(1), np.random.default_rng(int(1000 * sigma) + 7)
    n = train + test
    tiers = (["cold", "warm", "melt"] * n)[:n]
    scale = {"cold": 0.45, "warm": 0.8, "melt": 1.05}
    base = [common.normal(0, scale[t], (n_atoms, 3)) for t in tiers]
    turned = [common.normal(0, 0.25, (n_atoms, 3)) for _ in tiers]
    step = sigma - 0.2
    forces = [f * (1 - 0.06 * step) + 0.5 * step * g for f, g in zip(base, turned, strict=True)]
    held = forces[train:]
    noise = 0.10 / (1 + 0.5 * step)
    predicted = [
        f + own.normal(0, noise * scale[t], f.shape)
        for f, t in zip(held, tiers[train:], strict=True)
    ]
    energies = -5.0 * n_atoms + 0.5 * sigma + common.normal(0, 1.5, test)
    stress = common.normal(0, 0.02, (test, 6))
    return SettingResult(
        setting=ElectronicSetting(Smearing("fermi-dirac", sigma), shift),
        dos=mean_dos([made_up_dos(own, sigma) for _ in range(n)]),
        forces=forces,
        held_out=HeldOut(
            forces=held,
            forces_predicted=predicted,
            energies=energies,
            energies_predicted=energies + own.normal(0, 0.06, test),
            stresses=stress if stresses else None,
            stresses_predicted=stress + own.normal(0, 0.002, (test, 6)) if stresses else None,
        ),
        label_noise=0.004 / (1 + 9 * step),
        label_noise_percent=0.8 / (1 + 9 * step),
    )


def made_up_frame(seed):
    frame = bulk("Ti") * (4, 4, 1)
    del frame[0]
    frame.rattle(0.1, seed=seed)
    return frame


def made_up_scan(sigmas=(0.2, 0.5, 1.0, 2.0), *, with_frames=False, **options):
    n_train, n_test = options.get("train", 24), options.get("test", 12)
    tiers = (["cold", "warm", "melt"] * (n_train + n_test))[: n_train + n_test]
    return ScanData(
        formula="Ti",
        tiers=tiers,
        test_tiers=tiers[n_train:],
        settings=[made_up_setting(s, **options) for s in sigmas],
        facts={
            "command": "dosml smear-scan Ti --sigma 0.2,0.5,1.0,2.0 --out Ti",
            "engine": "tblite GFN1-xTB",
            "structure": "hcp 4x2x2, 31 atoms, one vacancy",
            "seed": 0,
            "seconds": {"sampling": 21.4, "labels": 310.2, "learning": 44.0},
            "learner": {"kind": "sparse GP, ACE B2", "n_max": 8, "l_max": 3, "cutoff": 5.0},
            "versions": {"dosml": "0.1.0", "tblite": "0.8.0", "torch": "2.13.0"},
            "dropped_frames": {"a1b2c3": "SCF did not converge at σ = 0.2 eV <three tries>"},
            "warnings": ["made-up numbers: this report tests the layout"],
        },
        seed=3,
        frames=[made_up_frame(k) for k in range(n_train + n_test)] if with_frames else None,
    )


@pytest.fixture
def words_only(monkeypatch):
    """Figures are made and not drawn: for tests that read words and numbers of a report."""

    def save(figure, folder, name, *, title, caption):
        folder.mkdir(parents=True, exist_ok=True)
        png = folder / f"{name}.png"
        width, height = figure.get_size_inches()
        Image.new("RGB", (round(200 * width), round(200 * height))).save(png)
        return FigureRecord(title, caption, png, png.with_suffix(".pdf"))

    monkeypatch.setattr(style, "save_figure", save)


@pytest.fixture(scope="session")
def scan():
    return made_up_scan()


@pytest.fixture(scope="session")
def make_scan():
    """The function that makes such a scan, for tests that need another one."""
    return made_up_scan


@pytest.fixture
def in_browser(tmp_path):
    """A function that opens a page at a width and returns what its probe says.

    The probe is JavaScript that gives an object to `tell`; a window is never narrower than 500
    pixels, so the page stands in a frame, which may be.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on the PATH")

    def show(text, probe, width):
        script = (
            "<script>const tell = r => parent.postMessage(JSON.stringify(r), '*');\n"
            f"{probe}</script></body>"
        )
        page, frame = tmp_path / "page.html", tmp_path / "frame.html"
        page.write_text(text.replace("</body>", script), encoding="utf-8")
        frame.write_text(
            "<script>onmessage = function (e) { document.title = e.data; };</script>"
            f'<iframe width="{width}" height="900" style="border:0" src="page.html"></iframe>'
        )
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--enable-logging=stderr", "--window-size=1300,1000"]
        command += ["--virtual-time-budget=30000", frame.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
        assert "CONSOLE" not in done.stderr
        title = done.stdout.split("<title>")[1].split("</title>")[0]
        return json.loads(html.unescape(title))

    return show
