"""dosml: why some metals are hard for machine-learned force fields.

The package has four rooms: `dosml` (command line, campaigns, learners), `dosml.relabel` (frames to
labels), `dosml.theory` (closed-form physics) and `dosml.analysis` (labels and models to findings).
"""

from dosml.version import __version__

__all__ = ["__version__"]
