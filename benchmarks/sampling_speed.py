"""Seconds per tier of molecular-dynamics sampling, and per step, on one core.

Run with OMP_NUM_THREADS=1: ``python benchmarks/sampling_speed.py Ti Cu W``.
"""

from __future__ import annotations

import sys
import time

from dosml.relabel.calibration import calibrate
from dosml.relabel.sampling import TIERS, default_timestep, sample_frames
from dosml.relabel.structures import build_structure

N_FRAMES = 14


def main(symbols: list[str]) -> None:
    """Print CPU seconds: unlike wall time, they do not depend on what else the machine does."""
    print(f"{N_FRAMES} frames a tier; CPU seconds")
    print(f"{'metal':6}{'atoms':>6}{'step/fs':>9}" + "".join(f"{tier:>8}" for tier in TIERS))
    for symbol in symbols:
        start = build_structure(symbol)
        calibrate(symbol)
        seconds = []
        for tier in TIERS:
            begin = time.process_time()
            sample_frames(symbol, n_frames_per_tier={tier: N_FRAMES}, seed=0)
            seconds.append(time.process_time() - begin)
        step = default_timestep(start.get_masses()[0])
        columns = "".join(f"{value:8.2f}" for value in seconds)
        print(f"{symbol:6}{len(start):6d}{step:9.1f}{columns}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["Ti", "Cu", "Os", "Au", "W", "Mn"])
