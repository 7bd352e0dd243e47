"""Make the calibration of `dosml predict-learnability` that ships, from the folder of a survey.

dosml survey --evidence --out FOLDER
python -m dosml.learnability_set --from FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dosml.analysis.statistics import learnability
from dosml.studies.learnability import load_calibration
from dosml.terminal import print_line


def main() -> None:
    """Write the file and say how good the calibration is."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m dosml.learnability_set")
    parser.add_argument(
        "--from", dest="survey", type=Path, required=True, help="folder of a survey"
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(learnability.__file__).with_name(learnability.SHIPPED),
        help="the file; default: the one in the package",
    )
    given = parser.parse_args()
    calibration = load_calibration(given.survey)
    learnability.write_calibration(calibration, given.to)
    q2, centre = calibration.q2()
    print_line(
        f"{given.to}: {len(calibration.table)} metals, coverage of the 90 % intervals "
        f"{100 * calibration.coverage():.0f} %, Q² {q2:+.2f}, from the d-band centre {centre:+.2f}"
    )


if __name__ == "__main__":
    main()
