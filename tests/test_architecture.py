"""The house rules that a program can check: import directions, circles, dead files, file sizes."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "dosml": "dosml",
    "theory": "dosml.theory",
    "relabel": "dosml.relabel",
    "analysis": "dosml.analysis",
}
LEAVES = {
    "dosml.config_file",
    "dosml.errors",
    "dosml.files",
    "dosml.limits",
    "dosml.memory",
    "dosml.neighbours",
    "dosml.paths",
    "dosml.records",
    "dosml.registry",
    "dosml.version",
}
MAY_IMPORT = {
    "dosml": {"dosml", "dosml.theory", "dosml.relabel", "dosml.analysis"},
    "relabel": {"dosml.relabel", "dosml.theory"},
    "analysis": {"dosml.analysis", "dosml.theory"},
    "theory": {"dosml.theory"},
}
#: Rooms of analysis, each may import those before it.
ANALYSIS = ("measures", "statistics", "figures", "report")
#: Programs that run in the environments of other projects: they know nothing of the command line
#: of dosml, their arguments are a protocol of ours.
WORKERS = "dosml/learners/peers/workers/"
#: Names of programs behind engines; those of the engines themselves come from their registry.
PROGRAMS = {"tblite", "gfn1", "gfn2", "vasp", "gpaw", "xtb"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(),
    reason="only in a checkout: the wheel has no source tree",
)


def sources():
    for folder in ROOMS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield folder, path


def module_name(folder: str, path: Path) -> str:
    parts = path.relative_to(ROOT / folder).with_suffix("").parts
    return ".".join([ROOMS[folder], *(part for part in parts if part != "__init__")])


@cache
def modules() -> dict[str, Path]:
    return {module_name(folder, path): path for folder, path in sources()}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Our modules that a file imports, at its top, inside functions or for its types."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            names = {alias.name: f"{base}.{alias.name}" for alias in node.names}
            files = {full for full in names.values() if full in modules()}
            found |= files
            if len(files) < len(names):  # something that the module itself defines
                found.add(base)
    return frozenset(name for name in found if name == "dosml" or name.startswith("dosml."))


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and parts[1] in ROOMS else "dosml"


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_program(path: Path) -> bool:
    """Whether a file is made to be run: it has `if __name__ == "__main__"`."""
    return any(
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and getattr(node.test.left, "id", "") == "__name__"
        for node in tree(path).body
    )


def test_imports_point_one_way() -> None:
    wrong = [
        f"{short(path)} imports {module}"
        for folder, path in sources()
        for module in imported_modules(path)
        if room_of(module) not in MAY_IMPORT[folder]
        and not (module in LEAVES and folder != "theory")
    ]
    assert not wrong


def test_what_is_imported_exists() -> None:
    """Imports inside functions are not tried when a module is."""
    wrong = [
        f"{short(path)} imports {module}"
        for _, path in sources()
        for module in sorted(imported_modules(path))
        if module not in modules()
    ]
    assert not wrong


def test_rooms_of_analysis_point_one_way() -> None:
    places = {f"dosml.analysis.{name}": place for place, name in enumerate(ANALYSIS)}
    names = {".".join(name.split(".")[:3]) for name in modules() if name.startswith("dosml.ana")}
    assert names == {"dosml.analysis", *places}
    wrong = [
        f"{name} imports {module}"
        for name, path in modules().items()
        for module in imported_modules(path)
        if name.startswith("dosml.analysis.") and module.startswith("dosml.analysis.")
        if places[".".join(module.split(".")[:3])] > places[".".join(name.split(".")[:3])]
    ]
    assert not wrong


def circles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by detours (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(graph[name] & graph.keys()):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            group = []
            while name not in group:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


def test_circles_are_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"a"}}
    assert circles({name: frozenset(others) for name, others in graph.items()}) == [["a", "b", "c"]]


def test_no_files_import_each_other_in_circles() -> None:
    graph = {name: imported_modules(path) for name, path in modules().items()}
    assert circles(graph) == []


def test_every_module_is_imported_or_run() -> None:
    used = {
        module
        for name, path in modules().items()
        for module in imported_modules(path)
        if module != name
    }
    # some are named in words: run as python -m, or read by tools
    texts = {
        node.value
        for path in modules().values()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    used |= texts | {target.split(":")[0] for target in project["scripts"].values()}
    dead = [
        short(path)
        for name, path in modules().items()
        if name not in used
        and path.name not in {"__init__.py", "__main__.py"}
        and not is_program(path)
        and not short(path).startswith(WORKERS)
    ]
    assert not dead


def test_only_the_command_line_reads_its_arguments() -> None:
    wrong = [
        short(path)
        for _, path in sources()
        if any(
            isinstance(node, ast.Attribute)
            and node.attr == "argv"
            and getattr(node.value, "id", "") == "sys"
            for node in ast.walk(tree(path))
        )
        and not short(path).startswith(("dosml/cli/", WORKERS))
        and not is_program(path)
    ]
    assert not wrong


def test_analysis_names_no_engine() -> None:
    """Warning, limits and names of an engine come with the labels, as plain data."""
    from dosml.relabel.engines.registry import engine_names

    names = PROGRAMS | set(engine_names())
    wrong = []
    for path in sorted((ROOT / "analysis").rglob("*")):
        if path.suffix in {".py", ".html"}:
            # "_" joins words in names of variables and files
            words = re.findall(r"[a-z0-9]+", path.read_text(encoding="utf-8").lower())
            wrong += [f"{short(path)} names {word}" for word in sorted(names & set(words))]
    assert not wrong


def test_pages_of_the_documentation_are_named_in_one_place() -> None:
    """A report is read far from a clone: `dosml.version.docs_page` knows where a page is."""
    wrong = []
    for _, path in sources():
        module = tree(path)
        described = {
            id(node.body[0].value)
            for node in ast.walk(module)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        wrong += [
            f"{short(path)}:{node.lineno} names {found.group()}"
            for node in ast.walk(module)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in described
            and (found := re.search(r"\b(docs|relabel)/[\w/-]+\.md", node.value))
        ]
    assert not wrong


def test_every_folder_with_code_is_packaged() -> None:
    declared = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    present = {
        ".".join([ROOMS[folder], *path.parent.relative_to(ROOT / folder).parts])
        for folder, path in sources()
    }
    assert declared == present


def test_no_file_needs_a_tour() -> None:
    long = {
        short(path): lines
        for _, path in sources()
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_texts_are_utf8_on_every_machine() -> None:
    """Ruff sees this only where it knows the type of what is read."""
    positional = {"read_text": 1, "write_text": 2}
    wrong = [
        f"{short(path)}:{node.lineno}"
        for _, path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and len(node.args) < positional.get(node.func.attr, 0)
        and "encoding" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not wrong
