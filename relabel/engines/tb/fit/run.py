"""Fit the parameters of one metal."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.files import whole_file
from dosml.relabel.engines.tb.fit.optimise import Step, steps
from dosml.relabel.engines.tb.fit.problem import Problem, make_problem
from dosml.relabel.engines.tb.fit.residuals import N_EXTRA, N_VECTOR, Tolerances

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Samples
    from dosml.relabel.engines.tb.model import TbParameters


@dataclass(frozen=True)
class Fitted:
    """Result of a fit.

    Attributes
    ----------
    parameters
        Of the model.
    extra
        Energy offset (eV/atom) and stress offset (eV/Å^3).
    costs
        Sum of squares at the start and after every step.
    converged
        Whether a further step would have gained nothing.
    """

    parameters: TbParameters
    extra: NDArray[np.float64]
    costs: tuple[float, ...]
    converged: bool


def fit(
    samples: Samples,
    start: TbParameters,
    *,
    n_steps: int,
    say: Callable[[str], None],
    tolerances: Tolerances | None = None,
    state_file: Path | None = None,
    seed: int = 0,
) -> Fitted:
    """Fit parameters to the data of a metal, from a start.

    Parameters
    ----------
    samples
        Data.
    start
        Parameters to begin with; its entries that are not free stay.
    n_steps
        Most steps.
    say
        Told after every step.
    tolerances
        What may be missed.
    state_file
        Keeps the state after every step; a fit that finds one continues.
    seed
        Of the random directions.
    """
    problem, extra = make_problem(samples, start, tolerances or Tolerances(), seed)
    free = np.concatenate([start.free, np.ones(N_EXTRA, dtype=bool)])
    full = np.concatenate([start.to_vector(), extra])

    def unpack(x: NDArray[np.float64]) -> tuple[TbParameters, NDArray[np.float64]]:
        whole = full.copy()
        whole[free] = x
        return start.with_vector(whole[:N_VECTOR]), whole[N_VECTOR:]

    def values(x: NDArray[np.float64]) -> NDArray[np.float64] | None:
        return problem.values(*unpack(x))

    def jacobian(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return problem.jacobian(unpack(x)[0])[:, free]

    state, costs = _begin(full[free], values, state_file)
    while len(costs) <= n_steps and not state.converged:
        state = next(steps(values, jacobian, state))
        costs.append(state.cost)
        say(f"{start.symbol} step {len(costs) - 1}: {state.cost:.1f} (damping {state.damping:.1e})")
        if state_file is not None:
            _keep(state_file, state, costs)
    parameters, extra = unpack(state.x)
    return Fitted(parameters, extra, tuple(costs), state.converged)


def _begin(
    x: NDArray[np.float64],
    values: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
    state_file: Path | None,
) -> tuple[Step, list[float]]:
    if state_file is not None and state_file.is_file():
        kept: dict[str, Any] = json.loads(state_file.read_text())
        if len(kept["x"]) == len(x):
            state = Step(np.array(kept["x"]), kept["costs"][-1], kept["damping"], kept["converged"])
            return state, list(kept["costs"])
    residual = values(x)
    cost = np.inf if residual is None else float(residual @ residual)
    return Step(x, cost, 1e-3, converged=False), [cost]


def _keep(path: Path, state: Step, costs: list[float]) -> None:
    with whole_file(path) as partial:
        partial.write_text(
            json.dumps(
                {
                    "x": state.x.tolist(),
                    "costs": costs,
                    "damping": state.damping,
                    "converged": state.converged,
                }
            )
        )


def breakdown(problem: Problem, parameters: TbParameters, extra: NDArray[np.float64]) -> str:
    """Sum of squares by kind of residual, for the log."""
    from dosml.relabel.engines.tb.fit.residuals import CrystalTarget

    sums = {"crystal energies": 0.0, "levels": 0.0, "snapshots": 0.0}
    for target in problem.targets:
        squares = target.values(parameters, extra) ** 2
        if isinstance(target, CrystalTarget):
            sums["crystal energies"] += float(squares[0])
            sums["levels"] += float(squares[1:].sum())
        else:
            sums["snapshots"] += float(squares.sum())
    prior = problem.prior_weight**2 * float(np.sum(problem.prior.residuals(parameters)[0] ** 2))
    return ", ".join(f"{name} {value:.0f}" for name, value in {**sums, "prior": prior}.items())


__all__ = ["Fitted", "breakdown", "fit", "replace"]
