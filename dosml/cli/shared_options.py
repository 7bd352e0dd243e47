"""Options that several commands share, written once as a `TypedDict`.

A command takes them as `**given: Unpack[ScanOptions]` (PEP 692), which type checkers understand.
typer reads signatures and knows no such parameter, so `spelled_out` gives the function a signature
in which every key of the dictionary is a parameter of its own.
"""

from __future__ import annotations

import inspect
import shlex
import sys
import textwrap
from copy import copy
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypedDict,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import typer

from dosml.cli.help_style import split_default
from dosml.cli.quantities import Config, Numbers, numbers
from dosml.config_file import parse_toml
from dosml.errors import InputError
from dosml.learners.peers import catalogue
from dosml.learners.registry import learner_entry, learner_names
from dosml.terminal import print_line
from dosml.version import docs_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from dosml.progress import Reporter

Text = str | None
Number = int | None
Command = TypeVar("Command", bound="Callable[..., None]")


def spelled_out(
    words: Mapping[str, object], *, without: Collection[str] = ()
) -> Callable[[Command], Command]:
    """Decorate a command: show typer each option of its `**given: Unpack[...]`.

    The options come in the order of the dictionary, where `**given` stands: last. Flags are off
    and all others None where they are not given.

    Parameters
    ----------
    words
        What stands for `{name}` in the help texts: defaults that differ between the commands.
    without
        Options that this command does not have.
    """

    def decorate(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        *own, shared = signature.parameters.values()
        (options,) = get_args(shared.annotation)  # of Unpack[...]
        parameters = [
            *(_in_panel(one, words) for one in own),
            *_parameters(options, words, without),
            _WRITE_CONFIG,
        ]
        # typer, like `inspect.signature`, reads this in place of what was written
        vars(function)["__signature__"] = signature.replace(parameters=parameters)
        return function

    return decorate


def _parameters(
    options: type, words: Mapping[str, object], without: Collection[str]
) -> Iterator[inspect.Parameter]:
    for name, hint in get_type_hints(options, include_extras=True).items():
        if name in without:
            continue
        assert get_origin(hint) is Annotated, name
        kind, option = get_args(hint)
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kind is bool else None,
            annotation=Annotated[kind, _filled(option, name, words)],
        )


def _filled(option: Any, name: str, words: Mapping[str, object]) -> Any:
    """Copy of a `typer.Option` with the words in its help and its panel."""
    option = copy(option)
    option.help = option.help.format_map(words)
    option.rich_help_panel = PANELS.get(name)
    return option


def _in_panel(parameter: inspect.Parameter, words: Mapping[str, object]) -> inspect.Parameter:
    """Give an option of one command its panel, and words to its help."""
    name = parameter.name
    if name not in PANELS or get_origin(parameter.annotation) is not Annotated:
        return parameter
    kind, option = get_args(parameter.annotation)
    return parameter.replace(annotation=Annotated[kind, _filled(option, name, words)])


def write_config(context: typer.Context, path: Path | None) -> None:
    """Write the options of a command as a commented TOML file, and end.

    Raises
    ------
    InputError
        If the file is there already, or cannot be written.
    """
    if path is None:
        return
    if path.exists():
        raise InputError(f"--write-config {path}: the file is there already; give another name")
    lines = [f"# dosml {context.info_name} --config {path}", ""]
    panel = None
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in _NO_KEY or name in ("help", "write_config"):
            continue
        here = getattr(parameter, "rich_help_panel", None) or "Target"
        if here != panel:
            lines += [f"# -- {here} --"]
            panel = here
        lines += [f"# {one}" for one in textwrap.wrap(_words(parameter), 96)]
        lines += [f"# {_KEYS.get(name, name)} = ", ""]
    try:
        path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    print_line(f"wrote {path}: take away the # of the lines that you want, and give them a value")
    raise typer.Exit


def _words(parameter: Any) -> str:
    """Help of an argument or option in plain text."""
    if parameter.param_type_name != "option" or parameter.is_flag:
        return " ".join((getattr(parameter, "help", None) or "").split())
    words, default = split_default(parameter)
    return f"{words} Default: {default}."


#: Options that stand on the command line only, and keys that bear another name than their option.
_NO_KEY = frozenset({"config", "dry_run", "no_stress"})
_KEYS = {
    "engine_option": "engine_options",
    "learner_option": "learner_options",
    "as_element": "as",
    "with_campaign": "with",
}
_WRITE_CONFIG = inspect.Parameter(
    "_write_config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--write-config",
            is_eager=True,
            callback=write_config,
            expose_value=False,
            help="Write a TOML file with every option of this command, commented, and end.",
            rich_help_panel="Running",
        ),
    ],
)
_BY_PANEL = {
    "Physics": ("sigma", "scheme", "electrons", "as_element", "with_campaign", "kpoints", "preset"),
    "Frames and labels": (
        *("engine", "engine_option", "labels", "dos_engine", "sampler", "train", "test"),
        *("prototype", "cell", "min_length", "label_sets", "test_file", "hold_out", "no_stress"),
        *("train_on", "sizes", "repeats", "small", "retry_failed"),
    ),
    "Force field": (
        *("learner", "learner_option", "descriptor", "nu", "inducing", "learner_preset", "epochs"),
        *("device", "cutoff", "n_max", "zeta", "l_max"),
    ),
    "Running": ("seed", "workers", "out", "config", "dry_run"),
}
#: Option -> panel of the help that it stands in.
PANELS = {name: panel for panel, names in _BY_PANEL.items() for name in names}


