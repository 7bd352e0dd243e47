"""The site: pages of this folder and an API reference from docstrings (`make docs`)."""

from __future__ import annotations

from pathlib import Path

import dosml

project = "dosml"
author = "The dosml developers"
release = dosml.version.__version__ if hasattr(dosml, "version") else ""
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath", "linkify"]
myst_heading_anchors = 4
# pages link files of the repository (data cards, tests); on the site these are downloads
exclude_patterns = ["images/*"]
html_theme = "furo"
html_title = "dosml"
numpydoc_show_class_members = False
autosummary_generate = True
root = Path(__file__).parent
