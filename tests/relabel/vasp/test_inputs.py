"""Inputs: golden folders field by field, electrons, bands, overrides, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.io.vasp import read_vasp
from helpers.golden_cases import FILES, GOLDEN, cases, small_cell, write_case
from helpers.vasp_study import ZVAL, rattled, settings
from pydantic import ValidationError

from dosml.errors import CampaignMismatchError, EngineError, InputError
from dosml.relabel.bands import EMPTY, band_count, reach
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.vasp.jobs import find_jobs, resolve_jobs, write_jobs
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.verify import requested_frame
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

quiet = {"on_progress": lambda _: None}


def tags(path: Path) -> dict[str, str]:
    pairs = (
        line.split("=") for line in path.read_text(encoding="utf-8").splitlines() if "=" in line
    )
    return {key.strip(): value.strip() for key, value in pairs}


@pytest.mark.usefixtures("potcars")
@pytest.mark.parametrize("name", cases())
def test_golden_folder(tmp_path, name):
    written = write_case(tmp_path, name)
    names = {path.name for path in written.iterdir()}
    assert names == {*FILES, "POTCAR", "job.json"}
    assert tags(written / "INCAR") == tags(GOLDEN / name / "INCAR")
    for file in ("KPOINTS", "POSCAR"):
        ours = (written / file).read_text().split()
        golden = (GOLDEN / name / file).read_text().split()
        assert len(ours) == len(golden)
        for one, other in zip(ours, golden, strict=True):
            try:
                assert float(one) == pytest.approx(float(other), abs=1e-12)
            except ValueError:
                assert one == other


@pytest.mark.parametrize("symbol", ["Ti", "Os"])
def test_golden_folders_hold_the_tm23_protocol(symbol):
    """What the paper states, read from the golden files themselves."""
    widths = {}
    for name in cases():
        if not name.startswith(symbol):
            continue
        incar = tags(GOLDEN / name / "INCAR")
        widths[float(incar["SIGMA"])] = int(incar["NBANDS"])
        assert incar["GGA"].upper() == "PE"
        assert float(incar["ENCUT"]) == 520
        assert incar["ISMEAR"] == "1"
        assert incar["ISPIN"] == "1"
        assert incar["LORBIT"] == "11"
        assert incar["NSW"] == "0"
        assert incar["ISYM"] == "0"
        assert float(incar["EDIFF"]) <= 1e-6
        step = (float(incar["EMAX"]) - float(incar["EMIN"])) / (int(incar["NEDOS"]) - 1)
        assert step == pytest.approx(0.02)
        assert float(incar["NELECT"]) == 4 * {"Ti": 10, "Os": 8}[symbol]
        assert (GOLDEN / name / "KPOINTS").read_text().splitlines()[2] == "Gamma"
    assert list(widths) == [0.2, 0.5, 1.0, 2.0]
    assert list(widths.values()) == sorted(set(widths.values()))  # NBANDS grows with SIGMA


def test_gold_with_three_electrons_fewer_has_the_electrons_of_osmium():
    gold = tags(GOLDEN / "Au_as_Os" / "INCAR")
    osmium = tags(GOLDEN / "Os_sigma_0.2" / "INCAR")
    assert float(gold["NELECT"]) == float(osmium["NELECT"]) == 4 * (ZVAL["Au"] - 3)
    assert ZVAL["Os"] == ZVAL["Au"] - 3
    assert {**gold, "NBANDS": ""} == {**osmium, "NBANDS": ""}


@pytest.mark.usefixtures("potcars")
def test_kpoints_are_what_vasp_makes_of_kspacing(tmp_path):
    """N_i = max(1, ceil(|b_i| / KSPACING)), |b_i| with 2 pi: VASP manual, KSPACING."""
    folder = write_case(tmp_path, "Ti_sigma_0.2")
    counts = [int(word) for word in (folder / "KPOINTS").read_text().splitlines()[3].split()[:3]]
    expected = [int(np.ceil(2 * np.pi / length / 0.22)) for length in (5.9, 5.9, 4.68)]
    assert counts == expected == [5, 5, 7]


@pytest.mark.usefixtures("potcars")
def test_written_poscar_is_the_frame(tmp_path):
    frames = rattled("Ti", 5, repeat=(3, 2, 2))
    write_jobs(tmp_path, frames, settings(0.5), VaspProtocol(), **quiet)
    for job in find_jobs(tmp_path):
        assert frame_id(canonical(read_vasp(job.folder / "POSCAR"))) == job.frame_id
        assert requested_frame(job) in frames


@pytest.mark.usefixtures("potcars")
@pytest.mark.parametrize("preset", ["tm23", "matpes"])
def test_the_denser_grid_has_one_more_point_a_direction(tmp_path, preset):
    frame = small_cell("Ti")
    protocol = VaspProtocol(preset=preset, kspacing={"Ti": 0.4})
    write_jobs(tmp_path, [frame], settings(0.2), protocol, **quiet, denser=[frame])
    plain, denser = sorted(find_jobs(tmp_path), key=lambda job: job.denser)
    assert "_denser-" in denser.folder.parent.name
    assert denser.record["kpoints"] == [4, 4, 5]
    grid = (denser.folder / "KPOINTS").read_text().splitlines()
    assert grid[2:4] == ["Gamma", "4 4 5"]
    wanted, own = tags(plain.folder / "INCAR"), tags(denser.folder / "INCAR")
    if preset == "matpes":  # VASP makes the grid itself
        assert float(wanted.pop("KSPACING")) == 0.4
    assert own == wanted


@pytest.mark.usefixtures("potcars")
def test_overrides_are_written_and_recorded(tmp_path):
    protocol = VaspProtocol(incar={"encut": 600, "NCORE": 4, "ALGO": "All"}, kspacing={"Ti": 0.4})
    write_jobs(tmp_path, [small_cell("Ti")], settings(0.2), protocol, **quiet)
    (job,) = find_jobs(tmp_path)
    incar = tags(job.folder / "INCAR")
    assert (float(incar["ENCUT"]), incar["NCORE"], incar["ALGO"]) == (600, "4", "All")
    record = json.loads((job.folder / "job.json").read_text())
    assert record["overridden"] == ["ALGO", "ENCUT", "NCORE"]
    assert record["kpoints"] == [3, 3, 4]
    assert record["potcar"]["zval"] == 10
    # another protocol is another folder: its labels are never mixed with the first one's
    write_jobs(tmp_path, [small_cell("Ti")], settings(0.2), VaspProtocol(), **quiet)
    assert len(find_jobs(tmp_path)) == 2


@pytest.mark.parametrize(
    ("incar", "words"),
    [
        ({"ISMEAR": -5}, "refused for labels"),
        ({"ismear": "-4"}, "refused for labels"),
        ({"ISMEAR": 0}, "--scheme"),
        ({"SIGMA": 0.1}, "--sigma"),
        ({"NELECT": 40}, "--electrons"),
        ({"NSW": 10}, "static"),
        ({"KSPACING": 0.3}, "--kspacing"),
        ({"EN CUT": 1}, "not an INCAR tag"),
    ],
)
def test_refused_overrides(incar, words):
    with pytest.raises(ValidationError, match=words):
        VaspProtocol(incar=incar)


def test_unknown_keys_and_presets_are_refused():
    with pytest.raises(ValidationError, match="no preset"):
        VaspProtocol(preset="mp")
    with pytest.raises(ValidationError, match="kspacin"):
        VaspProtocol(kspacin={"Ti": 0.2})


@pytest.mark.usefixtures("potcars")
def test_cold_smearing_and_too_few_electrons_are_refused(tmp_path):
    cold = ElectronicSetting(Smearing("cold", 0.2))
    with pytest.raises(EngineError, match="no cold smearing"):
        write_jobs(tmp_path, [small_cell("Ti")], [cold], VaspProtocol(), **quiet)
    with pytest.raises(EngineError, match="has 10 valence electrons only"):
        write_jobs(tmp_path, [small_cell("Ti")], settings(0.2, shift=-10), VaspProtocol(), **quiet)


@pytest.mark.usefixtures("potcars")
def test_matpes_preset(tmp_path):
    write_jobs(tmp_path, [small_cell("Os")], settings(0.5), VaspProtocol(preset="matpes"), **quiet)
    (job,) = find_jobs(tmp_path)
    incar = tags(job.folder / "INCAR")
    assert (float(incar["ENCUT"]), incar["ISPIN"], incar["KSPACING"]) == (680, "2", "0.22")
    assert (incar["ISMEAR"], incar["SIGMA"]) == ("1", "0.5")  # the setting, not MatPES's own 0.05
    assert float(incar["NELECT"]) == 4 * ZVAL["Os_pv"]
    assert not (job.folder / "KPOINTS").exists()


@pytest.mark.usefixtures("no_potcars")
def test_without_potcars_vasp_cannot_run_by_mistake_and_the_study_is_resolved_later(
    tmp_path, request
):
    shifts = settings(0.2) + settings(0.2, shift=-3)
    written = write_jobs(tmp_path, [small_cell("Ti")], shifts, VaspProtocol(), **quiet)
    assert (written.new, written.unresolved) == (2, 2)
    for job in find_jobs(tmp_path):
        assert not (job.folder / "INCAR").exists()
        assert not (job.folder / "POTCAR").exists()
        assert (job.folder / "POTCAR.spec").read_text() == "Ti_pv\n"
        spec = (job.folder / "INCAR.unresolved").read_text()
        assert "need the ZVAL of the POTCAR" in spec
        assert "NELECT =" not in spec
    folders = [job.folder for job in find_jobs(tmp_path)]
    assert resolve_jobs(tmp_path, **quiet) == 2
    request.getfixturevalue("potcars")
    assert resolve_jobs(tmp_path, **quiet) == 0
    resolved = find_jobs(tmp_path)
    assert [job.folder for job in resolved] == folders
    electrons = sorted(float(tags(job.folder / "INCAR")["NELECT"]) for job in resolved)
    assert electrons == [28, 40]
    assert not list(tmp_path.glob("jobs/*/*/*unresolved"))
    again = write_jobs(tmp_path, [small_cell("Ti")], shifts, VaspProtocol(), **quiet)
    assert (again.new, again.kept, again.unresolved) == (0, 2, 0)


def test_one_study_has_one_potcar(tmp_path, potcars):
    study = tmp_path / "study"
    write_jobs(study, [small_cell("Ti")], settings(0.2), VaspProtocol(), **quiet)
    library = potcars / "POT_GGA_PAW_PBE_54" / "POTCAR.Ti_pv"
    library.write_text(library.read_text().replace("01Jan2000", "02Jan2000"))
    # the study's own copy goes on being used
    write_jobs(study, [small_cell("Ti")], settings(0.5), VaspProtocol(), **quiet)
    assert len({job.record["potcar"]["sha256"] for job in find_jobs(study)}) == 1
    (study / "potcars" / "POTCAR.Ti_pv").unlink()
    with pytest.raises(CampaignMismatchError, match="another POTCAR"):
        write_jobs(study, [small_cell("Ti")], settings(1.0), VaspProtocol(), **quiet)


@pytest.mark.usefixtures("potcars")
def test_a_potcar_that_the_library_lacks(tmp_path):
    with pytest.raises(InputError, match="no POTCAR Ti_sv"):
        write_jobs(
            tmp_path,
            [small_cell("Ti")],
            settings(0.2),
            VaspProtocol(potcars={"Ti": "Ti_sv"}),
            **quiet,
        )


@pytest.mark.parametrize("scheme", ["fermi-dirac", "gaussian", "methfessel-paxton-1"])
def test_reach_is_where_the_occupation_has_died_out(scheme):
    energy = reach(Smearing(scheme, 0.5))
    smearing = Smearing(scheme, 0.5)
    beyond = np.linspace(energy, energy + 20, 2000)
    assert np.abs(smearing.occupation(beyond)).max() < EMPTY
    assert abs(float(smearing.occupation(energy - 0.01))) > EMPTY
    if scheme == "fermi-dirac":
        assert energy == pytest.approx(0.5 * np.log(1 / EMPTY), abs=0.01)


def free_electron_bands(energy: float, volume: float) -> float:
    """Count plane waves below an energy in a cubic box, the slow way (bands, no spin)."""
    unit = 3.81 * (2 * np.pi / volume ** (1 / 3)) ** 2  # hbar^2/2m = 3.81 eV Å^2
    reach_index = int(np.sqrt(energy / unit)) + 2
    n = np.arange(-reach_index, reach_index + 1)
    x, y, z = np.meshgrid(n, n, n)
    return np.count_nonzero(unit * (x**2 + y**2 + z**2) <= energy)


def test_bands_of_a_free_electron_metal_without_d_or_semicore():
    """In a large box the count is that of plane waves up to E_0 + reach, d bands and margin."""
    volume, n_atoms = 8000.0, 400
    smearing = Smearing("methfessel-paxton-1", 2.0)
    count = band_count(
        n_atoms=n_atoms, n_electrons=11.0 * n_atoms, zval=11, valence_electrons=11,
        volume=volume, smearing=smearing,
    )  # fmt: skip
    waves = free_electron_bands(11.0 + reach(smearing), volume)
    assert count == pytest.approx(1.1 * (5 * n_atoms + waves), rel=0.02)


def test_more_electrons_and_wider_smearing_never_need_fewer_bands():
    options = {"n_atoms": 35, "zval": 10, "valence_electrons": 4, "volume": 600.0}
    counts = [
        band_count(
            n_electrons=35 * (10 + shift), smearing=Smearing("fermi-dirac", width), **options
        )
        for shift in (-3, 0, 3)
        for width in (0.1, 0.5, 2.0)
    ]
    table = np.reshape(counts, (3, 3))
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) > 0).all()
