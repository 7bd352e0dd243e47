"""A force field at work: its runs, crystal and melting, and what they are held against."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.statistics.stability import Check, elastic_checks, elastic_numbers, run_checks
from dosml.errors import DamagedFileError, InputError
from dosml.files import read_npz, whole_file
from dosml.relabel.ase_factory import evaluate
from dosml.relabel.calibration import calibrate
from dosml.relabel.elements import ELEMENTS, element
from dosml.relabel.frames import frame_id
from dosml.relabel.second_moment import SecondMomentCalculator
from dosml.relabel.store import content_hash
from dosml.studies.model_crystal import relax_crystal
from dosml.studies.model_runs import (
    FAILURES,
    RunPlan,
    Trajectory,
    find,
    keep,
    melting_ramp,
    neighbour_distance,
    simulate,
    superheating,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from dosml.progress import Reporter
    from dosml.studies.force_source import ForceSource

#: Kept frames of each run whose forces the reference and the variances are asked for.
LOOKED_AT = 4
#: Ramp of the melting temperature, in units of the element's own.
RAMP = (0.5, 3.0)


def metal_of(cell: Atoms) -> str | None:
    """Name the one element of a cell, where the element table knows it."""
    symbols = set(cell.get_chemical_symbols())
    return symbols.pop() if len(symbols) == 1 and symbols <= set(ELEMENTS) else None


class ModelStudy:
    """One validation at work: every run is read or made, then looked at.

    Parameters
    ----------
    model, engine
        What is judged, and what it is held against; without an engine the sampling potential.
    cell
        Perfect supercell.
    out
        Folder that keeps the runs.
    reporter
        Where lines go.
    steps, seed
        Of every run.
    """

    def __init__(
        self,
        model: ForceSource,
        engine: ForceSource | None,
        cell: Atoms,
        out: Path,
        reporter: Reporter,
        *,
        steps: int,
        seed: int,
    ) -> None:
        self.model, self.engine, self.cell = model, engine, cell
        self.steps, self.seed, self.out, self.reporter = steps, seed, out, reporter
        metal = metal_of(cell)
        self.potential = None if metal is None else SecondMomentCalculator(calibrate(metal))

    @property
    def reference(self) -> Calculator | None:
        """What forces are held against."""
        return self.potential if self.engine is None else self.engine.calculator

    @property
    def reference_name(self) -> str:
        """Its name for people."""
        return "the sampling potential" if self.engine is None else self.engine.name

    def run_all(
        self, temperatures: Sequence[float]
    ) -> tuple[list[Trajectory], dict[float, Trajectory]]:
        """All runs of the model, and those of the sampling potential by temperature."""
        found: list[Trajectory] = []
        references: dict[float, Trajectory] = {}
        has_stress = "stress" in self.model.calculator.implemented_properties
        plans = [(one, ensemble) for one in temperatures for ensemble in ("NVT", "NVE")]
        if has_stress:
            plans.append((temperatures[len(temperatures) // 2], "NPT"))
        last = self.cell
        with self.reporter.bar("dynamics", len(plans)) as update:
            for number, (temperature, ensemble) in enumerate(plans):
                plan = RunPlan(ensemble, temperature, self.steps, self.seed)
                if ensemble == "NVE":
                    before = found[-1]
                    if not before.frames or before.run.ended:
                        continue  # there is no equilibrium to begin from
                    last = before.frames[-1]
                start = last if ensemble == "NVE" else self.cell
                found.append(self._run(start, self.model, plan))
                if ensemble == "NVT" and self.potential is not None:
                    references[temperature] = self._reference_run(plan)
                update(number + 1)
        return [self._looked_at(one) for one in found], references

    def _run(self, start: Atoms, source: ForceSource, plan: RunPlan) -> Trajectory:
        content = {
            **source.key,
            "start": frame_id(start),
            "momenta": bool(start.get_momenta().any()),
            **vars(plan),
        }
        return self._kept(content, start, source.calculator, plan)

    def _reference_run(self, plan: RunPlan) -> Trajectory:
        assert self.potential is not None
        content = {"potential": "second moment", "start": frame_id(self.cell), **vars(plan)}
        return self._kept(content, self.cell, self.potential, plan)

    def _kept(
        self, content: Mapping[str, Any], start: Atoms, calculator: Calculator, plan: RunPlan
    ) -> Trajectory:
        path = self.out / "runs" / f"{content_hash(dict(content))}.npz"
        found = find(path)
        if found is None:
            found = simulate(start, calculator, plan, self.cell)
            keep(path, found)
        return found

    def _looked_at(self, trajectory: Trajectory) -> Trajectory:
        """Ask for variances and for the reference's forces on some of the frames kept."""
        spreads, forces, largest, errors, sizes = [], [], [], [], []
        calculator = self.model.calculator
        knows = "forces_uncertainty" in calculator.implemented_properties
        for frame in trajectory.frames[-LOOKED_AT:]:
            try:
                mine = evaluate(frame, calculator).forces
                spread = calculator.get_property("forces_uncertainty", frame) if knows else math.nan
                theirs = None if self.reference is None else evaluate(frame, self.reference).forces
            except FAILURES:  # a frame that one of them refuses
                continue
            forces.append(_rms(mine))
            spreads.append(_rms(np.asarray(spread)))
            if theirs is not None:
                largest.append(float(np.linalg.norm(theirs, axis=1).max()))
                errors.append(np.abs(mine - theirs).mean())
                sizes.append(np.abs(theirs).mean())
        # the sampling potential is no label: how far forces are from its own says nothing
        percent = (
            100 * float(np.sum(errors) / np.sum(sizes)) if errors and self.engine else math.nan
        )
        run = replace(
            trajectory.run,
            spread=np.array(spreads),
            force=np.array(forces),
            reference=np.array(largest),
            error_percent=percent,
        )
        return replace(trajectory, run=run)

    def checks(
        self, trajectories: Sequence[Trajectory], references: Mapping[float, Trajectory]
    ) -> list[Check]:
        """Every run against its limits."""
        neighbour = neighbour_distance(self.cell)
        volume = float(self.cell.cell.volume) / len(self.cell)
        coldest = min(one.run.temperature for one in trajectories)
        limits = {key: self._largest_force(one) for key, one in references.items()}
        metal = metal_of(self.cell)
        # above half the melting temperature a small crystal may change or melt, and be right
        solid = metal is not None and coldest <= 0.5 * element(metal).melting_temperature
        return [
            check
            for one in trajectories
            for check in run_checks(
                one.run,
                neighbour,
                volume,
                limits.get(one.run.temperature, math.nan),
                coldest=solid and one.run.temperature == coldest,
            )
        ]

    def _largest_force(self, trajectory: Trajectory) -> float:
        """Largest force of the reference in frames of the sampling potential, eV/Å."""
        assert self.reference is not None
        found = []
        for frame in trajectory.frames[-LOOKED_AT:]:
            try:
                forces = evaluate(frame, self.reference).forces
            except FAILURES:
                continue
            found.append(float(np.linalg.norm(forces, axis=1).max()))
        return max(found, default=math.nan)

    def crystals(self, unit: Atoms) -> tuple[pd.DataFrame, list[Check]]:
        """Lattice and elastic constants of the model, and of the engine."""
        rows: list[dict[str, Any]] = []
        checks: list[Check] = []
        for source in [self.model, *([self.engine] if self.engine else [])]:
            if "stress" not in source.calculator.implemented_properties:
                continue
            mine = source is self.model
            try:
                crystal = relax_crystal(unit, source.calculator)
            except FAILURES as error:
                self.reporter.warn(f"{source.name}: {error}")
                checks += (
                    [Check("crystal", "does not relax", math.nan, "zero pressure", "", False)]
                    if mine
                    else []
                )
                continue
            a, b, c = crystal.lengths
            rows.append(
                {
                    "calculator": source.name,
                    "a_angstrom": a,
                    "b_angstrom": b,
                    "c_angstrom": c,
                    "volume_angstrom3_per_atom": crystal.atoms.cell.volume / len(unit),
                    **elastic_numbers(crystal.stiffness),
                }
            )
            checks += elastic_checks(crystal.stiffness) if mine else []
        a, b, c = unit.cell.lengths()
        rows.append(
            {
                "calculator": "as given",
                "a_angstrom": a,
                "b_angstrom": b,
                "c_angstrom": c,
                "volume_angstrom3_per_atom": unit.cell.volume / len(unit),
            }
        )
        return pd.DataFrame(rows), checks

    def melting(self) -> pd.DataFrame:
        """Superheating of the model, the sampling potential and the engine on the same ramp."""
        metal = metal_of(self.cell)
        if metal is None:
            raise InputError("--melting needs a crystal of one metal whose melting point is known")
        melts = element(metal).melting_temperature
        rows = []
        known = {self.model.name: self.model.calculator, "the sampling potential": self.potential}
        if self.engine is not None:
            known[self.engine.name] = self.engine.calculator
        for name, calculator in known.items():
            assert calculator is not None
            temperatures, order, ended = self._ramp(name, calculator, melts)
            lost = superheating(temperatures, order, len(self.cell))
            outcome = _lost_words(lost, temperatures)
            rows.append(
                {"calculator": name, "order_lost_k": lost, "outcome": outcome, "ended": ended}
            )
            end = f"; the ramp ended early ({ended})" if ended else ""
            self.reporter.say(f"melting ramp, {name}: {outcome}{end}")
        return pd.DataFrame(rows)

    def _ramp(
        self, name: str, calculator: Calculator, melts: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
        """Read a ramp that was kept, or run it: that of an engine takes as long as all else."""
        keys = {self.model.name: self.model.key}
        if self.engine is not None:
            keys[self.engine.name] = self.engine.key
        content = {
            **keys.get(name, {"potential": "second moment"}),
            "ramp": [RAMP[0] * melts, RAMP[1] * melts],
            "start": frame_id(self.cell),
            "steps": self.steps,
            "seed": self.seed,
        }
        path = self.out / "runs" / f"ramp-{content_hash(content)}.npz"
        try:
            kept = read_npz(path)
            return kept["temperatures"], kept["order"], str(kept["ended"])
        except (DamagedFileError, OSError, KeyError):
            pass
        temperatures, order, ended = melting_ramp(
            self.cell,
            calculator,
            first=RAMP[0] * melts,
            last=RAMP[1] * melts,
            steps=3 * self.steps,
            seed=self.seed,
        )
        with whole_file(path) as partial:
            np.savez(
                partial,
                allow_pickle=False,
                temperatures=temperatures,
                order=order,
                ended=np.array(ended),
            )
        return temperatures, order, ended


def _lost_words(lost: float, temperatures: NDArray[np.float64]) -> str:
    """Say where the order of a heated crystal is lost, or how far it was heated."""
    if math.isfinite(lost):
        return f"order lost at {lost:.0f} K"
    return f"a crystal up to {temperatures[-1]:.0f} K" if len(temperatures) else "no crystal"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
