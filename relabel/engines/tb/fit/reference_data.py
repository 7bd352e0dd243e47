"""Fitting data from GPAW, cell by cell: can be stopped at any time and continued.

Every finished cell is one file in the working folder. When all cells of a metal are there, they
become `data/METAL.json.gz` of this package. The snapshots of the metals of the reference set ship
already; a few of them are computed on more k-points here. This module needs GPAW.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from gpaw import GPAW, KohnShamConvergenceError, Mixer
from gpaw.setup import create_setup

from dosml.errors import EngineError
from dosml.relabel.bands import EMPTY
from dosml.relabel.elements import element
from dosml.relabel.engines.gpaw_presets import PRESETS, occupations
from dosml.relabel.engines.gpaw_run import (
    ATTEMPTS,
    CONVERGENCE,
    FUNCTIONAL,
    MORE_BANDS,
    first_bands,
    levels_and_weights,
    number_of_bands,
)
from dosml.relabel.engines.tb.fit.plan import (
    REFERENCE_SNAPSHOTS,
    WIDTHS,
    Cell,
    crystals,
    dense_snapshots,
    snapshots,
)
from dosml.relabel.engines.tb.fit.records import (
    DATA,
    Record,
    Result,
    read_data,
    read_record,
    write_data,
    write_record,
)
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing
from dosml.version import package_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SCHEME = "methfessel-paxton-1"
#: Of snapshots. Against the engine's own limits the forces of a warm Ti and a warm Cu frame moved
#: by 1 to 2.5 meV/Å in the mean, of 450 to 540 meV/Å, and energies by at most 0.2 meV/atom.
SNAPSHOT_CONVERGENCE = {"density": 1e-4, "energy": 5e-4, "eigenstates": 1e-3}
#: Bands beyond semicore and the nine of the tight-binding basis, per atom.
EXTRA_BANDS = 2
#: Å: positions are kept to 1e-8, and GPAW's own tolerance would miss a part of the symmetry of hcp.
SYMMETRY_TOLERANCE = 1e-5
#: Levels kept above the Fermi level, eV.
LEVELS_ABOVE = 12.0


def make_data(symbol: str, folder: Path, say: Callable[[str], None], target: Path = DATA) -> Path:
    """Compute what is missing of one metal, then write its file.

    Parameters
    ----------
    symbol
        Metal.
    folder
        Keeps finished cells.
    say
        Told after every cell.
    target
        Folder of the metal's file.

    Returns
    -------
    Path
        The file. What it holds already stays as it is: remove it to make it anew. A cell that
        failed is named in it; its reason is in `folder`.
    """
    output = target / f"{symbol}.json.gz"
    known = {one.name: one for one in read_data(symbol, target)} if output.is_file() else {}
    more = dense_snapshots if symbol in REFERENCE_SNAPSHOTS else snapshots
    cells = [*crystals(symbol), *more(symbol)]
    start, records, failed = time.perf_counter(), [], []
    if all(cell.name in known for cell in cells):
        say(f"{symbol}: {output.name} is complete")
        return output
    for cell in cells:
        if cell.name in known:
            continue
        path = folder / symbol / f"{cell.name}.json"
        failure = path.with_suffix(".failed")
        if not path.is_file() and not failure.is_file():
            try:
                write_record(path, compute(cell))
            except (KohnShamConvergenceError, EngineError) as error:
                failure.parent.mkdir(parents=True, exist_ok=True)
                failure.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
            say(f"{symbol} {cell.name}: {time.perf_counter() - start:.0f} s")
        if path.is_file():
            records.append(read_record(path))
        else:
            failed.append(cell.name)
    # cells of an earlier plan stay: they are data too
    records = [*known.values(), *records]
    write_data(output, records, {**_facts(records), "failed": failed})
    say(f"{symbol}: {len(records)} cells, {len(failed)} failed, written to {output.name}")
    return output


def _facts(records: Sequence[Record]) -> dict[str, Any]:
    return {
        **package_versions(("gpaw", "gpaw-data")),
        "method": FUNCTIONAL,
        # of technetium it is one that GPAW's generator made, see docs/tight-binding-fit.md
        "paw_data_md5": create_setup(records[0].symbol, FUNCTIONAL).fingerprint,
        "energy_cutoff_ev": PRESETS["laptop"].energy_cutoff,
        "scheme": SCHEME,
        "crystal_convergence": CONVERGENCE,
        "snapshot_convergence": SNAPSHOT_CONVERGENCE,
        "seconds": round(sum(one.facts["seconds"] for one in records), 1),
    }


def compute(cell: Cell) -> Record:
    """Compute one cell, from the widest smearing down.

    Raises
    ------
    KohnShamConvergenceError
        If no mixing converges.
    EngineError
        If the top band is never empty.
    """
    start = time.process_time()
    widths = WIDTHS[::-1] if cell.kind == "snapshot" else WIDTHS[:1]
    settings = [ElectronicSetting(Smearing(SCHEME, width)) for width in widths]
    bands = _bands(cell, settings)
    for _ in range(3):
        results, calculator, top = _converge(cell, settings, bands)
        if top <= EMPTY:
            break
        bands = int(MORE_BANDS * bands)
    else:
        raise EngineError(f"{cell.name}: the top band of {bands} still holds {top:.1e}")
    levels, d_weights = _levels(cell, calculator)
    return Record(
        name=cell.name,
        kind=cell.kind,
        role=cell.role,
        tier=cell.tier,
        symbol=cell.atoms.get_chemical_symbols()[0],
        cell=np.asarray(cell.atoms.cell),
        positions=cell.atoms.positions,
        kpoints=calculator.get_ibz_k_points(),
        weights=calculator.get_k_point_weights(),
        results=dict(sorted(results.items())),
        levels=levels,
        d_weights=d_weights,
        facts={
            "grid": list(cell.grid),
            "gamma": cell.gamma,
            "bands": bands,
            "top_occupation": float(f"{top:.1e}"),
            "seconds": round(time.process_time() - start, 1),
        },
    )


def _semicore(symbol: str) -> int:
    """Bands of closed shells below the valence, per atom."""
    valence: int = create_setup(symbol, FUNCTIONAL).Nv
    return max(0, round((valence - element(symbol).valence_electrons) / 2))


def _bands(cell: Cell, settings: Sequence[ElectronicSetting]) -> int:
    if cell.kind == "crystal":
        symbol = cell.atoms.get_chemical_symbols()[0]
        least = len(cell.atoms) * (_semicore(symbol) + 9 + EXTRA_BANDS)
        return max(least, number_of_bands(cell.atoms, settings))
    return first_bands(cell.atoms, settings)


def _converge(
    cell: Cell, settings: Sequence[ElectronicSetting], bands: int
) -> tuple[dict[float, Result], Any, float]:
    """Results by width, the calculator at the last one, and the largest |f| of the top band."""
    for attempt in ATTEMPTS:
        atoms = cell.atoms.copy()
        atoms.calc = _calculator(cell, settings[0], bands, attempt)
        results, top = {}, 0.0
        try:
            for number, setting in enumerate(settings):
                if number:
                    atoms.calc.set(occupations=occupations(setting))
                results[setting.smearing.width] = Result(
                    free_energy=float(atoms.get_potential_energy(force_consistent=True)),
                    forces=atoms.get_forces(),
                    stress=atoms.get_stress(),
                    fermi_level=float(atoms.calc.get_fermi_level()),
                )
                top = max(top, levels_and_weights(atoms.calc)[2])
                if top > EMPTY:
                    break
        except KohnShamConvergenceError:
            continue
        return results, atoms.calc, top
    raise KohnShamConvergenceError(f"{cell.name}: no mixing converges")


def _calculator(
    cell: Cell, setting: ElectronicSetting, bands: int, attempt: tuple[float, int, float, int]
) -> Any:
    crystal = cell.kind == "crystal"
    return GPAW(
        legacy_gpaw=True,
        mode={"name": "pw", "ecut": PRESETS["laptop"].energy_cutoff},
        xc=FUNCTIONAL,
        kpts={"size": cell.grid, "gamma": True} if cell.gamma else {"size": cell.grid},
        symmetry={"tolerance": SYMMETRY_TOLERANCE} if crystal else {"point_group": False},
        nbands=bands,
        occupations=occupations(setting),
        mixer=Mixer(*attempt[:3]),
        eigensolver={"name": "dav", "niter": 1},
        convergence=dict(CONVERGENCE if crystal else SNAPSHOT_CONVERGENCE),
        maxiter=attempt[3],
        txt=None,
    )


def _levels(cell: Cell, calculator: Any) -> tuple[np.ndarray, np.ndarray]:
    """Levels and their d character without semicore, shapes (n_k, n_bands); none of snapshots."""
    n_k = len(calculator.get_ibz_k_points())
    if cell.kind == "snapshot":
        return np.empty((n_k, 0)), np.empty((n_k, 0))
    levels, weights, _ = levels_and_weights(calculator)
    shape = (n_k, -1)
    d_weights = (weights[1:6].sum(axis=0) / weights[0]).reshape(shape)
    levels = levels.reshape(shape)
    first = len(cell.atoms) * _semicore(cell.atoms.get_chemical_symbols()[0])
    keep = levels.min(axis=0) < calculator.get_fermi_level() + LEVELS_ABOVE
    keep[:first] = False
    return levels[:, keep], d_weights[:, keep]
