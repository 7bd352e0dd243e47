"""`dosml data`: labels that ship, collections that are fetched, files of others."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from dosml.cli.shared_options import Text, make_reporter
from dosml.errors import InputError
from dosml.terminal import show

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="Labelled data: what ships, what can be fetched, and reading files of others.",
    no_args_is_help=True,
)


@app.command("list")
def list_data() -> None:
    """List labels that ship, collections on this machine, and those that can be fetched.

    Example: dosml data list
    """
    from dosml.relabel.dataset import REFERENCE, reference_metals
    from dosml.relabel.foreign.archives import ARCHIVES
    from dosml.studies.data import collections, data_folder

    console = make_reporter().console
    _line(console, REFERENCE, f"PBE labels of {', '.join(reference_metals())}; ships with dosml")
    here = {one.name: one for one in collections()}
    for name, one in here.items():
        part = "" if one.record.complete else " (not all of it)"
        _line(console, name, f"{', '.join(one.record.metals)}{part}; {one.folder}")
    for name, known in ARCHIVES.items():
        if name not in here:
            text = f"{known.title}; {known.size / 1e6:.0f} MB: dosml data fetch {name}"
            _line(console, name, text)
    _line(console, "folder", str(data_folder()))
    _line(console, "use", "dosml benchmark NAME, or --labels FOLDER/METAL")


@app.command("show")
def show_data(name: Annotated[str, typer.Argument(help="Name of a set.")]) -> None:
    """Say what a set of labels holds, how it was made and what it cannot show.

    Example: dosml data show reference
    """
    from dosml.relabel.dataset import REFERENCE, load, reference_metals
    from dosml.studies.data import collection_folder, read_collection

    console = make_reporter().console
    if name == REFERENCE:
        each = ((metal, load(name, metal=metal)) for metal in reference_metals())
    else:
        folder = collection_folder(name)
        if folder is None:
            raise InputError(
                f"there are no labels named {name}: dosml data list names those that are here"
            )
        record = read_collection(folder)
        for key, value in (("cite", record.citation), ("licence", record.licence)):
            if value:
                _line(console, key, value)
        each = ((metal, load(folder / metal)) for metal in record.metals)
    for metal, data in each:  # one in memory at a time
        sizes = sorted({len(frame) for frame in data.frames})
        atoms = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        text = f"{len(data.frames)} frames of {atoms} atoms ({len(data.test)} held out)"
        settings = [one.setting for one in data.label_sets if one.setting is not None]
        if settings:
            widths = ", ".join(f"{one.smearing.width:g}" for one in settings)
            text += f", {settings[0].smearing.scheme} at {widths} eV"
        noise = [one.noise for one in data.label_sets if one.noise is not None]
        if noise:
            text += f"; mesh noise {max(one.percent for one in noise):.2g} % at most"
        _line(console, metal, text)
    # what was done to one was done to all
    for key, value in data.provenance.protocol.items():
        _line(console, key.replace("_", " "), str(value))
    for line in (data.provenance.warning, *data.provenance.limits):
        _line(console, "note", line)


@app.command("fetch")
def fetch_data(
    name: Annotated[str, typer.Argument(help="tm23 or metal43.")],
    *,
    metals: Annotated[Text, typer.Option(help="Metals to read, a comma list.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="The file, fetched by hand: nothing is fetched.")
    ] = None,
    url: Annotated[Text, typer.Option(help="Another address of the same file.")] = None,
) -> None:
    """Fetch a published collection, check its checksum, and read it.

    It lies in DOSML_DATA, or else in dosml/data in the user's cache folder. Run the same command
    again to continue one that was cut off.

    Example: dosml data fetch tm23
    """
    from dosml.studies.data import fetch

    wanted = [one.strip() for one in metals.split(",")] if metals else []
    reporter = make_reporter()
    found = fetch(name, reporter, url=url, file=file, metals=wanted)
    reporter.say(f"{len(found.record.metals)} metals in {found.folder}: dosml benchmark {name}")


@app.command("import")
def import_data(
    files: Annotated[
        list[Path],
        typer.Argument(help="extxyz with any names of the labels, MTP .cfg, or VASP ML_AB."),
    ],
    *,
    name: Annotated[str, typer.Option(help="Of the collection.")] = "imported",
    out: Annotated[Path | None, typer.Option(help="Folder. Default: NAME in the cache.")] = None,
    energy_key: Annotated[Text, typer.Option(help="Name of the energies in extxyz.")] = None,
    forces_key: Annotated[Text, typer.Option(help="Name of the forces in extxyz.")] = None,
    stress_key: Annotated[Text, typer.Option(help="Name of the stresses in extxyz.")] = None,
    stress_unit: Annotated[
        Text, typer.Option(help="eV/A^3, GPa, kB or bar. Default: judged by the forces.")
    ] = None,
    stress_sign: Annotated[
        Text, typer.Option(help="ase or vasp (sign and order). Default: judged by the forces.")
    ] = None,
    types: Annotated[
        Text, typer.Option(help="Elements of the types 0, 1, ... in MTP files, such as Ta,V,Cr,W.")
    ] = None,
    cite: Annotated[str, typer.Option(help="What to cite.")] = "",
) -> None:
    """Read labelled data of others into the project's folders, one per metal.

    Units and signs are judged by whether energies, forces and stresses belong together. Frames that
    stand twice are dropped, odd ones listed. Roles and tiers are read from the frames (split,
    tier) or from the names of the files (train, test; cold, warm, melt).

    Example: dosml data import Ti_train.xyz Ti_test.xyz --name mine
    """
    from dosml.relabel.foreign.collect import ImportOptions
    from dosml.relabel.foreign.extxyz_keys import Keys
    from dosml.relabel.foreign.stress_form import SIGNS, UNITS
    from dosml.studies.data import import_files

    for option, value, known in (
        ("--stress-unit", stress_unit, UNITS),
        ("--stress-sign", stress_sign, SIGNS),
    ):
        if value is not None and value not in known:
            raise InputError(f"{option} {value}: choose one of {', '.join(known)}")
    options = ImportOptions(
        keys=Keys(energy_key, forces_key, stress_key),
        types=tuple(one.strip() for one in types.split(",")) if types else (),
        stress_unit=stress_unit,
        stress_sign=stress_sign,
    )
    reporter = make_reporter()
    made = import_files(files, name, options, reporter, out=out, citation=cite)
    reporter.say(
        f"{len(made.record.metals)} metals in {made.folder}: dosml benchmark {made.folder}"
    )


def _line(console: Console, name: str, text: str) -> None:
    show(console, f"{name:<24}{text}")
