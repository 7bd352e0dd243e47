"""`dosml relabel`: VASP labels of your own frames, from inputs to extxyz."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dosml.errors import InputError, LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dosml.progress import Reporter
    from dosml.relabel.setting import ElectronicSetting
    from dosml.relabel.vasp.protocol import VaspProtocol

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

Study = Annotated[Path, typer.Argument(help="Folder of the study.")]
Incar = Annotated[
    list[str] | None,
    typer.Option(help="Change an INCAR tag: TAG=VALUE, as often as needed; it is recorded."),
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
    frames: Annotated[Path, typer.Argument(help="Frames of one element, extxyz.")],
    *,
    engine: Annotated[str, typer.Option(help="What labels them: vasp.")] = "vasp",
    sigma: Annotated[
        str, typer.Option(help="Smearing widths in eV, a comma list.")
    ] = "0.2,0.5,1.0,2.0",
    scheme: Annotated[
        str, typer.Option(help="methfessel-paxton-N, gaussian or fermi-dirac.")
    ] = "methfessel-paxton-1",
    electrons: Annotated[
        str,
        typer.Option(help="Electrons added per atom, a comma list: write --electrons=-3,0,3."),
    ] = "0",
    preset: Annotated[str, typer.Option(help="tm23 or matpes.")] = "tm23",
    incar: Incar = None,
    kspacing: Annotated[
        str | None,
        typer.Option(
            help="k-point spacing in 1/Å (2 pi included): a number, or Ti=0.18,Os=0.2. "
            "[default: 0.22]"
        ),
    ] = None,
    potcar: Potcar = None,
    potcar_functional: Functional = None,
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
    settings = _settings(sigma, scheme, electrons)
    protocol = _protocol(
        preset=preset,
        incar=incar,
        kspacing=kspacing,
        potcars=potcar,
        potcar_functional=potcar_functional,
    )
    from dosml.campaign import Campaign
    from dosml.relabel.frames import read_frames
    from dosml.relabel.vasp.jobs import write_jobs

    read = read_frames(frames)
    study = out or Path(f"dosml-vasp-{frames.stem}")
    reporter = _reporter()
    subject = f"VASP labels of {read[0].get_chemical_symbols()[0]}"
    with (
        Campaign(study, subject) as campaign,
        reporter.bar("writing inputs", len(read) * len(settings)) as update,
    ):
        campaign.record({"command": "relabel", "protocol": protocol.model_dump(mode="json")})
        written = write_jobs(study, read, settings, protocol, on_progress=update)
    reporter.say(
        f"{study}: {len(read)} frames x {len(settings)} settings ("
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

    reporter = _reporter()
    total = sum(not job.resolved for job in find_jobs(study))
    with reporter.bar("resolving", total) as update:
        left = resolve_jobs(study, on_progress=update)
    if left:
        raise InputError(_UNRESOLVED.format(count=left, study=study))
    reporter.say(f"{study}: {total} jobs resolved, all have their POTCAR, NELECT and NBANDS")


Config = Annotated[
    Path | None,
    typer.Option(help="TOML file: what starts VASP, and where (see docs/cluster.md)."),
]


@app.command()
def run(
    study: Study,
    *,
    config: Config = None,
    executor: Annotated[
        str | None,
        typer.Option(help="processes (this machine) or slurm (Parsl pilots). [default: processes]"),
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="What starts VASP in a job folder. [default: vasp_std]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Jobs at a time on this machine. [default: 1]")
    ] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes of each pilot. [default: 1]")] = None,
    pilots: Annotated[int | None, typer.Option(help="Pilots at a time. [default: 1]")] = None,
    walltime: Annotated[
        str | None, typer.Option(help="Walltime of a pilot, HH:MM:SS. [default: 24:00:00]")
    ] = None,
    retry_refused: Annotated[
        bool | None, typer.Option("--retry-refused", help="Run refused jobs again.")
    ] = None,
) -> None:
    """Run every job that is not finished, here or on Slurm.

    Stop it at any moment, however rudely, and give the same command again: finished jobs are kept,
    and what an earlier run left in Slurm's queue is cancelled first.
    """
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import run_study
    from dosml.relabel.vasp.jobs import find_jobs

    settings = load_run_settings(
        config,
        executor=executor,
        command=command,
        workers=workers,
        nodes=nodes,
        pilots=pilots,
        walltime=walltime,
        retry_refused=retry_refused,
    )
    reporter = _reporter()
    with reporter.bar("running", len(find_jobs(study))) as update:
        report = run_study(
            study, settings, say=reporter.say, on_progress=lambda done, _: update(done)
        )
    reporter.say(
        f"{study}: {report.total} jobs, {report.before} were finished before; "
        f"{report.ran} run now, {report.adopted} outputs found finished" + _list(report.status)
    )
    for folder, reason in report.problems[:5]:
        reporter.warn(f"{folder}: {reason}")
    if len(report.problems) > 5:
        reporter.warn(f"... and {len(report.problems) - 5} more: see result.json in each folder")
    if report.status["failed"] or report.status["busy"]:
        raise LabelError(
            f"{report.status['failed'] + report.status['busy']} jobs of {study} are not finished: "
            "run the same command again"
        )


@app.command()
def script(
    study: Study,
    *,
    config: Config = None,
    parts: Annotated[
        int, typer.Option(help="Length of the array: each part does its share of the jobs.")
    ] = 100,
    submit: Annotated[bool, typer.Option("--submit", help="Submit it with sbatch.")] = False,
) -> None:
    """Write a plain sbatch --array script for the jobs that are not finished."""
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import write_study_array

    settings = load_run_settings(config)
    path, identity = write_study_array(study, settings, config, parts=parts, start=submit)
    reporter = _reporter()
    reporter.say(
        f"submitted {path} as Slurm job {identity}" if identity else f"wrote {path}: sbatch {path}"
    )


@app.command(hidden=True)
def work(
    study: Study,
    *,
    config: Config = None,
    part: Annotated[int, typer.Option(help="Which part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(help="Number of parts.")] = 1,
) -> None:
    """Do one part of an array job; the script calls this."""
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import work_part

    report = work_part(study, load_run_settings(config), part=part, parts=parts)
    print(f"part {part} of {parts}: {report.ran} jobs run{_list(report.status)}")


@app.command()
def status(study: Study) -> None:
    """Count the jobs that are done, refused and still to do."""
    from dosml.relabel.vasp.drive import study_status

    for state, count in study_status(study).items():
        print(f"{count:6d} {state}")


@app.command()
def collect(
    study: Study,
    *,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Keep frames that lack a label at some setting.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read. [default: all cores]")
    ] = None,
) -> None:
    """Read, check and gather all labels: extxyz per setting, labels.parquet and refused.csv.

    A job is refused when it did not converge, its highest band is occupied, its INCAR or frame is
    not the one asked for, or its output is damaged.
    """
    from dosml.relabel.vasp.collect import collect as collect_study
    from dosml.relabel.vasp.jobs import find_jobs
    from dosml.settings import available_cores

    reporter = _reporter()
    with reporter.bar("collecting", len(find_jobs(study))) as update:
        found = collect_study(
            study, unpaired=unpaired, workers=workers or available_cores(), on_progress=update
        )
    kinds: dict[str, int] = {}
    for one in found.refused:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
        if kinds[one.kind] == 1:
            reporter.warn(f"refused ({one.kind}): {one.reason}")
    reporter.say(f"{found.n_labels} labels; {len(found.refused)} jobs refused" + _list(kinds))
    if found.n_unpaired:
        reporter.say(
            f"{found.n_unpaired} frames lack a label at some setting and were left out "
            "(--unpaired keeps them)"
        )
    for path in (*found.files, found.table, found.refused_table):
        reporter.say(f"wrote {path}")


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
    potcar: Potcar = None,
    potcar_functional: Functional = None,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: dosml-aimd-NAME]")] = None,
) -> None:
    """Write VASP molecular dynamics as in TM23: Gamma point, 5 fs, 55 ps, three temperatures."""
    from dosml.relabel.frames import read_frames
    from dosml.relabel.structures import build_structure
    from dosml.relabel.vasp.aimd import write_aimd

    path = Path(structure)
    if path.exists() or path.suffix:
        start = read_frames(path)[0]
    else:
        start = build_structure(structure, prototype=prototype, min_length=min_length, seed=seed)
    protocol = _protocol(
        preset="tm23",
        incar=incar,
        kspacing=None,
        potcars=potcar,
        potcar_functional=potcar_functional,
    )
    reporter = _reporter()
    for tier, folder in write_aimd(start, out or Path(f"dosml-aimd-{path.stem}"), protocol).items():
        reporter.say(f"{tier}: {folder} ({len(start)} atoms)")
        if (folder / "POTCAR.spec").exists():
            reporter.warn(
                f"{folder} has a POTCAR.spec only: set PMG_VASP_PSP_DIR and give the command again"
            )


@app.command()
def sample(
    trajectories: Annotated[
        list[Path], typer.Argument(help="vasprun.xml (or .gz, .xz) of finished trajectories.")
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

    reporter = _reporter()
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


def _reporter() -> Reporter:
    from dosml.progress import Reporter

    # outside a campaign there is no log: Python would repeat warnings on the screen
    logging.getLogger("dosml").addHandler(logging.NullHandler())
    return Reporter()


def _settings(sigma: str, scheme: str, electrons: str) -> list[ElectronicSetting]:
    from dosml.relabel.setting import ElectronicSetting
    from dosml.theory.smearing import Smearing

    try:
        return [
            ElectronicSetting(Smearing(scheme, width), shift)
            for shift in _numbers("--electrons", electrons)
            for width in _numbers("--sigma", sigma)
        ]
    except ValueError as error:
        raise InputError(f"--sigma {sigma} --scheme {scheme}: {error}") from error


def _numbers(option: str, text: str) -> list[float]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{option} takes numbers with commas between, got {text!r}") from error
    if not numbers or len(set(numbers)) < len(numbers):
        raise InputError(f"{option} {text!r}: give each value once")
    return numbers


def _protocol(
    *,
    preset: str,
    incar: list[str] | None,
    kspacing: str | None,
    potcars: list[str] | None,
    potcar_functional: str | None,
) -> VaspProtocol:
    from pydantic import ValidationError

    from dosml.relabel.vasp.protocol import VaspProtocol

    spacing = kspacing or ""
    if spacing and "=" not in spacing:
        spacing = f"default={spacing}"
    try:
        return VaspProtocol(
            preset=preset,
            incar=_pairs("--incar", incar or [], _value),
            kspacing=_pairs("--kspacing", [part for part in spacing.split(",") if part], float),
            potcars=_pairs("--potcar", potcars or [], str),
            potcar_functional=potcar_functional,
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise InputError(str(message)) from error


def _pairs(option: str, texts: Iterable[str], convert: Callable[[str], Any]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError(f"{option} {text!r}: write NAME=VALUE")
        try:
            pairs[name.strip()] = convert(value.strip())
        except ValueError as error:
            raise InputError(f"{option} {text!r}: {error}") from error
    return pairs


def _value(text: str) -> bool | int | float | str:
    """INCAR value from the command line."""
    if text.strip(".").upper() in {"TRUE", "FALSE", "T", "F"}:
        return text.strip(".").upper().startswith("T")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _list(kinds: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})" if kinds else ""
