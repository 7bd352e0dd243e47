"""The house rules that a program can check: import directions, packaged folders, file sizes."""

from __future__ import annotations

import ast
import tomllib
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
    "dosml.memory",
    "dosml.registry",
    "dosml.version",
}
MAY_IMPORT = {
    "dosml": {"dosml", "dosml.theory", "dosml.relabel", "dosml.analysis"},
    "relabel": {"dosml.relabel", "dosml.theory"},
    "analysis": {"dosml.analysis", "dosml.theory"},
    "theory": {"dosml.theory"},
}

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(),
    reason="only in a checkout: the wheel has no source tree",
)


def sources():
    for folder in ROOMS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield folder, path


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return {name for name in found if name == "dosml" or name.startswith("dosml.")}


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and parts[1] in ROOMS else "dosml"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for folder, path in sources()
        for module in imported_modules(path)
        if room_of(module) not in MAY_IMPORT[folder]
        and not (module in LEAVES and folder != "theory")
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
        str(path.relative_to(ROOT)): lines
        for _, path in sources()
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long
