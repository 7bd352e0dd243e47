"""Force fields trained on a coarse k-mesh, tested on labels of a dense one.

    OMP_NUM_THREADS=1 python benchmarks/coarse_and_dense.py [--metals Ti,Os,Cu,Au]

The default sgp is trained on the training frames of the reference set (PBE, 3 x 3 x 3 k-points) and
tested on one held-out frame of each tier, against the set's own labels and against labels of the
same frames on 5 x 5 x 5 points (`dosml.relabel.engines.tb.fit`). An error of the mesh that looks
like noise averages out over the training frames, and the force field comes nearer to the dense
labels than the coarse labels are; one that repeats from frame to frame is learnt as if it were
physics. With r the error against the coarse labels and e = coarse - dense, `left out` is
-sum(r e) / sum(e e) over the force components: 1 where the force field has left all of e out of
what it learnt, 0 where it learnt all of it. Its error bar is half the range over the frames.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import reference_dataset
from dosml.relabel.engines.tb.fit.plan import dense_snapshots
from dosml.relabel.engines.tb.fit.records import read_data

HEADER = "metal  sigma/eV  MAV     against coarse    against dense    coarse to dense  left out"


def left_out(model: list[np.ndarray], coarse: list[np.ndarray], dense: list[np.ndarray]) -> float:
    """Share of the mesh error that the force field does not repeat."""
    r, e = (np.concatenate(a) - np.concatenate(b) for a, b in ((model, coarse), (coarse, dense)))
    return float(-(r * e).sum() / (e * e).sum())


def compare(metal: str) -> None:
    """Print one line per smearing."""
    data = reference_dataset(metal)
    computed = {record.name: record for record in read_data(metal) if record.role == "dense"}
    # the first held-out frame of each tier, as `dense_snapshots` takes them
    names = [cell.name for cell in dense_snapshots(metal)]
    first = {f"dense-{data.tiers[number]}": number for number in reversed(data.test)}
    numbers = [first[name] for name in names]
    for labels in data.label_sets:
        width = labels.setting.smearing.width
        if width not in computed[names[0]].results:
            continue
        train = [data.frames[number] for number in data.train]
        models = SgpLearner(SgpSettings()).fit(train, [labels.take(data.train)])
        model = models.predict([data.frames[number] for number in numbers])[0].forces
        coarse = [labels.forces[number] for number in numbers]
        dense = [computed[name].results[width].forces for name in names]
        apart = [left_out([m], [c], [d]) for m, c, d in zip(model, coarse, dense, strict=True)]
        size = np.abs(np.concatenate(dense)).mean()
        shown = [f"{metal:<6} {width:<9g} {size:.3f}  "]
        for a, b in ((model, coarse), (model, dense), (coarse, dense)):
            mae = np.abs(np.concatenate(a) - np.concatenate(b)).mean()
            shown.append(f"{mae:.4f} ({100 * mae / size:4.1f} %)")
        bar = (max(apart) - min(apart)) / 2
        print(
            "  ".join([*shown, f"{left_out(model, coarse, dense):+.2f} ± {bar:.2f}"]),
            flush=True,
        )


def main() -> None:
    """Compare metal by metal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metals", default="Ti,Os,Cu,Au")
    torch.set_num_threads(1)
    print("eV/Å; three held-out frames a metal\n" + HEADER)
    for metal in parser.parse_args().metals.split(","):
        compare(metal)


if __name__ == "__main__":
    main()
