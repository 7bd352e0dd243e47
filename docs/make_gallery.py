"""Make the gallery: small real runs, whose reports are packed into `docs/gallery`.

`make gallery` runs this; it takes some ten minutes on two cores. The site unpacks the pages.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shlex
import subprocess
import sys
from pathlib import Path

from dosml.analysis.figures.interactive import plotly_library

HERE = Path(__file__).parent / "gallery"
#: What stands in a packed page for the library of its interactive figures.
LIBRARY = "@@plotly.js@@"
#: Page -> command and folder of its report, in the order of `gallery.md`, where they stand too.
RUNS = {
    "smear-scan": ("dosml smear-scan Ti --labels reference --out ti-pbe", "ti-pbe"),
    "demo": ("dosml smear-scan Ti --train 12 --test 6", "dosml-smear-scan-Ti"),
    "nelect-scan": (
        "dosml nelect-scan Ti --electrons=-1,0,1 --train 6 --test 6",
        "dosml-nelect-scan-Ti",
    ),
    "survey": (
        (
            "dosml survey Ti Os Cu Au --labels reference --out four-metals && "
            "dosml report four-metals --out four-metals"
        ),
        "four-metals",
    ),
    "recommend-smearing": (
        "dosml recommend-smearing ti-pbe --out recommend-Ti",
        "recommend-Ti",
    ),
    "evaluate": (
        "dosml evaluate reference --metal Cu --model ase:ase.calculators.emt:EMT",
        "dosml-evaluate-Cu-EMT",
    ),
    "train": ("dosml train ti-pbe --label-sets sigma_0.2,sigma_2 --out train-Ti", "train-Ti"),
    "learning-curve": (
        "dosml learning-curve ti-pbe --label-sets sigma_0.2,sigma_2 --repeats 2 --out curve-Ti",
        "curve-Ti",
    ),
    "transfer": (
        "dosml transfer ti-pbe --label-sets sigma_0.2 --out transfer-Ti",
        "transfer-Ti",
    ),
    "phonons": ("dosml phonons tb --structure fcc-Cu", "dosml-phonons-fcc-Cu-tb"),
}


def pack(name: str, work: Path) -> None:
    """Keep the report of a run, without what every page of its kind shares."""
    page = (work / RUNS[name][1] / "report.html").read_text(encoding="utf-8")
    page = page.replace(plotly_library(), LIBRARY)
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.html.gz").write_bytes(gzip.compress(page.encode(), 9, mtime=0))


def unpack(target: Path) -> None:
    """Write the pages of the gallery for the site."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(HERE.glob("*.html.gz")):
        page = gzip.decompress(path.read_bytes()).decode()
        if LIBRARY in page:
            page = page.replace(LIBRARY, plotly_library())
        (target / path.name.removesuffix(".gz")).write_text(page, encoding="utf-8")


def main() -> None:
    """Run every command in a folder, or go on where an earlier run of it stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="Folder for the runs.")
    work: Path = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name, (command, folder) in RUNS.items():
        if not (work / folder / "report.html").exists():
            for one in command.split(" && "):
                subprocess.run(  # noqa: S603 - commands that stand above
                    shlex.split(one), cwd=work, check=True, env={**os.environ, "PATH": path}
                )
        pack(name, work)


if __name__ == "__main__":
    main()
