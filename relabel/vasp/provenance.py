"""What a reader of collected VASP labels must know of how they were made."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from dosml.relabel.dataset.value import Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dosml.relabel.dataset.value import Dataset
    from dosml.relabel.vasp.jobs import VaspJob

#: More k-point grids than these are counted, not listed.
_FEW_GRIDS = 4
_SMEARED = (
    "VASP smears the density of states that it writes with the scheme and width of each run: at a "
    "large width the d band is a smooth curve for any metal, so that its shape tells less than at "
    "the narrowest width."
)
_CHARGED = (
    "Cells with electrons added or removed are neutralised by a uniform background: their total "
    "energies are not comparable between electron numbers, forces and DOS are."
)


def study_provenance(study: Path, dataset: Dataset, jobs: Mapping[str, VaspJob]) -> Provenance:
    """Engine, versions, protocol, and sentences for the report, from the jobs behind the labels.

    Parameters
    ----------
    study
        The study's folder.
    dataset
        Its labels, with the facts "job" and "vasp_version".
    jobs
        The study's jobs by the fact "job".
    """
    facts = [labels.facts for labels in dataset.label_sets]
    protocols: dict[str, Any] = {}
    potcars: dict[str, str] = {}
    kpoints: set[str] = set()
    incar: dict[str, Any] = {}
    for labels in dataset.label_sets:
        # jobs of one label set differ in frame and element only
        protocols[labels.name] = jobs[labels.facts["job"][0]].record["protocol"]
        for job in labels.facts["job"]:
            record = jobs[job].record
            incar = incar or record["incar"]
            potcar = record["potcar"] or {}
            potcars[record["potcar_symbol"]] = str(potcar.get("titel", record["potcar_symbol"]))
            if record["kpoints"] is not None:
                kpoints.add(" x ".join(str(one) for one in record["kpoints"]))
    one = next(iter(protocols.values()))
    same = all(other == one for other in protocols.values())
    limits = [_SMEARED]
    if any(
        labels.setting and labels.setting.electrons_per_atom_shift for labels in dataset.label_sets
    ):
        limits.append(_CHARGED)
    if not same:
        limits.append("The label sets were made with different protocols (see dataset.json).")
    versions = sorted({str(one) for columns in facts for one in columns["vasp_version"]})
    names = ", ".join(sorted(potcars))
    cutoff = incar.get("ENCUT")
    return Provenance(
        engine="vasp",
        warning=f"Labels are DFT from VASP {', '.join(versions)}, preset {one['preset']}"
        + (f", plane waves to {cutoff:g} eV" if isinstance(cutoff, int | float) else "")
        + f", {_grids(sorted(kpoints))}"
        + f", POTCAR {names}: converged only as far as you have checked.",
        limits=tuple(limits),
        versions={"vasp": ", ".join(versions), "pymatgen": version("pymatgen")},
        protocol={
            **({"vasp": one} if same else {"vasp": protocols}),
            "potcars": dict(sorted(potcars.items())),
            "kpoints": sorted(kpoints),
        },
        source=f"the VASP study {study}",
    )


def _grids(kpoints: list[str]) -> str:
    if not kpoints:
        return "k-points by KSPACING"
    few = len(kpoints) <= _FEW_GRIDS
    return f"k-points {', '.join(kpoints)}" if few else f"{len(kpoints)} grids of k-points"
