"""Fixtures that every test folder shares."""

from __future__ import annotations

import os

# one thread per test process: two of them share two cores, and idle threads of BLAS spin. Before
# numpy is imported, which reads this once
os.environ.setdefault("OMP_NUM_THREADS", "1")

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

import dosml

# `python -m pytest` in a checkout puts the folder dosml/ in front of an installed wheel, and its
# three sister rooms lie beside it: let the package find them there
if find_spec("dosml.theory") is None:
    dosml.__path__.append(str(Path(dosml.__file__).parents[1]))

# The same examples in every run, so that a failure is the fault of a change. To look for new ones:
# pytest --hypothesis-profile=explore tests/theory
settings.register_profile("pinned", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("pinned")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of the real reference data; its tests fail, not skip, where a file is missing."""
    value = os.environ.get("DOSML_REFERENCE_DATA")
    if not value:
        pytest.skip("DOSML_REFERENCE_DATA is not set: the reference data are not at hand")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"DOSML_REFERENCE_DATA={value} is not a folder")
    return folder
