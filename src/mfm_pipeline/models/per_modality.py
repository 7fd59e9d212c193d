"""Parameters that may be one value, or one a modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from mfm_pipeline.errors import ParameterError

DEFAULT = "default"


def _by_modality(setting: Any) -> Any:
    """Read one value as the default of all modalities."""
    return setting if isinstance(setting, Mapping) else {DEFAULT: setting}


Size = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

SizePerModality = Annotated[dict[str, Size], BeforeValidator(_by_modality)]
ProbabilityPerModality = Annotated[dict[str, Probability], BeforeValidator(_by_modality)]
WeightPerModality = Annotated[dict[str, Weight], BeforeValidator(_by_modality)]
NamePerModality = Annotated[dict[str, str], BeforeValidator(_by_modality)]
SizesPerModality = Annotated[dict[str, tuple[Size, ...]], BeforeValidator(_by_modality)]

Value = TypeVar("Value")


def value_for(modality: str, setting: Mapping[str, Value], parameter: str) -> Value:
    """Return what `setting` says for `modality`.

    Parameters
    ----------
    modality : str
    setting : mapping of str to value
        By modality; ``default`` stands for those it does not name.
    parameter : str
        Its name, for the message.

    Raises
    ------
    ParameterError
        If it has neither the modality nor ``default``.
    """
    if modality in setting:
        return setting[modality]
    if DEFAULT in setting:
        return setting[DEFAULT]
    found = ", ".join(setting) or "nothing"
    raise ParameterError(
        f"{parameter} has no value for modality '{modality}': found {found}; "
        f"expected '{modality}' or '{DEFAULT}' among them"
    )


def check_modalities(options: BaseModel, known: Iterable[str], parameter: str = "") -> None:
    """Check every mapping from modalities inside `options`.

    Parameters
    ----------
    options : BaseModel
        Options, nested ones included. Every mapping among their fields is one
        from modality names.
    known : iterable of str
        Modalities of the corpus; those that it had to leave out included.
    parameter : str
        Name of `options` itself, in front of the names of its fields.

    Raises
    ------
    ParameterError
        If a mapping names a modality that is not in `known`.
    """
    allowed = list(known)
    for field in type(options).model_fields:
        value = getattr(options, field)
        name = f"{parameter}.{field}" if parameter else field
        if isinstance(value, BaseModel):
            check_modalities(value, allowed, name)
        elif isinstance(value, Mapping):
            for key in value:
                if key != DEFAULT and key not in allowed:
                    raise ParameterError(
                        f"{name} names modality '{key}'; "
                        f"expected one of {', '.join(allowed)}, or '{DEFAULT}'"
                    )
