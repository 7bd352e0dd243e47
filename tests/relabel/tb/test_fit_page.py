"""The page on the fit shows the cards that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from dosml.relabel.engines.tb.fit.table import dense_table, markdown_table

PAGE = Path(__file__).parents[3] / "docs" / "tight-binding-fit.md"


@pytest.mark.skipif(not PAGE.exists(), reason="only in a checkout")
@pytest.mark.parametrize("table", [markdown_table, dense_table])
def test_the_tables_of_the_page_are_those_of_the_cards(table) -> None:
    """Mend it with: python -m dosml.relabel.engines.tb.fit table."""
    assert table() in PAGE.read_text(encoding="utf-8")
