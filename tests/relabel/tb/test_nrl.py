"""Parameter files in the NRL format: both forms, their traps, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from ase.units import Bohr

from dosml.errors import EngineError
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.nrl import read_nrl
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.radial import radial_functions

BONDS = ("ss s", "sp s", "pp s", "pp p", "sd s", "pd s", "pd p", "dd s", "dd p", "dd d")


@dataclass(frozen=True)
class Text:
    """A file of made-up numbers: the n-th is n/100 unless it is given."""

    tag: str = "NN00000   (Old style Overlap Parameters)"
    title: str = "Titanium (Ti) -- made up"
    range: str = "14.0   16.5   0.5    (Rc, Rmax and delta)"
    onsite_labels: str = "abcd"
    eg: float = 0.0
    given: dict[int, str] = field(default_factory=dict)

    def write(self, folder):
        lines = [
            self.tag,
            self.title,
            "1            (One atom type in this file)",
            self.range,
            "9            (Orbitals for atom 1)",
            "47.90   22   (Atomic Weight of Atom 1)",
            " 2.0  0.0  2.0   (formal spd valence occupancy for atom 1)",
        ]
        for number in range(1, 98):
            value = number / 100
            if 14 <= number <= 17 and len(self.onsite_labels) == 4:
                value = (number - 4) / 100 + self.eg  # e_g as t_2g
            label = "e_{ss sigma}"
            if 2 <= number <= 17:
                label = "b1_s" if len(self.onsite_labels) == 5 else "b_s"
            lines.append(f"  {self.given.get(number, f'{value:.12E}')}    0  {number}   {label}")
        path = folder / "ti_par"
        path.write_text("\n".join([*lines, "", ""]))
        return path


def test_plain_form(tmp_path) -> None:
    read = read_nrl(Text().write(tmp_path))
    assert (read.symbol, read.electrons, read.cutoff_radius, read.cutoff_width) == (
        "Ti", 4.0, 16.5, 0.5,
    )  # fmt: skip
    assert read.decay == 0.01
    np.testing.assert_allclose(read.onsite[0], [0.02, 0, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(read.onsite[2], [0.10, 0, 0.11, 0.12, 0.13])
    np.testing.assert_allclose(read.hopping[0], [0.18, 0.19, 0.20, 0, 0.21])
    np.testing.assert_allclose(read.overlap[9], [0.94, 0.95, 0.96, 0, 0.97])
    assert read.warnings == ()
    assert read.source == "ti_par: Titanium (Ti) -- made up"
    # what the form does not have is no parameter of a fit
    assert read.free.sum() == 1 + 12 + 40 + 40


def test_five_numbers_on_site_where_labels_say_b1_whatever_the_tag(tmp_path) -> None:
    read = read_nrl(Text(onsite_labels="abbbb").write(tmp_path))
    np.testing.assert_allclose(read.onsite[0], [0.02, 0.03, 0.04, 0.05, 0.06])
    np.testing.assert_allclose(read.onsite[2], [0.12, 0.13, 0.14, 0.15, 0.16])
    assert read.free[1:16].all()


def test_overlap_with_delta(tmp_path) -> None:
    text = Text(tag="NN00001 (New style)", given=dict.fromkeys(range(58, 98), "0.1"))
    read = read_nrl(text.write(tmp_path))
    np.testing.assert_allclose(read.overlap[0], [1, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(read.overlap[:, 0], [1, 0, 1, 1, 0, 0, 0, 1, 1, 1])
    assert not read.free[66:116].reshape(10, 5)[:, 0].any()
    # (delta + e R + f R^2 + g R^3) exp(-q^2 R) F_c at 4 Bohr
    radial = radial_functions(replace(read, short_range=(0.0, 0.0)), np.array([4.0]) * Bohr)
    cutoff = 1 / (1 + np.exp((4.0 - 14.0) / 0.5))
    expected = (1 + 0.4 + 1.6 + 6.4) * np.exp(-0.04) * cutoff
    assert radial.overlap[0, 0] == pytest.approx(expected, rel=1e-12)


def test_the_original_form_of_line_4(tmp_path) -> None:
    read = read_nrl(
        Text(range="12.5 0.25  (RCUT and SCREENL for 1-1 interactions)").write(tmp_path)
    )
    assert (read.cutoff_radius, read.cutoff_width) == (12.5, 0.25)


def test_t2g_and_eg_are_averaged_with_a_warning(tmp_path) -> None:
    path = Text(eg=0.05).write(tmp_path)
    read = read_nrl(path)
    np.testing.assert_allclose(read.onsite[2], [0.12, 0, 0.13, 0.14, 0.15])
    assert "not invariant under rotation: their mean is used" in read.warnings[0]
    assert read.warnings[0] in TbEngine(TbOptions(parameters=path)).warning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (Text(tag="TITANIUM"), "not a parameter file in the NRL format"),
        (Text(range="14.0 17.5 0.5"), "R0 = R_max - 5 l"),
        (Text(range="none"), "expected 2 numbers"),
        (Text(title="a metal of mine"), "names no element"),
        (Text(given={4: "3.03423625293E+011"}), "a misprint"),
        (Text(given={4: "b_s"}), "expected 1 numbers"),
    ],
)
def test_what_is_refused(tmp_path, text, message) -> None:
    with pytest.raises(EngineError, match=message):
        read_nrl(text.write(tmp_path))


def test_a_file_for_another_metal_or_with_lines_missing(tmp_path) -> None:
    path = Text().write(tmp_path)
    with pytest.raises(EngineError, match="these are for Ti, the frames are Cu"):
        read_nrl(path, "Cu")
    path.write_text("\n".join(path.read_text().splitlines()[:-5]))
    with pytest.raises(EngineError, match="97 numbers from line 8 on, got"):
        read_nrl(path)
    with pytest.raises(EngineError, match="cannot be read"):
        read_nrl(tmp_path / "nowhere")


def test_the_overlap_of_a_squeezed_dimer_stays_positive(parameters) -> None:
    inner, outer = parameters.short_range
    bare = replace(parameters, short_range=(0.0, 0.0))
    close = np.array([0.4, 0.7, 1.0, 1.01]) * outer * Bohr
    continued, plain = (radial_functions(p, close).overlap for p in (parameters, bare))
    np.testing.assert_array_equal(continued[2:], plain[2:])
    assert (np.abs(continued[:2]).max(axis=1) < np.abs(plain[:2]).max(axis=1)).all()
    assert inner == pytest.approx(0.7 * outer)
