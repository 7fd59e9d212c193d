"""The base of every parameter model: strict, frozen, with one-line errors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mfm_pipeline.errors import ParameterError


class Options(BaseModel):
    """A block of parameters that refuses unknown names and wrong values.

    Raises
    ------
    ParameterError
        One line for all that is wrong: the parameter, what was found and what
        is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(_describe(type(self), error)) from None

    @classmethod
    def model_validate(cls, obj: Any, **kwargs: Any) -> Self:
        """Build from a mapping, as Kedro does for ``params:`` inputs."""
        try:
            return super().model_validate(obj, **kwargs)
        except ValidationError as error:
            raise ParameterError(_describe(cls, error)) from None


def flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a block of parameters, each with its name: ``training.epochs``.

    For what is kept and shown: passwords of URLs are left out.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(f"{name}.{key}", inner)
    else:
        yield name, without_password(value) if isinstance(value, str) else value


def key_of(content: Any) -> str:
    """Return a name for files by whatever JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def without_password(text: str) -> str:
    """Return a text with the passwords of its URLs, ``//user:password@host``, as ``***``."""
    return re.sub(r"(//[^:/@\s]*:)[^/@\s]+(?=@)", r"\1***", text)


def _describe(model: type[BaseModel], error: ValidationError) -> str:
    return "; ".join(_describe_one(model, dict(one)) for one in error.errors())


def _describe_one(model: type[BaseModel], one: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in one["loc"])
    if one["type"] == "extra_forbidden":
        known = list(model.model_fields)
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"allowed: {', '.join(known)}"
        return f"'{name}' is not a parameter; {hint}"
    if one["type"] == "missing":
        return f"'{name}' is missing"
    message = str(one["msg"]).removeprefix("Value error, ")
    if not name:
        return message
    if one["type"] == "value_error" and isinstance(one["input"], dict):
        return f"{name}: {message}"
    return f"{name} is {one['input']!r}: {message[:1].lower()}{message[1:]}"
