"""Make the reference set, metal by metal: label with GPAW, then write the files that ship.

    python -m dosml.reference_set FOLDER METAL... [--train 40] [--test 12]

FOLDER keeps the campaigns, so a stopped run continues and more frames extend what is there.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from dosml.progress import Reporter
from dosml.relabel.engines.dataset import REFERENCE, write_dataset
from dosml.relabel.store import LabelStore
from dosml.settings import SmearScanSettings
from dosml.studies.frames_source import engine_of, get_frames
from dosml.studies.labelling import make_labels, pair
from dosml.studies.scan import scan_settings


def make(folder: Path, metal: str, train: int, test: int) -> None:
    """Label one metal, and write its files."""
    settings = SmearScanSettings(
        target=metal, engine="gpaw", preset="laptop", train=train, test=test, out=folder / metal
    )
    reporter, engine = Reporter(), engine_of(settings)
    electronic = scan_settings(settings)
    frames = get_frames(settings, settings.folder, reporter)
    store = LabelStore(settings.folder / "labels", engine.fingerprint())
    make_labels(engine, store, frames, electronic, settings.workers, reporter)
    paired = pair(store, frames, electronic, reporter)
    facts = {
        "warning": engine.warning,
        "engine": engine.fingerprint(),
        "frames": {"train": train, "test": test, "seed": settings.seed, "dropped": paired.dropped},
        "machine": platform.machine(),
    }
    write_dataset(REFERENCE, metal, paired.frames, paired.label_sets, facts)
    reporter.say(f"{metal}: {len(paired.frames)} frames written to {REFERENCE}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("metals", nargs="+")
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--test", type=int, default=12)
    given = parser.parse_args()
    for metal in given.metals:
        make(given.folder, metal, given.train, given.test)


if __name__ == "__main__":
    main()
