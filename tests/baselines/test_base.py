"""The interface: distributions of a search, and what is registered."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from mfm_pipeline.baselines import BASELINES, BaselineOptions, Choice, Range
from mfm_pipeline.baselines.base import ALL_TASKS, Family
from mfm_pipeline.errors import ParameterError
from tests.baselines.corpora import session


def test_a_range_rises_and_has_a_logarithm_above_zero() -> None:
    assert Range(low=2, high=2).high == 2
    with pytest.raises(ParameterError, match=r"high is 1\.0; expected at least low, 2\.0"):
        Range(low=2.0, high=1.0)
    with pytest.raises(ParameterError, match="low is 0; expected above 0 with log"):
        Range(low=0, high=5, log=True)
    assert type(Range(low=1, high=8).low) is int
    with pytest.raises(ParameterError, match=r"of is \(\): "):
        Choice(of=())


def test_a_choice_is_of_something() -> None:
    assert Choice(of=(32, None, "rbf", 0.5, True)).of == (32, None, "rbf", 0.5, True)
    with pytest.raises(ParameterError, match="of"):
        Choice(of=())


def test_the_seed_is_that_of_training(tmp_path: Path) -> None:
    assert session(tmp_path, seed=7).seed == 7


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_registered_says_what_it_is(name: str) -> None:
    method = BASELINES[name]
    assert method.__doc__ and method.__doc__ != BaselineOptions.__doc__
    assert method.label
    assert method.family in get_args(Family)
    assert method.tasks and method.tasks <= ALL_TASKS
    labels = [other.label for other in BASELINES.values()]
    assert labels.count(method.label) == 1


@pytest.mark.parametrize("name", BASELINES)
def test_every_corner_of_a_space_is_allowed(name: str) -> None:
    method = BASELINES[name]
    method()
    for field, distribution in method.space.items():
        values = distribution.of if isinstance(distribution, Choice) else (
            distribution.low, distribution.high
        )  # fmt: skip
        for value in values:
            assert getattr(method(**{field: value}), field) == value


@pytest.mark.parametrize("name", BASELINES)
def test_defaults_lie_in_the_space(name: str) -> None:
    method = BASELINES[name]
    for field, distribution in method.space.items():
        default = getattr(method(), field)
        if isinstance(distribution, Range) and default is not None:
            assert distribution.low <= default <= distribution.high
