"""`dosml predict-learnability`: the force error of a metal from its DOS, before any training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ase.data import atomic_numbers

from dosml.analysis.measures.reading import DosReading, DosWindows
from dosml.analysis.measures.table import MEASURES, REDUCED
from dosml.analysis.statistics.learnability import Calibration, calibration_of, shipped_calibration
from dosml.errors import InputError, LabelError
from dosml.relabel.elements import element
from dosml.relabel.engines.registry import default_engine, make_engine
from dosml.relabel.label import Label
from dosml.relabel.own_d import no_d_words, own_d
from dosml.relabel.structures import unit_cell
from dosml.relabel.vasp.projected_dos import read_dos
from dosml.studies.survey_report import survey_of
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from dosml.analysis.statistics.learnability import Expectation
    from dosml.analysis.statistics.survey import SurveyData
    from dosml.theory.dos import ElectronicDos

#: eV, of the DOS that is computed for a metal named by its symbol.
_WIDTH = 0.2


@dataclass(frozen=True)
class Learnability:
    """What is expected of one metal.

    Attributes
    ----------
    name
        Of the metal or file.
    response
        Its reduced chi_4, (states/atom)^2.
    crystal
        Kind of crystal, or None.
    expected
        Force error with its 90 % interval.
    calibration
        What it rests on; without the metal itself where it is one of it.
    known
        Force error of the metal in the calibration, in %, or None: it was left out.
    notes
        What a reader must know.
    """

    name: str
    response: float
    crystal: str | None
    expected: Expectation
    calibration: Calibration
    known: float | None
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it in lines."""
        error, n = self.expected, len(self.calibration.table)
        q2, centre = self.calibration.q2()
        near = ", ".join(f"{metal} {value:.1f} %" for metal, value in error.nearest)
        lines = [
            (
                f"{self.name}: expected force error {error.percent_error:.1f} % (90 %: "
                f"{error.low:.1f} to {error.high:.1f} %), from chi_4 times the d-band width = "
                f"{self.response:.3f} (states/atom)², crystal {self.crystal or 'not known'}"
            ),
            f"nearest metals: {near}",
            (
                f"calibration: {n} metals; {100 * self.calibration.coverage():.0f} % of them lie "
                f"in the 90 % interval made without them; Q² of ln(error) {q2:+.2f} for a metal "
                f"left out, {centre:+.2f} from the d-band centre"
            ),
            f"of: {self.calibration.words}",
        ]
        if self.known is not None:
            lines.append(
                f"{self.name} itself has {self.known:.1f} % there; it was left out of the "
                "calibration"
            )
        return lines + [f"note: {note}" for note in self.notes]


def load_calibration(survey: Path | None) -> Calibration:
    """Calibration of a survey's folder, or the one that ships.

    Raises
    ------
    InputError
        If the folder holds no survey, or too few metals.
    """
    if survey is None:
        return shipped_calibration()
    found = survey_of([survey])
    return calibration_of(found, calibration_words(found))


def calibration_words(survey: SurveyData) -> str:
    """Say what a survey's force errors are of, in one line."""
    first = survey.campaigns[0].settings
    width, _ = survey.reference
    engines = sorted({str(one.settings.get("engine", "unknown")) for one in survey.campaigns})
    learners = sorted({_listed(one.settings.get("learner")) for one in survey.campaigns})
    return (
        f"labels of {', '.join(engines)} at σ = {width:g} eV, learner {', '.join(learners)}, "
        f"{first.get('train')} training and {first.get('test')} held-out frames, cells "
        f"{first.get('cell')}, k-points {first.get('kpoints')}, d-DOS: mean over these frames"
    )


