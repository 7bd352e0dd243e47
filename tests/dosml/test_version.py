"""Versions of packages for the record."""

from __future__ import annotations

import numpy as np

from dosml.version import package_versions


def test_versions_of_what_is_installed() -> None:
    found = package_versions(["numpy", "no-such-package-here"])
    assert found == {"numpy": np.__version__}
