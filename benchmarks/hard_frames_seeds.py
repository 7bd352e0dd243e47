"""Hard frames against random ones over several starting seeds, with intervals over seeds.

    python benchmarks/hard_frames_seeds.py more-Ti-1 more-Ti-2 ...

FOLDERs are those of `dosml label-more` with `--random 1`, each from a scan with another `--seed`:
what is said of one folder holds for its frames only. Both curves of a seed begin from the same
training; the last round of the hard frames is held against as many random ones. Student intervals
(95 %) of the mean over seeds; a difference is taken seed by seed.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pandas as pd

from dosml.analysis.statistics.errors import t_half_width

#: What each row of a seed holds, all in %.
_COLUMNS = ("before", "hard", "random", "hard - random")


def last_round(folder: Path) -> pd.DataFrame:
    """Errors before, after the last round of hard frames, and after as many random ones, in %."""
    table = pd.read_csv(folder / "hard_frames.csv").set_index(["held_out", "label_set"])
    table = table.rename(columns={"force_percent_error": "error"})
    hard = table[table["curve"] == "hard"]
    chance = table[table["curve"] == "random 1"]
    # a random frame that the engine refuses leaves that curve a frame short
    last, other = hard["n_train"].max(), chance["n_train"].max()
    found = pd.DataFrame(
        {
            "before": hard[hard["n_train"] == hard["n_train"].min()]["error"],
            "hard": hard[hard["n_train"] == last]["error"],
            "random": chance[chance["n_train"] == other]["error"],
        }
    )
    found["hard - random"] = found["hard"] - found["random"]
    found["frames"] = f"{last} and {other}"
    return found


def told(values: pd.Series) -> str:
    """Mean with its interval."""
    count = len(values)
    if count < 2:
        return f"{values.mean():.1f}"
    half = t_half_width(float(values.std(ddof=1)) / math.sqrt(count), count - 1)
    return f"{values.mean():.1f} ({values.mean() - half:+.1f} to {values.mean() + half:+.1f})"


def main() -> None:
    """Print one row per kind of held-out frames and label set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    seeds = [last_round(folder) for folder in parser.parse_args().folders]
    print(
        f"{len(seeds)} seeds; training frames: {', '.join(one['frames'].iloc[0] for one in seeds)}"
    )
    together = pd.concat(seeds)
    for (held_out, label_set), rows in together.groupby(level=[0, 1]):
        better = int((rows["hard - random"] < 0).sum())
        cells = [f"{name} {told(rows[name])}" for name in _COLUMNS]
        print(f"{held_out}, {label_set}: {'; '.join(cells)}; hard is better in {better}")


if __name__ == "__main__":
    main()
