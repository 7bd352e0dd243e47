"""The learners by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dosml.learners.base import Learner


def _sgp(options: Mapping[str, Any]) -> Learner:
    """Sparse Gaussian process on ACE descriptors."""
    from dosml.learners.sgp.learner import SgpLearner
    from dosml.learners.sgp.settings import sgp_settings

    return SgpLearner(sgp_settings(options))


#: Name of a learner -> function that makes it from its options.
LEARNERS: dict[str, Callable[[Mapping[str, Any]], Learner]] = {"sgp": _sgp}


def make_learner(name: str, options: Mapping[str, Any] | None = None) -> Learner:
    """Make a learner by its name.

    Parameters
    ----------
    name
        One of the keys of `LEARNERS`.
    options
        Settings of that learner by name; what is not given takes its default.

    Raises
    ------
    InputError
        If there is no such learner, or an option is unknown or out of range.
    """
    factory = LEARNERS.get(name)
    if factory is None:
        known = ", ".join(sorted(LEARNERS))
        raise InputError(f"there is no learner named {name!r}: choose one of {known}")
    return factory(options or {})
