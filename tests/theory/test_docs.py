"""docs/theory.md runs: its Python blocks in order, in one namespace, asserts and all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout: the wheel has no docs")
def test_theory_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    assert len(blocks) > 15
    for block in blocks:
        # Keep the page's line numbers, so that a failure names its line.
        first = text[: block.start(1)].count("\n")
        exec(compile("\n" * first + block[1], str(PAGE), "exec"), namespace)
