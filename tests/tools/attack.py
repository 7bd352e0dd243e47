"""Give every file of a folder of attacks to every command that takes it, and count what happens.

    python tests/tools/attack.py DATA_FOLDER [--workers 2] [--only WORD] [--all]

DATA_FOLDER holds `bad` and `inputs`. A command may refuse a file clearly (code 2, one line that
names the file) or accept it; it may not fall into the last net, print a traceback, or go on for
more than 60 s of processor time. What it says of a file that it accepts is held against a second
reader (`judges.py`): another answer without a word, or a damaged file that is accepted, is silently
wrong; kinds that nobody can judge are named. Where a command would compute for long, its plan or
tiny settings are taken.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# as a program, and where it is imported for its tests
sys.path.insert(0, str(Path(__file__).parent.parent))
from tools.judges import NotJudgedError, Said, judge_accepted

#: Seconds of processor time that a command has for one file: a busy machine is not its fault.
PATIENCE = 60
#: Memory of a worker, bytes: what takes more is to be refused before it is taken.
MEMORY = 6 << 30
#: Trainings of the smallest kind.
TINY = (
    *("--inducing", "3", "--n-max", "2", "--cutoff", "3.5", "--workers", "1"),
    *("--learner-option", "max_iterations=3"),
)
PLAN = ("--dry-run", "--sigma", "1,2", "--train", "2", "--test", "2")
#: FILE stands for the file, GOOD for sound labels, OUT for a folder that is not there.
FRAMES = (
    ("smear-scan", "FILE", "--engine", "xtb", *PLAN),
    ("nelect-scan", "FILE", "--engine", "xtb", "--dry-run"),
    ("map", "FILE", "--engine", "xtb", "--dry-run"),
    ("survey", "FILE", "--engine", "xtb", *PLAN),
    ("relabel", "FILE", "--sigma", "1", "--out", "OUT"),
    ("relabel", "aimd", "FILE", "--out", "OUT"),
    (
        "phonons",
        "MODEL",
        "--structure",
        "FILE",
        "--min-length",
        "1",
        "--points",
        "5",
        "--out",
        "OUT",
    ),
)
LABELS = (
    ("smear-scan", "--labels", "FILE", "--dry-run"),
    ("train", "FILE", "--l-max", "1", "--out", "OUT", *TINY),
    ("train", "GOOD", "--test-file", "FILE", "--l-max", "1", "--out", "OUT", *TINY),
    ("learning-curve", "FILE", "--l-max", "1", "--sizes", "2,4", "--out", "OUT", *TINY),
    ("transfer", "FILE", "--l-max", "1", "--out", "OUT", *TINY),
    (
        "grid",
        "FILE",
        "--l-max",
        "1",
        "--inducing",
        "3",
        "--n-max",
        "2",
        "--cutoff",
        "3,3.5",
        "--zeta",
        "1",
        "--workers",
        "1",
        "--out",
        "OUT",
    ),
)
SETTINGS = (
    ("smear-scan", "Cu", "--config", "FILE", "--dry-run"),
    ("nelect-scan", "Cu", "--config", "FILE", "--dry-run"),
    ("map", "Cu", "--config", "FILE", "--dry-run"),
    ("survey", "Cu", "--config", "FILE", "--dry-run"),
    ("train", "GOOD", "--config", "FILE", "--l-max", "1", "--out", "OUT", *TINY),
    ("grid", "GOOD", "--config", "FILE", "--out", "OUT", "--zeta", "1", "--inducing", "3",
     "--n-max", "2", "--cutoff", "3,3.5", "--l-max", "1", "--workers", "1"),
    ("phonons", "MODEL", "--structure", "Cu", "--min-length", "1", "--points", "5", "--config",
     "FILE", "--out", "OUT"),
    ("relabel", "run", "STUDY", "--config", "FILE"),
    ("relabel", "script", "STUDY", "--config", "FILE"),
)  # fmt: skip
VASP = (
    ("dos", "FILE"),
    ("dos", "FILE", "--json", "--m-resolved", "--sigma", "0.2", "--plot", "OUT/dos.png"),
    ("relabel", "sample", "FILE", "--out", "OUT/frames.extxyz", "--drop", "0", "--every", "1"),
    ("relabel", "sample", "FILE", "--out", "OUT/frames.extxyz", "--drop", "0", "--every", "5"),
)
MODELS = (
    ("phonons", "FILE", "--structure", "Cu", "--min-length", "1", "--points", "5", "--out", "OUT"),
    ("phonons", "MODEL", "--compare", "FILE", "--structure", "Cu", "--min-length", "1", "--points",
     "5", "--out", "OUT"),
)  # fmt: skip
ALL_KINDS = {
    ".extxyz": FRAMES + LABELS + VASP[:1],
    ".toml": SETTINGS + FRAMES[:1] + LABELS[1:2],
    ".xml": VASP + FRAMES[:1] + FRAMES[4:6] + LABELS[1:2],
    ".npz": MODELS + FRAMES[:1] + LABELS[1:2],
    "": VASP + FRAMES[:1] + FRAMES[4:6] + LABELS[1:2],
}
#: What may happen, the good ends first.
ENDS = (
    *("refused clearly", "accepted and right", "accepted and not judged"),
    *("unclear", "silently wrong", "last net", "timeout"),
)
#: The first of `ENDS` that nobody may meet.
WORST = ENDS.index("unclear")


class TooLongError(BaseException):
    """A command used up its time; no `except Exception` of it may catch this."""


@dataclass(frozen=True)
class Case:
    """One command on one file."""

    path: Path
    words: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of it: one of `ENDS`, what was said, and seconds of processor time."""

    case: Case
    end: str
    said: str
    seconds: float

    def __str__(self) -> str:
        command = " ".join(self.case.words).replace("FILE", self.case.path.name)
        return f"{self.end:<15} {self.seconds:5.1f} s  dosml {command}\n    {self.said[:400]}"


