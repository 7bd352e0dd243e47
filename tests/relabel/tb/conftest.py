"""An engine and a frame of the made-up metal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from helpers.tb_metal import made_up_parameters

from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.model import TbParameters
from dosml.relabel.engines.tb.options import TbOptions


@pytest.fixture(scope="session")
def parameters() -> TbParameters:
    """Titanium by name only, with a short cutoff."""
    return made_up_parameters()


@pytest.fixture(scope="session")
def parameter_file(parameters, tmp_path_factory):
    path = tmp_path_factory.mktemp("tb") / "made_up.json"
    path.write_text(json.dumps(parameters.to_json()))
    return path


@pytest.fixture
def engine(parameter_file) -> TbEngine:
    return TbEngine(TbOptions(parameters=parameter_file, kpoints=(2, 3, 2)))


@pytest.fixture
def frame():
    """Four warm atoms in a skewed cell."""
    atoms = bulk("Ti", "fcc", a=4.0) * (2, 2, 1)
    atoms.rattle(0.12, seed=3)
    atoms.set_cell(np.asarray(atoms.cell) @ [[1.02, 0.03, 0], [0, 0.99, 0], [0.02, 0, 1.0]], True)
    return atoms
