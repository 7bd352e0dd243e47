"""How often the 95 % intervals of force errors hold the truth: the table of docs/findings.md.

    python benchmarks/interval_coverage.py

Three tiers of other size and difficulty; errors of frames scatter log-normally by 30 %, forces by
10 %; neighbouring frames of a tier have a given correlation, as those of a trajectory.
"""

from __future__ import annotations

import numpy as np

from dosml.analysis.statistics.errors import component_sums, percent_error_interval

TRIALS = 2000
SIZE, SHARE = (0.5, 1.0, 1.5), (0.15, 0.10, 0.08)


def coverage(per_tier: int, correlation: float, *, seed: int = 0) -> float:
    """Share of the intervals that hold the true error."""
    rng = np.random.default_rng(seed)
    size, share = np.repeat(SIZE, per_tier), np.repeat(SHARE, per_tier)
    tiers = np.repeat(["cold", "warm", "melt"], per_tier).tolist()
    truth = 100 * float(np.sum(size * share) / np.sum(size))
    hits = 0
    for _ in range(TRIALS):
        z = rng.normal(size=len(size))
        for k in range(len(size)):
            if k % per_tier:
                z[k] = correlation * z[k - 1] + np.sqrt(1 - correlation**2) * z[k]
        errors = size * share * np.exp(0.3 * z - 0.045)
        forces = size * rng.gamma(100, 0.01, len(size))
        sums = component_sums(list(forces + errors), list(forces))
        low, high = percent_error_interval(sums, tiers)
        hits += low <= truth <= high
    return hits / TRIALS


if __name__ == "__main__":
    for correlation in (0.0, 0.3, 0.5):
        for per_tier in (4, 6, 12, 30, 100):
            print(f"{correlation:.1f} {per_tier:4d} {coverage(per_tier, correlation):.3f}")