def cases(folder: Path) -> list[Case]:
    """Every file of `bad` and `inputs` with every command that takes its kind."""
    paths = [path for name in ("bad", "inputs") for path in sorted((folder / name).rglob("*"))]
    return [
        Case(path.resolve(), words)
        for path in paths
        if path.is_file()
        for words in ALL_KINDS.get(path.suffix, ALL_KINDS[""])
    ]


def prepare(tools: Path) -> None:
    """Make what commands need beside the file: sound labels, a model, a VASP study.

    Parameters
    ----------
    tools
        Where to.
    """
    import ase.io
    from ase.build import bulk
    from ase.calculators.emt import EMT

    frames = []
    for seed in range(6):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.info = {
            "REF_energy": atoms.get_potential_energy(),
            "tier": ("cold", "warm")[seed % 2],
        }
        atoms.info["REF_stress"] = atoms.get_stress()
        atoms.arrays["REF_forces"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    ase.io.write(tools / "good.extxyz", frames, format="extxyz")
    for words in (
        ("train", "GOOD", "--l-max", "1", "--out", str(tools / "trained"), *TINY),
        ("relabel", "GOOD", "--sigma", "1", "--out", str(tools / "study")),
    ):
        code, said, _ = run_here(_filled(Case(Path(), words), tools))
        if code:
            raise RuntimeError(f"the attack cannot be prepared: {' '.join(words)}: {said}")


def _filled(case: Case, tools: Path) -> list[str]:
    places = {
        "FILE": str(case.path),
        "GOOD": str(tools / "good.extxyz"),
        "MODEL": str(tools / "trained" / "good.npz"),
        "STUDY": "study",
    }
    words = [places.get(word, word) for word in case.words]
    return [word.replace("OUT", "out") if word.startswith("OUT") else word for word in words]


def run_here(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command line in this process; give its code, standard error and output."""
    from dosml.cli import main

    out, err = io.StringIO(), io.StringIO()
    kept = sys.argv
    handlers = {
        one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    }
    sys.argv = ["dosml", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        return int(end.code or 0), err.getvalue(), out.getvalue()
    finally:
        sys.argv = kept
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0, err.getvalue(), out.getvalue()


def _start_worker() -> None:
    """Bound memory and threads, and read the heavy modules before any clock runs."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_long)
    import torch

    torch.set_num_threads(1)


def _too_long(*_: object) -> None:
    raise TooLongError


def attack(case: Case, tools: Path) -> Outcome:
    """Run one command on one file, in an empty folder."""
    place = Path(tempfile.mkdtemp(prefix="attack-"))
    os.chdir(place)
    if "STUDY" in case.words:
        shutil.copytree(tools / "study", place / "study")
    (place / "out").mkdir() if any("OUT/" in word for word in case.words) else None
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        code, said, out = run_here(_filled(case, tools))
        signal.setitimer(signal.ITIMER_PROF, 0)  # the second reader may take its time
        end = judge(case, code, said)
        if end == "accepted":
            left = Said(case.words, case.path, out, said, place, tools / "good.extxyz")
            end, said = judged(left)
    except TooLongError:
        end, said = "timeout", ""
    except BaseException as error:  # noqa: BLE001 - whatever came through the net
        end, said = "last net", f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.chdir(tools)
        shutil.rmtree(place, ignore_errors=True)
    return Outcome(case, end, said.strip(), time.process_time() - start)


def judge(case: Case, code: int, said: str) -> str:
    """Name the end of a command."""
    if "this is a bug" in said or "Traceback" in said:
        return "last net"
    if code == 0:
        return "accepted"
    errors = [line for line in said.splitlines() if line.startswith("dosml: error: ")]
    # a label set is called after its file; what a file of settings says, an option may say too
    named = case.path.stem in said or case.path.suffix == ".toml"
    return "refused clearly" if code == 2 and len(errors) == 1 and named else "unclear"


def judged(left: Said) -> tuple[str, str]:
    """Hold an answer against the second reader; give the end, and why it is this one."""
    try:
        wrong = judge_accepted(left)
    except NotJudgedError as error:
        return "accepted and not judged", str(error)
    return (
        ("silently wrong", f"{wrong}; it said: {left.err}") if wrong else ("accepted and right", "")
    )


def run_all(chosen: list[Case], workers: int) -> list[Outcome]:
    """Run all cases in worker processes."""
    tools = Path(tempfile.mkdtemp(prefix="attack-tools-"))
    try:
        with multiprocessing.get_context("spawn").Pool(workers, _start_worker) as pool:
            # not in this process: a command of ours answers its signals
            pool.apply(prepare, (tools,))
            waiting = [(case, pool.apply_async(attack, (case, tools))) for case in chosen]
            outcomes = []
            for case, one in waiting:
                try:
                    # a command may be in a library, where no alarm reaches it
                    outcomes.append(one.get(timeout=20 * PATIENCE))
                except multiprocessing.TimeoutError:
                    outcomes.append(Outcome(case, "timeout", "in a library, or waiting", PATIENCE))
            pool.terminate()
    finally:
        shutil.rmtree(tools, ignore_errors=True)
    return outcomes


def summary(outcomes: list[Outcome]) -> str:
    """Count the ends, one line."""
    ends = Counter(one.end for one in outcomes)
    counts = ", ".join(f"{ends[end]} {end}" for end in ENDS)
    open_kinds = Counter(
        f"{one.case.words[0]} of {one.case.path.suffix or 'VASP files'}: {one.said}"
        for one in outcomes
        if one.end == "accepted and not judged"
    )
    lines = [
        f"{len(outcomes)} tried: {counts}; slowest {max(one.seconds for one in outcomes):.0f} s",
        *(f"    not judged, {count} times: {kind}" for kind, count in open_kinds.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the command line, attack and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="commands and files that hold this word")
    parser.add_argument("--all", action="store_true", help="print every case, not the worst only")
    given = parser.parse_args()
    chosen = [
        case
        for case in cases(given.data)
        if given.only in f"{' '.join(case.words)} {case.path.name}"
    ]
    outcomes = run_all(chosen, given.workers)
    shown = outcomes if given.all else [one for one in outcomes if one.end in ENDS[WORST:]]
    for one in sorted(shown, key=lambda one: (-ENDS.index(one.end), -one.seconds)):
        print(one)
    print(summary(outcomes))


if __name__ == "__main__":
    main()
