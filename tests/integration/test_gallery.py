"""The gallery of the docs: every report is whole, and says with which command it was made."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="only in a checkout")


@pytest.fixture(scope="module")
def gallery():
    """The script that makes it."""
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_report_stands_on_the_page_with_its_command(gallery, tmp_path):
    gallery.unpack(tmp_path)
    shown = (DOCS / "gallery.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r'<a href="gallery/([\w-]+)\.html">.*?\| `(.*?)` \|', shown))
    assert listed == {name: command for name, (command, _) in gallery.RUNS.items()}
    assert {path.stem for path in tmp_path.glob("*.html")} == set(gallery.RUNS)
    for name, (command, _) in gallery.RUNS.items():
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert page.rstrip().endswith("</html>")
        assert 'class="answer"' in page
        assert command.split(" && ")[-1] in html.unescape(page)
        assert gallery.LIBRARY not in page
        assert "/tmp/" not in page


def test_it_is_small():
    kept = list((DOCS / "gallery").glob("*"))
    assert sum(path.stat().st_size for path in kept) < 3_000_000
