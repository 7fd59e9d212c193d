"""What is searched, how long, and where; checked before any node runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mfm_pipeline.baselines import BASELINES, BaselineOptions, Choice, Distribution, Range, Space
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.options import Options
from mfm_pipeline.search.engine import Machines

ALL = "all"
Setting = Mapping[str, Any]


class BaselineSearchOptions(Options):
    """An equal budget of trials for every model, the best setting then with several seeds."""

    models: tuple[str, ...] = Field(
        tuple(BASELINES), min_length=1, description="By name; 'all', or 'tfn+mfn' for some."
    )
    trials: int = Field(
        4, ge=1, description="Settings that each model tries, its default one first."
    )
    minutes: float = Field(
        10.0, gt=0, description="Of fitting after which a model tries no further setting."
    )
    seeds: int = Field(3, ge=1, description="Final fits: seeds training.seed and on.")
    pruning: bool = Field(
        True,
        description="Stop trials that are trained by gradient and whose best cost on valid so far "
        "is, from the middle of training on, among the worst quarter of what the model's finished "
        "trials had at that epoch; not of models that are trained in several parts.",
    )
    workers: int | Literal["auto"] = Field(
        "auto", description="Processes; by default one a core, or one a GPU."
    )
    threads: int = Field(1, ge=1, description="Threads of each process.")
    cluster: str | None = Field(
        None, description="Address of a Dask scheduler (tcp://host:8786) in place of processes."
    )
    storage: str | None = Field(
        None, description="URL of a database for the studies; by default a file of SQLite."
    )
    settings: Mapping[str, Setting] = Field(
        default={}, description="Fields of a model's default setting, by its name."
    )
    spaces: Mapping[str, Mapping[str, Distribution]] = Field(
        default={}, description="What is searched in place of a model's own space, by its name."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _named(cls, models: Any) -> Any:
        if models == ALL:
            return tuple(BASELINES)
        if models is None:
            raise ValueError(f"expected '{ALL}', or names: tfn+mfn")
        return tuple(models.split("+")) if isinstance(models, str) else models

    @field_validator("models")
    @classmethod
    def _known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        _check_known(models)
        # In the order of all tables.
        return tuple(name for name in BASELINES if name in models)

    @field_validator("workers", mode="before")
    @classmethod
    def _some(cls, workers: Any) -> Any:
        if workers != "auto" and not (isinstance(workers, int) and workers >= 1):
            raise ValueError("expected 1 or more, or auto")
        return workers

    @field_validator("spaces", mode="before")
    @classmethod
    def _ranges_and_choices(cls, spaces: Any) -> Any:
        """Take a list for a choice, and what has ends for a range."""
        if not isinstance(spaces, Mapping):
            return spaces
        return {
            name: {field: _distribution(name, field, one) for field, one in space.items()}
            if isinstance(space, Mapping)
            else space
            for name, space in spaces.items()
        }

    @model_validator(mode="after")
    def _fit_the_models(self) -> BaselineSearchOptions:
        _check_known(self.settings)
        _check_known(self.spaces)
        for name in {*self.settings, *self.spaces}:
            default = self.default_of(name)
            for field, one in self.space_of(name).items():
                if field not in type(default).model_fields:
                    known = ", ".join(type(default).model_fields) or "nothing"
                    raise ValueError(f"spaces.{name}: '{field}' is none; it has {known}")
                for value in one.of if isinstance(one, Choice) else _some_of(one):
                    _checked(name, type(default), {**default.model_dump(), field: value})
        return self

    @property
    def machines(self) -> Machines:
        """Where it is done."""
        workers = None if self.workers == "auto" else self.workers
        return Machines(workers, self.threads, self.cluster)

    def default_of(self, name: str) -> BaselineOptions:
        """Return the setting that a model tries first."""
        return _checked(name, BASELINES[name], self.settings.get(name, {}))

    def space_of(self, name: str) -> Space:
        """Return what a model searches."""
        return self.spaces.get(name, BASELINES[name].space)


class BaselineComparisonOptions(Options):
    """How sure it is that MFM is ahead: a paired bootstrap over test samples."""

    draw: Literal["samples", "videos"] = Field(
        "samples",
        description="Of the test split, with replacement; videos with all their segments, which "
        "are told by the ids of samples, video[3].",
    )
    resamples: int = Field(2000, ge=100, description="Draws of as many as there are.")
    level: float = Field(0.95, gt=0, lt=1, description="Of intervals.")
    seed: int = Field(0, ge=0, lt=2**31)


def _some_of(one: Range) -> tuple[int | float, ...]:
    """Return its ends, and of floats one between them that no integer is."""
    if isinstance(one.low, int) and isinstance(one.high, int):
        return one.low, one.high
    return one.low, one.high, one.low + (one.high - one.low) / math.pi


def _distribution(name: str, field: str, given: Any) -> Any:
    """Return what is drawn from, as it is given in YAML: a list, or ends."""
    if isinstance(given, Range | Choice):
        return given
    if isinstance(given, list | tuple):
        given = {"of": given}
    if not isinstance(given, Mapping):
        raise ValueError(
            f"{name}.{field} is {given!r}: expected a list of values, or low, high and log"
        )
    kind = Choice if "of" in given else Range
    try:
        return kind(**given)
    except ParameterError as error:
        raise ValueError(f"{name}.{field}: {error}") from error


def _checked(name: str, method: type[BaselineOptions], values: Setting) -> BaselineOptions:
    try:
        return method(**values)
    except ParameterError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_known(names: Iterable[str]) -> None:
    if unknown := [name for name in names if name not in BASELINES]:
        raise ValueError(f"'{unknown[0]}' is none; expected among {', '.join(BASELINES)}")
