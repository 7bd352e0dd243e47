"""Versions of packages for the record."""

from __future__ import annotations

import numpy as np

from dosml.version import __version__, package_versions, run_versions


def test_versions_of_what_is_installed() -> None:
    found = package_versions(["numpy", "no-such-package-here"])
    assert found == {"numpy": np.__version__}


def test_the_record_of_a_run_names_dosml_python_and_packages() -> None:
    found = run_versions()
    assert found["dosml"] == __version__
    assert found["numpy"] == np.__version__
    assert {"python", "torch", "ase"} <= set(found)
