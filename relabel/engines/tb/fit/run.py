"""Fit the parameters of one metal and write them with their card."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.files import whole_file
from dosml.relabel.elements import element
from dosml.relabel.engines.tb.fit.card import make_card, warnings_of
from dosml.relabel.engines.tb.fit.level_zero import with_level_zero
from dosml.relabel.engines.tb.fit.optimise import Step, steps
from dosml.relabel.engines.tb.fit.plan import ground_state
from dosml.relabel.engines.tb.fit.problem import make_problem
from dosml.relabel.engines.tb.fit.residuals import N_EXTRA, N_VECTOR, Tolerances
from dosml.relabel.engines.tb.fit.samples import load_samples
from dosml.relabel.engines.tb.geometry import bonds_of
from dosml.relabel.engines.tb.model import SHIPPED, load_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Samples
    from dosml.relabel.engines.tb.model import TbParameters

#: Å: every cell has a bond within it.
_REACH = 5.0
SOURCE = (
    "Fitted by python -m dosml.relabel.engines.tb.fit to PBE free energies, forces, stresses and "
    "levels from GPAW."
)


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


def fit_metal(
    start: TbParameters,
    *,
    n_steps: int,
    say: Callable[[str], None],
    started_from: str,
    state_file: Path | None = None,
    data: Path | None = None,
    target: Path = SHIPPED,
) -> TbParameters:
    """Fit one metal and write `target`/SYMBOL.json.

    Parameters
    ----------
    start
        Parameters to begin with; `start.symbol` is the metal.
    n_steps
        Most steps.
    say
        Told after every step.
    started_from
        Name of the start, for the record.
    state_file
        Keeps the state; a fit that finds one continues.
    data
        Folder of the fitting data; None: those that ship.
    target
        Folder of the parameter file.
    """
    began = time.process_time()
    metal = element(start.symbol)
    start = replace(start, electrons=float(metal.valence_electrons))
    samples = load_samples(metal.symbol, start.electrons, data)
    fitted = fit(samples, start, n_steps=n_steps, say=say, state_file=state_file)
    path = target / f"{metal.symbol}.json"
    parameters = replace(
        _with_card(samples, fitted.parameters),
        source=SOURCE,
        kpoint_spacing=_kept_spacing(path),
        provenance={
            "started_from": started_from,
            "energy_offset_ev_per_atom": round(float(fitted.extra[0]), 5),
            "stress_offset_ev_per_cubic_angstrom": round(float(fitted.extra[1]), 6),
            "sum_of_squares": [round(cost, 1) for cost in fitted.costs],
            "converged": fitted.converged,
            "crystals": len(samples.crystals),
            "snapshots": len(samples.snapshots),
            "held_out_snapshots": len(samples.held_out),
            "shortest_distance_angstrom": round(_shortest(samples), 3),
            "tolerances": asdict(Tolerances()),
            "seconds": round(time.process_time() - began),
        },
    )
    _write(path, parameters)
    return parameters


def card_anew(symbol: str, target: Path = SHIPPED) -> TbParameters:
    """Compute zero of the levels and card of a metal that ships anew, and write its file.

    Raises
    ------
    EngineError
        If the metal does not ship.
    """
    parameters = load_parameters(symbol)
    parameters = _with_card(load_samples(symbol, parameters.electrons), parameters)
    _write(target / f"{symbol}.json", parameters)
    return parameters


def _with_card(samples: Samples, parameters: TbParameters) -> TbParameters:
    parameters, errors = with_level_zero(samples, parameters)
    card = make_card(samples, parameters) | {"level_zero": errors}
    return replace(parameters, card=card, warnings=warnings_of(card, ground_state(samples.symbol)))


def _write(path: Path, parameters: TbParameters) -> None:
    with whole_file(path) as partial:
        partial.write_text(
            json.dumps(_rounded(parameters.to_json()), indent=1) + "\n", encoding="utf-8"
        )


def _kept_spacing(path: Path) -> float | None:
    """K-point spacing of the parameters that a fit replaces: it is measured apart from fits."""
    try:
        spacing = json.loads(path.read_text(encoding="utf-8"))["kpoint_spacing"]
    except (OSError, ValueError, KeyError):
        return None
    return None if spacing is None else float(spacing)


def _rounded(values: Any) -> Any:
    """Numbers to twelve digits, so that the last bits of a machine do not show."""
    if isinstance(values, dict):
        return {name: _rounded(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.12g}") if isinstance(values, float) else values


def _shortest(samples: Samples) -> float:
    """Shortest distance that the fit has seen, Å."""
    cells = (*samples.crystals, *samples.snapshots)
    return min(float(bonds_of(one.atoms, _REACH).distances.min()) for one in cells)


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
    path = steps(values, jacobian, state)
    while len(costs) <= n_steps and not state.converged:
        state = next(path)
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
    """State that was kept, or the start."""
    if state_file is not None and state_file.is_file():
        kept: dict[str, Any] = json.loads(state_file.read_text(encoding="utf-8"))
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
            ),
            encoding="utf-8",
        )