def _listed(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def of_file(path: Path, calibration: Calibration, crystal: str | None) -> Learnability:
    """Expect the force error of the metal whose DOS a file holds.

    Parameters
    ----------
    path
        What `dosml dos` reads: vasprun.xml, DOSCAR, vaspout.h5, CompleteDos.
    calibration
        The metals.
    crystal
        Kind of crystal, or None.

    Raises
    ------
    InputError
        If there are no d states, or the response lies outside the range of the calibration.
    DosmlError
        If the file cannot be read.
    """
    read = read_dos(path)
    symbols = sorted(set(read.symbols))
    notes = [
        (
            "the DOS of a file is one of its own method and structure; those of the calibration "
            "are means over thermal and molten frames of its engine: a systematic difference of "
            "chi_4 or of the width shifts the answer"
        )
    ]
    if len(symbols) > 1:
        notes.append(f"the file holds {', '.join(symbols)}, the calibration pure metals")
    dos = read.electronic_dos("sum", None)
    if named := set(symbols) - {""}:
        dos = own_d(dos, named)
    response = _response(dos, read.smearing, str(path))
    return _learnability(
        str(path), symbols[0] if len(symbols) == 1 else None, response, crystal, calibration, notes
    )


def of_metal(symbol: str, calibration: Calibration, crystal: str | None) -> Learnability:
    """Expect the force error of an element, whose DOS the default engine computes.

    Parameters
    ----------
    symbol
        One of the 27 metals.
    calibration
        The metals; the element itself is left out.
    crystal
        Kind of crystal; None: the ground state.

    Raises
    ------
    UnknownElementError
        If it is none of them.
    InputError
        If it has no d shell.
    LabelError
        If the engine fails.
    """
    if symbol in atomic_numbers and no_d_words([symbol]):
        raise InputError(no_d_words([symbol]))
    known = element(symbol)
    kind = crystal or known.prototype
    engine = make_engine(default_engine([symbol]).name, {}, [symbol])
    setting = ElectronicSetting(Smearing(engine.default_scheme, _WIDTH), 0.0)
    with TemporaryDirectory() as folder:
        ladder = engine.label_ladder(unit_cell(symbol, kind), [setting], [], Path(folder))
        label = next(iter(ladder))[1]
    if not isinstance(label, Label) or label.dos is None:
        reason = "it gives no DOS" if isinstance(label, Label) else label.reason
        raise LabelError(f"the engine {engine.name} has no d-DOS of {symbol} in {kind}: {reason}")
    notes = [
        (
            f"the DOS is that of the perfect {kind} crystal from the engine {engine.name}; those "
            "of the calibration are means over thermal and molten frames"
        )
    ]
    response = _response(label.dos, setting.smearing, symbol)
    return _learnability(symbol, symbol, response, kind, calibration, notes)


def _response(dos: ElectronicDos, smearing: Smearing | None, name: str) -> float:
    low, high = DosWindows().moments
    window = (max(low, float(dos.energies[0])), min(high, float(dos.energies[-1])))
    try:
        reading = DosReading(dos, smearing, DosWindows(moments=window))
        if not reading.has_d:
            raise InputError(f"{name} holds no d states within {window[0]:g} to {window[1]:g} eV")
        return MEASURES[REDUCED].function(reading)
    except ValueError as error:
        raise InputError(f"{name}: the response cannot be read: {error}") from error


def _learnability(
    name: str,
    metal: str | None,
    response: float,
    crystal: str | None,
    calibration: Calibration,
    notes: list[str],
) -> Learnability:
    mine = calibration.table[calibration.table["metal"] == metal]
    used, known = calibration, None
    if metal is not None and len(mine):
        used = calibration.without(metal)
        known = float(mine["force_percent_error"].iloc[0])
    try:
        expected = used.expect(response, crystal)
    except InputError as error:
        own = "" if known is None else f"; {metal} itself, left out here, has {known:.1f} %"
        raise InputError(f"{name}: {error}{own}") from error
    if crystal is not None and crystal not in set(used.table["crystal"]):
        notes = [*notes, f"no metal of the calibration is {crystal}: no offset for the crystal"]
    return Learnability(name, response, crystal, expected, used, known, tuple(notes))
