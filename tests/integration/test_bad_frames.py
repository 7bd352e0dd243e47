"""Every bad file of the reference data ends in a result or in one clear line."""

from __future__ import annotations

import pytest

from dosml.errors import DosmlError, InputError
from dosml.relabel.dataset import load_files
from dosml.relabel.frames import DYNAMICS, PHONONS, SCAN, VASP_LABELS, read_frames
from dosml.studies.open_study import TrainSettings, load_study_settings
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings

pytestmark = pytest.mark.reference_data

#: Files of frames alone, and what the refusal says; None: they can be used.
FRAMES = {
    "badlattice": "frame 0 of .*Lattice",
    "badprops": "1000000001 columns",
    "binary": "no text in UTF-8",
    "bom": None,
    "crlf": None,
    "empty": "holds no frame",
    "f_X": "frame 1 of .*, atom 0: its element is X",
    "f_cut_mid_frame": "frame 6 of .* is cut off: 2 of its 4 atoms",
    "f_dup": "frames 0 and 1 of .* are identical",
    "f_flat": "frame 1 of .*: its cell is flat",
    "f_huge": "frame 2 of .*, atom 0: its position .* no length",
    "f_hugecell": "frame 1 of .*: its cell .* no lengths",
    "f_left": None,
    "f_mixpbc": "frame 1 of .*pbc T T F",
    "f_neardup": "frames 0 and 1 of .* are the same frame within 0.001 Å",
    "f_nan": "frame 2 of .*, atom 0: .*not finite",
    "f_one": None,
    "f_overlap": "frame 1 of .*: atoms 0 and 1 are 0.00 Å apart",
    "f_tiny": "frame 1 of .*: its cell is flat, 0.001 Å",
    "float_count": "got '4.5'",
    "frames": None,
    "frames16": None,
    "frames_au": None,
    "huge_count": "says 999999999999 atoms",
    "neg_count": "got '-4'",
    "nul": "bytes that are zero",
    "trunc_frames": "frame 4 of .*0 bytes are left",
    "unknown_el": "there is no element 'Qq'",
    "utf16": "UTF-16",
    "zero_atoms": "frame 0 of .* has no atoms",
}
#: Label sets.
LABELS = {
    "X_atom": "frame 1 of .*, atom 0: its element is X",
    "array_energy": "frame 3 of .*: REF_energy is array",
    "bool_energy": "frame 3 of .*: REF_energy is (np.)?True",
    "cut_mid_frame": "frame 12 of .* is cut off: 5 of its 16 atoms",
    "cut_mid_line": "frame 12 of .*, atom 5 .*3 columns, expected 7",
    "flat_cell": "frame 1 of .*: its cell is flat",
    "force_text": "frame 0 of .* cannot be read: could not convert string to float: 'abc'",
    "good": None,
    "huge_cell": "frame 1 of .*: its cell .* no lengths",
    "huge_energy": "frame 3 of .*: REF_energy per atom is",
    "huge_forces": "frame 2 of .*, atom .*: REF_forces is 1e.200",
    "huge_pos": "frame 2 of .*, atom 0: its position .* no length",
    "huge_pos300": "frame 2 of .*, atom 0: its position .* no length",
    "inf_energy": "frame . of .*: REF_energy.* is not finite",
    "inf_pos": "frame 2 of .*, atom 0: its position inf inf inf is not finite",
    "lefthanded": None,
    "missing_energy": "frame . of .* has no REF_energy",
    "missing_forces": "frame . of .* has no REF_forces",
    "missing_stress": "frame . of .* has no REF_stress",
    "mixpbc": "frame 1 of .*pbc T T F",
    "nan_energy": "frame . of .*: REF_energy.* is not finite",
    "nan_forces": "frame . of .*: REF_forces is not finite",
    "nan_pos": "frame 2 of .*, atom 0: its position nan nan nan is not finite",
    "nopbc": "frame 0 of .*pbc F F F",
    "odd_split": "frame 1 of .* is marked split=valid, expected train, val or test",
    "outlier_force": "frame 3 of .*: REF_forces is 2.07e.06",
    "overlap": "frame 1 of .*: atoms 0 and 1 are 0.00 Å apart",
    "overlap_image": "frame 1 of .*: atoms 0 and 1 are 0.00 Å apart",
    "stress_shape": "frame 0 of .*: REF_stress is",
    "text_energy": "frame . of .*: REF_energy is '",
    "tier_array": "frame 0 of .*: its tier is",
    "tier_html": None,
    "tiny_cell": "frame 1 of .*: its cell is flat, 0.001 Å",
    "trunc": "frame 12 of .*0 bytes are left",
    "two_species": None,
    "wrongkeys": "frame 0 of .* has no REF_energy",
    "zero_labels": "all energies and forces are zero",
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name, reference_data) -> None:
    path = reference_data / "bad" / f"{name}.extxyz"
    message = FRAMES[name]
    if message is None:
        for purpose in (SCAN, VASP_LABELS, DYNAMICS, PHONONS):
            assert read_frames(path, purpose)
        return
    with pytest.raises(DosmlError, match=message) as caught:
        read_frames(path, SCAN)
    assert str(path) in str(caught.value)


def test_frames_of_two_metals_are_no_dynamics(reference_data) -> None:
    path = reference_data / "bad" / "f_two.extxyz"
    assert len(read_frames(path, SCAN)) == len(read_frames(path, VASP_LABELS)) > 1
    with pytest.raises(DosmlError, match="frame 1 of .* holds Ag and Cu"):
        read_frames(path, DYNAMICS)


@pytest.mark.parametrize("name", LABELS)
def test_labels(name, reference_data) -> None:
    path = reference_data / "bad" / f"{name}.extxyz"
    message = LABELS[name]
    if message is None:
        assert load_files([path]).notes == ()
        return
    with pytest.raises(DosmlError, match=message) as caught:
        load_files([path])
    assert str(path) in str(caught.value)


def test_sound_labels_are_left_alone(reference_data) -> None:
    for name in ("with-stress", "no-stress", "isolated-atom", "Cu@300K", "Cu[fcc]"):
        assert load_files([reference_data / "inputs" / f"{name}.extxyz"]).notes == ()


def test_settings(reference_data) -> None:
    """Every file of settings is refused by the name of the file or the option."""
    files = sorted((reference_data / "bad").glob("*.toml"))
    assert len(files) > 20
    for path in files:
        if path.name == "empty.toml":
            assert load_scan_settings(SmearScanSettings, {"target": "Ti"}, path).target == "Ti"
            continue
        with pytest.raises(InputError, match=rf"{path.name}|--[a-z-]+ |learner sgp") as caught:
            # what only a learner knows is refused when the learner is made
            load_scan_settings(SmearScanSettings, {}, path).make_learners()
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError):
            load_study_settings(TrainSettings, {"targets": ["Ti"]}, path)