class TrainingOptions(TypedDict, total=False):
    """Options of every command that trains force fields, in the order of --help."""

    learner: Annotated[
        Text,
        typer.Option(
            help="Force fields to train, a comma list of {learners}, or any ase calculator as "
            "ase:MODULE:FUNCTION, which is not trained; {peers} need dosml env create. Default: "
            "sgp."
        ),
    ]
    learner_option: Annotated[
        list[str] | None,
        typer.Option(
            help="Option of a learner, NAME=VALUE, or LEARNER.NAME=VALUE where there are several; "
            "give it again for more. `dosml learners show NAME` lists them."
        ),
    ]
    descriptor: Annotated[
        Text, typer.Option(help="Descriptor: B1, B2, B1+B2 or cace. Default: {sgp_descriptor}.")
    ]
    nu: Annotated[
        Number,
        typer.Option(
            help="Largest number of moments in a product, nu + 1 bodies (cace). Default: {sgp_nu}."
        ),
    ]
    inducing: Annotated[
        Number, typer.Option(help="Inducing environments. Default: {sgp_n_inducing}.")
    ]
    learner_preset: Annotated[
        Text,
        typer.Option(
            help="Settings: default, quick, or paper (nequip, flare); not of the sgp. Default: "
            "default."
        ),
    ]
    epochs: Annotated[
        Number,
        typer.Option(
            help="Passes over the data, at most; not of the sgp. Default: that of the learner and "
            "preset."
        ),
    ]
    device: Annotated[
        Text,
        typer.Option(
            help="Where to train: cpu or cuda. Default: dosml's own on the cpu, peers on a GPU if "
            "any."
        ),
    ]


class DescriptorOptions(TypedDict, total=False):
    """Options of one force field that `dosml grid` takes as lists."""

    cutoff: Annotated[
        Numbers,
        numbers(
            "Cutoff of the force field in Å. Default: sgp 1.9 times the cube root of the "
            "volume per atom; peers 5."
        ),
    ]
    n_max: Annotated[Numbers, numbers("Radial functions of the descriptor. Default: {sgp_n_max}.")]
    zeta: Annotated[Numbers, numbers("Power of the kernel. Default: {sgp_zeta}.")]


class PlaceOptions(TypedDict, total=False):
    """Where a command computes and writes; `{command}` is its name."""

    seed: Annotated[Number, typer.Option(help="Seed of every draw. Default: 0.")]
    workers: Annotated[
        Number, typer.Option(help="Tasks at a time on this machine. Default: all cores.")
    ]
    out: Annotated[Path | None, typer.Option(help="Folder. Default: dosml-{command}-TARGET.")]
    config: Annotated[
        Config,
        typer.Option(
            help="TOML file with any of these options, or with what a cluster needs (cluster.toml "
            f"of {docs_page('cluster')}); give it again for more files. The command line wins."
        ),
    ]


#: Options of the learner sgp whose defaults stand in the help.
_SGP_WORDS = ("descriptor", "nu", "n_inducing", "n_max", "l_max", "zeta")


def learner_words() -> dict[str, str]:
    """Words in the help of `TrainingOptions`."""
    names = learner_names()
    own = learner_entry("sgp").options.model_fields
    return {
        **{f"sgp_{name}": str(own[name].default) for name in _SGP_WORDS},
        "learners": ", ".join(names),
        "peers": ", ".join(entry.name for entry in catalogue.ENTRIES),
    }


def training_given(shared: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `TrainingOptions` and others as settings; `--config` is none.

    Raises
    ------
    InputError
        If an option of a learner cannot be read.
    """
    given = {name: value for name, value in shared.items() if name != "config"}
    options = named_options("--learner-option", given.pop("learner_option"))
    if options:
        learners = [name.strip() for name in (given["learner"] or "sgp").split(",")]
        by_learner: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            learner, dot, rest = name.rpartition(".")
            if not dot and len(learners) > 1:
                raise InputError(
                    f"--learner-option {name}=...: with several learners, say which: "
                    f"{learners[0]}.{name}=..."
                )
            by_learner.setdefault(learner if dot else learners[0], {})[rest] = value
        given["learner_options"] = by_learner
    return given


def named_options(option: str, texts: Iterable[str] | None) -> dict[str, Any]:
    """Read NAME=VALUE; a value is a number, true or false, a list or a word, as in TOML.

    Raises
    ------
    InputError
        If a text has another form.
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(f"{option} {text!r}: write NAME=VALUE")
        learner, dot, own = name.rpartition(".")
        key = f"{learner}{dot}{own.replace('-', '_')}"  # learners' names may hold a dash
        try:
            found[key] = parse_toml(f"value = {value}")["value"]
        except ValueError:
            found[key] = value
    return found


def make_reporter() -> Reporter:
    """Make the reporter of a command: it knows what the user gave."""
    from dosml.progress import Reporter

    return Reporter(command="dosml " + shlex.join(sys.argv[1:]))
