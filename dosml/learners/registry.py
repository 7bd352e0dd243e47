"""The learners by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.config_file import did_you_mean
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dosml.learners.base import Learner


#: Setting of a scan or study -> option of every learner that has one of that name.
SHARED = {
    "cutoff": "cutoff",
    "n_max": "n_max",
    "l_max": "l_max",
    "inducing": "n_inducing",
    "learner_preset": "preset",
    "epochs": "epochs",
    "device": "device",
    "seed": "seed",
}
#: Force fields of other projects.
PEERS = ("flare", "mace", "nequip", "pet", "soap-bpnn")


def _sgp(options: Mapping[str, Any], workers: int) -> Learner:  # noqa: ARG001 (one signature)
    """Sparse Gaussian process on ACE descriptors."""
    from dosml.learners.sgp.learner import SgpLearner
    from dosml.learners.sgp.settings import sgp_settings

    return SgpLearner(sgp_settings(options))


def _peer(name: str) -> Callable[[Mapping[str, Any], int], Learner]:
    """Force field of another project, in an environment of its own."""

    def make(options: Mapping[str, Any], workers: int) -> Learner:
        from dosml.learners.peers.catalogue import adapter
        from dosml.learners.peers.learner import PeerLearner

        peer = adapter(name)
        return PeerLearner(peer, peer.make_settings(options), workers=workers)

    return make


#: Name of a learner -> function that makes it from its options and a number of processor cores.
LEARNERS: dict[str, Callable[[Mapping[str, Any], int], Learner]] = {
    "sgp": _sgp,
    **{name: _peer(name) for name in PEERS},
}


def option_names(name: str) -> set[str]:
    """Names of the options that a learner takes.

    Raises
    ------
    InputError
        If there is no such learner.
    """
    _known(name)
    if name in PEERS:
        from dosml.learners.peers.catalogue import adapter

        return set(adapter(name).settings.model_fields)
    from dosml.learners.sgp.settings import SgpSettings

    return set(SgpSettings.model_fields)


def options_by_learner(
    learners: Sequence[str],
    settings: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Share out the settings that several learners have in common.

    Parameters
    ----------
    learners
        Names of the learners.
    settings
        Values of `SHARED` settings, others are passed over; None: each takes its own default.
    own
        Options of single learners by their names; they win.

    Raises
    ------
    InputError
        If a setting was given that none of the learners has, or there is no such learner.
    """
    known = {name: option_names(name) for name in learners}
    given: dict[str, Any] = {}
    for setting, option in SHARED.items():
        if settings.get(setting) is None:
            continue
        if not any(option in names for names in known.values()):
            others = ", ".join(name for name in LEARNERS if option in option_names(name))
            raise InputError(
                f"--{setting.replace('_', '-')} is no option of {', '.join(learners)}: leave it "
                f"out, or add a learner that has it ({others})"
            )
        given[option] = settings[setting]
    return {
        name: {
            **{option: value for option, value in given.items() if option in known[name]},
            **own.get(name, {}),
        }
        for name in learners
    }


def make_learner(
    name: str, options: Mapping[str, Any] | None = None, *, workers: int = 1
) -> Learner:
    """Make a learner by its name.

    Parameters
    ----------
    name
        One of the keys of `LEARNERS`.
    options
        Settings of that learner by name; what is not given takes its default.
    workers
        Processor cores that a peer may use; the sgp uses what torch is allowed.

    Raises
    ------
    InputError
        If there is no such learner, or an option is unknown or out of range.
    EnvironmentMissingError
        If the learner is a peer whose environment has not been made.
    """
    return _known(name)(options or {}, workers)


def _known(name: str) -> Callable[[Mapping[str, Any], int], Learner]:
    factory = LEARNERS.get(name)
    if factory is None:
        raise InputError(
            f"there is no learner named {name!r}: {did_you_mean(name, LEARNERS)}choose one of "
            f"{', '.join(sorted(LEARNERS))}"
        )
    return factory
