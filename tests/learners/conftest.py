"""Lets the tests of this folder share `sgp_data.py` (pytest runs with importlib imports)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
