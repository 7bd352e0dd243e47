"""The page on the fit shows the cards that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from dosml.relabel.engines.tb.fit.table import markdown_table

PAGE = Path(__file__).parents[3] / "docs" / "tight-binding-fit.md"


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout")
def test_the_table_of_the_page_is_that_of_the_cards() -> None:
    """Mend it with: python -m dosml.relabel.engines.tb.fit table."""
    assert markdown_table() in PAGE.read_text(encoding="utf-8")
