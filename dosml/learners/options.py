"""Options of a learner, checked: one wording for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from dosml.config_file import did_you_mean
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


def checked_options(
    model: type[AnyOptions], learner: str, options: Mapping[str, Any]
) -> AnyOptions:
    """Turn options into a learner's settings.

    Raises
    ------
    InputError
        If an option is unknown or out of range: the message names it.
    """
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            known = list(model.model_fields)
            raise InputError(
                f"there is no option {where} of the learner {learner}: "
                f"{did_you_mean(where, known)}the options are {', '.join(known)}"
            ) from error
        raise InputError(
            f"option {where} of the learner {learner} cannot be {first.get('input')!r}: "
            f"{first['msg'].lower()}"
        ) from error
