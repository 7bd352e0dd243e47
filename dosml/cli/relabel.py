"""`dosml relabel`: VASP labels of your own frames, from inputs to extxyz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dosml.cli.quantities import numbers
from dosml.cli.relabel_options import (
    electronic_settings,
    listed,
    reporter_outside_campaign,
    vasp_protocol,
)
from dosml.cli.relabel_run import Study, run, script, status, work
from dosml.errors import InputError, about
from dosml.limits import MOST_WORKERS
from dosml.paths import check_output

_INPUTS = "inputs"


class _InputsByDefault(TyperGroup):
    """`dosml relabel FRAMES ...` is `dosml relabel inputs FRAMES ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = [_INPUTS, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_InputsByDefault,
    no_args_is_help=True,
    help="Label frames with VASP: dosml relabel FRAMES writes the inputs; then run, then collect.",
)

Incar = Annotated[
    list[str] | None,
    typer.Option(help="Change an INCAR tag: TAG=VALUE, as often as needed; it is recorded."),
]
ForceIncar = Annotated[
    bool,
    typer.Option("--force-incar", help="Take INCAR tags that are on no list of VASP's tags too."),
]
Potcar = Annotated[
    list[str] | None, typer.Option(help="Take another POTCAR: ELEMENT=NAME, such as Ti=Ti_sv.")
]
Functional = Annotated[
    str | None,
    typer.Option(help="Part of the POTCAR library. [default: PBE_54 for tm23, PBE_64 for matpes]"),
]


@app.command(_INPUTS)
def inputs(
    frames: Annotated[
        Path, typer.Argument(help="Frames, extxyz, of any elements: metals, alloys, compounds.")
    ],
    *,
    engine: Annotated[str, typer.Option(help="What labels them: vasp.")] = "vasp",
    sigma: Annotated[str, numbers("Smearing widths in eV, a comma list.")] = "0.2,0.5,1.0,2.0",
    scheme: Annotated[
        str, typer.Option(help="methfessel-paxton-N, gaussian or fermi-dirac.")
    ] = "methfessel-paxton-1",
    electrons: Annotated[
        str,
        numbers("Electrons added per atom, a comma list: write --electrons=-3,0,3."),
    ] = "0",
    preset: Annotated[str, typer.Option(help="tm23 or matpes.")] = "tm23",
    incar: Incar = None,
    force_incar: ForceIncar = False,
    kspacing: Annotated[
        str | None,
        typer.Option(
            help="k-point spacing in 1/Å (2 pi included): a number, or Ti=0.18,Os=0.2. "
            "[default: 0.22]"
        ),
    ] = None,
    potcar: Potcar = None,
    potcar_functional: Functional = None,
    noise_frames: Annotated[
        int,
        typer.Option(
            min=0,
            help="Frames of each metal (held-out ones first, one of each tier) that get jobs on a "
            "denser grid too, one more k-point in every direction: collect compares the forces. "
            "[default: none]",
            show_default=False,
        ),
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study. [default: dosml-vasp-NAME]")
    ] = None,
) -> None:
    """Write one VASP input folder per frame and setting.

    Give it again with more settings or frames to add what is missing. POTCARs come from
    PMG_VASP_PSP_DIR (see pymatgen); without them NELECT and NBANDS are left open, and dosml relabel
    resolve fills them in later.
    """
    if engine != "vasp":
        raise InputError(
            f"--engine {engine}: dosml relabel writes inputs for vasp; the engines that run here "
            "label in dosml smear-scan"
        )
    study = out or Path(f"dosml-vasp-{frames.stem}")
    check_output(study)
    settings = electronic_settings(sigma, scheme, electrons)
    protocol = vasp_protocol(
        preset=preset,
        incar=incar,
        force_incar=force_incar,
        kspacing=kspacing,
        potcars=potcar,
        potcar_functional=potcar_functional,
    )
    from dosml.campaign import Campaign
    from dosml.relabel.frames import VASP_LABELS, read_frames
    from dosml.relabel.vasp.jobs import write_jobs
    from dosml.relabel.vasp.noise import noise_frames as frames_for_noise

    read = read_frames(frames, VASP_LABELS)
    reporter = reporter_outside_campaign()
    metals = sorted({"-".join(sorted(set(frame.symbols))) for frame in read})
    denser = frames_for_noise(read, noise_frames)
    subject = f"VASP labels of {', '.join(metals)}"
    with (
        about(frames),
        Campaign(study, subject) as campaign,
        reporter.bar("writing inputs", (len(read) + len(denser)) * len(settings)) as update,
    ):
        campaign.record({"command": "relabel", "protocol": protocol.model_dump(mode="json")})
        written = write_jobs(study, read, settings, protocol, on_progress=update, denser=denser)
    again = f", {len(denser)} of them on a denser grid too," if denser else ""
    reporter.say(
        f"{study}: {len(read)} frames{again} x {len(settings)} settings ("
        + ", ".join(setting.name for setting in settings)
        + f"): {written.new} input folders written, {written.kept} were there"
    )
    if written.unresolved:
        reporter.warn(_UNRESOLVED.format(count=written.unresolved, study=study))


_UNRESOLVED = (
    "no POTCAR library (PMG_VASP_PSP_DIR is not set): in {count} folders NELECT and NBANDS are "
    "open, INCAR is named INCAR.unresolved and POTCAR.spec stands for the POTCAR. Where the "
    "POTCARs are, run: dosml relabel resolve {study}"
)


@app.command()
def resolve(study: Study) -> None:
    """Fill in NELECT, NBANDS and POTCAR where they were not at hand before."""
    from dosml.relabel.vasp.jobs import find_jobs, resolve_jobs

    reporter = reporter_outside_campaign()
    total = sum(not job.resolved for job in find_jobs(study))
    with reporter.bar("resolving", total) as update:
        left = resolve_jobs(study, on_progress=update)
    if left:
        raise InputError(_UNRESOLVED.format(count=left, study=study))
    reporter.say(f"{study}: {total} jobs resolved, all have their POTCAR, NELECT and NBANDS")


app.command()(run)
app.command()(script)
app.command(hidden=True)(work)
app.command()(status)


@app.command()
def collect(
    study: Study,
    *,
    unpaired: Annotated[
        bool,
        typer.Option(
            "--unpaired",
            help="Keep frames that lack a label at some setting: a dataset per setting, in "
            "STUDY/unpaired.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that read. [default: all cores]"),
    ] = None,
) -> None:
    """Read, check and gather all labels into STUDY/collected: extxyz, DOS, labels.csv.

    Every frame in it has a label at every setting; refused.csv names the others with the reason. A
    job is refused when it did not converge, its highest band is occupied, its INCAR or frame is
    not the one asked for, or its output is damaged.
    """
    from dosml.relabel.vasp.collect import collect as collect_study
    from dosml.relabel.vasp.jobs import find_jobs
    from dosml.settings import available_cores

    reporter = reporter_outside_campaign()
    with reporter.bar("collecting", len(find_jobs(study))) as update:
        found = collect_study(
            study, unpaired=unpaired, workers=workers or available_cores(), on_progress=update
        )
    kinds: dict[str, int] = {}
    for one in found.refused:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
        if kinds[one.kind] == 1:
            reporter.warn(f"refused ({one.kind}): {one.reason}")
    reporter.say(f"{found.n_labels} labels; {len(found.refused)} jobs refused" + listed(kinds))
    if found.lost:
        job, words = found.lost[0]
        reporter.warn(f"{len(found.lost)} labels lost a part, the first {job}: {words}")
    for line in found.dropped_settings:
        reporter.warn(f"setting left out: {line}")
    if found.dropped:
        reporter.say(
            f"{len(found.dropped)} frames lack a label at some setting and were left out "
            "(--unpaired keeps them)"
        )
    for name, noise in found.noise.items():
        reporter.say(
            f"label noise of {name}: {noise.ev_per_angstrom:.2g} eV/Å, {noise.percent:.2g} % of "
            f"the forces ({len(noise.frames)} frames against {noise.grid})"
        )
    for path in (*found.folders, found.refused_table):
        reporter.say(f"wrote {path}")
    if not unpaired:
        reporter.say(f"next: dosml smear-scan --labels {study}")


@app.command()
def aimd(
    structure: Annotated[
        str, typer.Argument(help="An element (Ti), or a file with the starting structure.")
    ],
    *,
    prototype: Annotated[
        str | None, typer.Option(help="Crystal other than the ground state, such as omega.")
    ] = None,
    min_length: Annotated[
        float, typer.Option(help="Shortest supercell vector in Å, for an element.")
    ] = 7.0,
    seed: Annotated[int, typer.Option(help="Chooses the vacancy.")] = 0,
    incar: Incar = None,
    force_incar: ForceIncar = False,
    potcar: Potcar = None,
    potcar_functional: Functional = None,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: dosml-aimd-NAME]")] = None,
) -> None:
    """Write VASP molecular dynamics as in TM23: Gamma point, 5 fs, 55 ps, three temperatures."""
    from dosml.relabel.frames import DYNAMICS, read_frames
    from dosml.relabel.structures import build_structure
    from dosml.relabel.vasp.aimd import write_aimd

    path = Path(structure)
    target = out or Path(f"dosml-aimd-{path.stem}")
    check_output(target)
    if path.exists() or path.suffix:
        start = read_frames(path, DYNAMICS)[0]
    else:
        start = build_structure(structure, prototype=prototype, min_length=min_length, seed=seed)
    protocol = vasp_protocol(
        preset="tm23",
        incar=incar,
        force_incar=force_incar,
        kspacing=None,
        potcars=potcar,
        potcar_functional=potcar_functional,
    )
    reporter = reporter_outside_campaign()
    with about(structure):
        written = write_aimd(start, target, protocol)
    for tier, folder in written.items():
        reporter.say(f"{tier}: {folder} ({len(start)} atoms)")
        if (folder / "POTCAR.spec").exists():
            reporter.warn(
                f"{folder} has a POTCAR.spec only: set PMG_VASP_PSP_DIR and give the command again"
            )


@app.command()
def sample(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="vasprun.xml of finished trajectories, of any name and also compressed, or their "
            "folders."
        ),
    ],
    *,
    drop: Annotated[float, typer.Option(help="Equilibration left out, fs.")] = 5000.0,
    every: Annotated[float, typer.Option(help="Time between two frames, fs.")] = 50.0,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Take trajectories that were cut short.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Frames, extxyz.")] = Path("frames.extxyz"),
) -> None:
    """Take frames from finished molecular dynamics."""
    from dosml.relabel.vasp.aimd import sample_trajectory, write_frames

    check_output(out.parent)
    reporter = reporter_outside_campaign()
    frames = []
    for path in trajectories:
        taken = sample_trajectory(path, drop_fs=drop, every_fs=every, unfinished=unfinished)
        reporter.say(
            f"{path}: {len(taken)} frames, tier {taken[0].info['tier']}, "
            f"{taken[0].info['temperature_K']:g} K"
        )
        frames += taken
    write_frames(frames, out)
    reporter.say(f"wrote {len(frames)} frames to {out}")
