"""From a DOS to an expected force error, and the file of the calibration from a survey's folder."""

import sys

import numpy as np
import pytest
from helpers.made_up_campaigns import METALS, write_campaign

import dosml.studies.learnability
from dosml import learnability_set
from dosml.analysis.measures.table import REDUCED
from dosml.analysis.statistics.learnability import read_calibration, shipped_calibration
from dosml.errors import InputError
from dosml.relabel.elements import element
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.vasp.projected_dos import ProjectedDos
from dosml.studies.learnability import load_calibration, of_file, of_metal
from dosml.theory.dos import ElectronicDos
from dosml.theory.model_bands import SemiEllipticBand
from dosml.theory.response_index import D_WEIGHTS


def test_a_metal_of_the_calibration_is_left_out_and_its_own_error_told(monkeypatch):
    def coarse(name, _, symbols):
        return make_engine(name, {"kpoints": (6, 6, 6)}, symbols)

    monkeypatch.setattr(dosml.studies.learnability, "make_engine", coarse)
    found = of_metal("Cu", shipped_calibration(), None)
    table = shipped_calibration().table.set_index("metal")
    assert found.crystal == "fcc"
    assert found.known == pytest.approx(table.loc["Cu", "force_percent_error"])
    assert "Cu" not in set(found.calibration.table["metal"])
    assert "Cu" not in dict(found.expected.nearest)
    # a crystal at rest beside frames of the same engine
    assert found.response == pytest.approx(table.loc["Cu", REDUCED], rel=0.3)
    text = "\n".join(found.lines())
    assert "Cu: expected force error" in text
    assert "lie in the 90 % interval made without them" in text
    assert "from the d-band centre" in text


class MadeUpFile:
    """What a reader of DOS files gives, of a band that is known in closed form."""

    symbols = ("Tc",)
    smearing = None

    def __init__(self, electrons):
        band = SemiEllipticBand(8.0)
        energies = np.linspace(-9, 9, 3001)
        d = band.dos(energies + band.fermi_level(electrons))
        self.dos = ElectronicDos(energies, d, d)
        # a semi-ellipse of full width 8 eV has a root mean square width of 2 eV
        self.expected = 2.0 * D_WEIGHTS[4] * band.pair_integral(electrons)

    def electronic_dos(self, spin, symbol):
        assert (spin, symbol) == ("sum", None)
        return self.dos


def test_the_file_of_a_known_band_has_its_reduced_chi_four(tmp_path, monkeypatch):
    made = MadeUpFile(8.5)
    assert hasattr(ProjectedDos, "electronic_dos")
    monkeypatch.setattr(dosml.studies.learnability, "read_dos", lambda _: made)
    found = of_file(tmp_path / "vasprun.xml", shipped_calibration(), "fcc")
    assert found.response == pytest.approx(made.expected, rel=2e-3)
    assert found.known is None
    assert found.expected.low < found.expected.percent_error < found.expected.high
    half_full = MadeUpFile(5.0)
    half_full.dos = ElectronicDos(half_full.dos.energies, 2 * half_full.dos.d, 2 * half_full.dos.d)
    monkeypatch.setattr(dosml.studies.learnability, "read_dos", lambda _: half_full)
    with pytest.raises(InputError, match="lies outside the 26 metals"):
        of_file(tmp_path / "vasprun.xml", shipped_calibration(), None)


def test_the_calibration_is_made_from_the_folder_of_a_survey(tmp_path, monkeypatch, capsys):
    for metal in METALS:
        write_campaign(tmp_path / "survey" / metal, metal)
    target = tmp_path / "made.csv"
    arguments = ["learnability_set", "--from", str(tmp_path / "survey"), "--to", str(target)]
    monkeypatch.setattr(sys, "argv", arguments)
    learnability_set.main()
    assert f"{len(METALS)} metals" in capsys.readouterr().out
    made, direct = read_calibration(target.read_text()), load_calibration(tmp_path / "survey")
    assert made.words == direct.words
    assert "labels of xtb at σ = 0.2 eV, learner sgp, 12 training and 9 held-out" in made.words
    assert made.table["crystal"].tolist() == [element(m).prototype for m in sorted(METALS)]
    with pytest.raises(InputError, match="6 metals or more"):
        load_calibration(tmp_path / "survey" / "Ti")
