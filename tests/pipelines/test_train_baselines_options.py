"""What a search is told, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from mfm_pipeline.baselines import BASELINES
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.pipelines.train_baselines.options import BaselineSearchOptions
from tests.search.stand_ins import stand_ins

__all__ = ["stand_ins"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "tfn+nonsense"}, "'nonsense' is none; expected among majority, "),
        ({"models": ""}, "'' is none; expected among majority, "),
        ({"models": []}, "models is []: "),
        ({"settings": {"nonsense": {}}}, "'nonsense' is none; expected among majority, "),
        ({"spaces": {"nonsense": {}}}, "'nonsense' is none; expected among majority, "),
        ({"settings": {"linear": {"penalti": 1}}}, "did you mean 'penalty'?"),
        ({"settings": {"linear": {"penalty": -1}}}, "linear: penalty is -1: "),
        ({"spaces": {"linear": {"penalti": [1]}}}, "'penalti' is none; it has penalty, "),
        ({"spaces": {"linear": {"power": [1, 9]}}}, "linear: power is 9: "),
        ({"spaces": {"linear": {"penalty": {"low": -1, "high": 1}}}}, "linear: penalty is -1: "),
        ({"spaces": {"linear": {"power": {"low": 1.0, "high": 3.0}}}}, "linear: power is 1.63"),
        ({"spaces": {"linear": {"power": {"low": 1, "high": 3.0}}}}, "linear: power is 1.63"),
        ({"spaces": {"linear": {"penalty": {"low": 2, "high": 1}}}}, "high is 1; expected at leas"),
        ({"spaces": {"linear": {"penalty": 3}}}, "linear.penalty is 3: expected a list of values"),
        ({"spaces": {"linear": {"penalty": {"low": 3}}}}, "linear.penalty: 'high' is missing"),
        ({"spaces": {"linear": {"penalty": []}}}, "linear.penalty: of is []: "),
        ({"spaces": 3}, "spaces is 3: "),
        ({"models": None}, "models is None: expected 'all', or names: tfn+mfn"),
        ({"workers": "many"}, "workers is 'many': expected 1 or more, or auto"),
        ({"workers": 0}, "workers is 0: expected 1 or more, or auto"),
        ({"trials": 0}, "trials is 0: "),
        ({"minutes": 0}, "minutes is 0: "),
        ({"seeds": 0}, "seeds is 0: "),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(
    stand_ins: None, given: dict[str, Any], said: str
) -> None:
    if "tfn" in str(given) and "tfn" not in BASELINES:
        given = {"models": str(given["models"]).replace("tfn", "linear")}
    with pytest.raises(ParameterError) as caught:
        BaselineSearchOptions(**given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_models_are_named_shortly_and_come_in_the_order_of_all_tables() -> None:
    assert BaselineSearchOptions(models="all").models == tuple(BASELINES)
    assert BaselineSearchOptions(models="mfm+ridge+majority").models == ("majority", "ridge", "mfm")
    assert BaselineSearchOptions(models=["ridge", "ridge"]).models == ("ridge",)
