"""Hyperparameters of one label set: several starts, and no label kind given up in silence.

The evidence of a sparse Gaussian process may have several maxima, and the highest may be one that
takes a whole kind of labels for noise: its model of the forces is a little better for it, and its
energies are useless. The evidence cannot see that this is a bad bargain: a set holds thousands of
force components and a few dozen energies, and the noise of one kind stands for the misfit of the
model, which it takes to be independent from label to label. So the choice is:

1. The evidence is maximised from `STARTS`, which differ in how far the energies are trusted.
2. The highest maximum is taken if the noise of each kind is below `DOUBTFUL` of the spread of its
   labels.
3. Else the doubtful noises are bounded by each of `CEILINGS` times the spread and the rest is
   maximised again. All these and the maxima of step 1 are judged by the sum over the label kinds
   of the expected relative error of labels that are left out (`marginal.held_out_errors` over the
   spread, 1 at most): each kind counts the same, however many labels it has. Of those within a
   factor `NEAR` of the smallest sum, the one with the highest evidence is taken.
4. A kind whose noise (or, where it was bounded, whose expected error) is then still above
   `IGNORED` of the spread has not been learnt, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dosml.learners.sgp.likelihood import (
    NOISE_FLOOR,
    dense_likelihood,
    maximise,
    spread,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dosml.learners.sgp.accumulate import Evidence
    from dosml.learners.sgp.hyperparameters import Hyperparameters

#: Noise over the spread of the labels at the start: (energies, forces and stresses).
STARTS = ((0.1, 0.1), (0.002, 0.1))
#: Noise over spread above which the evidence's choice is examined, and that of an ignored kind.
DOUBTFUL, IGNORED = 0.2, 0.5
#: Sums of relative errors that differ by less than this factor count as equal.
NEAR = 1.1
#: Largest noise over spread of a doubtful kind, tried one after the other.
CEILINGS = (0.1, 0.03, 0.01, 0.003, 0.001)

#: Names of the label kinds and their units, for people.
LABELS = {
    "energy": ("energies", "eV per frame"),
    "force": ("forces", "eV/Å"),
    "stress": ("stresses", "eV/Å^3"),
}


@dataclass(frozen=True)
class Choice:
    """Hyperparameters of one label set and how they came about.

    Attributes
    ----------
    hyperparameters
        What was chosen.
    log_likelihood
        Of these.
    evaluations
        Of the likelihood, all starts together.
    bounded
        Label kinds whose noise was bounded because the evidence would have given them up.
    ignored
        Label kinds that were not learnt all the same.
    """

    hyperparameters: Hyperparameters
    log_likelihood: float
    evaluations: int
    bounded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def choose_hyperparameters(
    evidence: Evidence, given: Mapping[str, float | None], max_iterations: int
) -> Choice:
    """Choose the hyperparameters of one label set; see the module.

    Parameters
    ----------
    evidence
        Of the label set.
    given
        Starting values or None for signal, energy_noise, force_noise, stress_noise. A given
        energy noise is the only start; where `max_iterations` is 0 all values are kept.
    max_iterations
        L-BFGS-B steps of each maximisation.
    """
    starts = STARTS if max_iterations and given.get("energy_noise") is None else STARTS[:1]
    found = [maximise(evidence, start(evidence, given, *one), max_iterations) for one in starts]
    best = max(found, key=lambda one: one[1])
    doubtful = _above(evidence, best[0], DOUBTFUL) if max_iterations else ()
    bounded: tuple[str, ...] = ()
    ignored: set[str] = set()
    if doubtful:
        found += _bounded(evidence, best[0], doubtful, max_iterations)
        held_out = [dense_likelihood(evidence, hypers).held_out for hypers, _, _ in found]
        errors = [_relative_error(evidence, one) for one in held_out]
        near = [n for n, error in enumerate(errors) if error <= NEAR * min(errors)]
        number = max(near, key=lambda n: found[n][1])
        best = found[number]
        above = _above(evidence, best[0], DOUBTFUL)
        bounded = tuple(kind for kind in doubtful if kind not in above)
        ignored = {
            kind for kind in bounded if held_out[number][kind] > IGNORED * spread(evidence, kind)
        }
    ignored |= set(_above(evidence, best[0], IGNORED))
    evaluations = sum(count for _, _, count in found)
    return Choice(best[0], best[1], evaluations, bounded, tuple(sorted(ignored)))


def ignored_text(evidence: Evidence, choice: Choice) -> str:
    """Say which labels were not learnt, what was read, and what to do."""
    lines = []
    for kind in choice.ignored:
        name, unit = LABELS[kind]
        lines.append(
            f"the {name} were not learnt: their noise is "
            f"{choice.hyperparameters.noise(kind):.2g} {unit}, where the labels spread by "
            f"{spread(evidence, kind):.2g} {unit}"
        )
    return (
        "; ".join(lines) + ". Do not use these predictions; give stresses or more frames, raise "
        "l_max, n_max or the cutoff, or look for wrong labels"
    )


def _above(evidence: Evidence, hypers: Hyperparameters, share: float) -> tuple[str, ...]:
    """Label kinds whose noise is above a share of their spread, where they have any."""
    return tuple(
        kind
        for kind in evidence.phi
        if hypers.noise(kind) > share * spread(evidence, kind) > share * NOISE_FLOOR[kind]
    )


def _bounded(
    evidence: Evidence, first: Hyperparameters, kinds: tuple[str, ...], max_iterations: int
) -> list[tuple[Hyperparameters, float, int]]:
    """Maxima of the evidence with the noise of doubtful kinds bounded ever more tightly.

    Each kind alone, since the noise of one may be large only because of the other; and energies
    with stresses, which are often given up together.
    """
    groups: list[tuple[str, ...]] = [(kind,) for kind in kinds]
    if {"energy", "stress"} <= set(kinds):
        groups.append(("energy", "stress"))
    found = []
    for group in groups:
        before = first
        for share in CEILINGS:
            ceilings = {kind: share * spread(evidence, kind) for kind in group}
            noises = {f"{kind}_noise": value for kind, value in ceilings.items()}
            found.append(maximise(evidence, replace(before, **noises), max_iterations, ceilings))
            before = found[-1][0]
    return found


def _relative_error(evidence: Evidence, held_out: Mapping[str, float]) -> float:
    """Sum over the label kinds of the expected error of left-out labels over their spread.

    Each counts 1 at most: worse than nothing is as good as nothing.
    """
    return sum(
        min(1.0, error / spread(evidence, kind))
        for kind, error in held_out.items()
        if spread(evidence, kind) > 0
    )
