"""Environments, short names, and one-line errors of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfm_pipeline.cli import describe
from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.settings import CONFIG_LOADER_ARGS
from mfm_pipeline.training import TrainingOptions
from tests.conftest import ROOT


def load(env: str | None = None, conf: Path = ROOT / "conf", **runtime: Any) -> ConfigLoader:
    return ConfigLoader(conf, env, runtime_params=runtime, **CONFIG_LOADER_ARGS)


def test_a_short_name_stands_for_its_parameter() -> None:
    parameters = load(seed=3, training={"epochs": 7}, raw_root="elsewhere")["parameters"]
    assert parameters["training"]["seed"] == 3
    assert parameters["training"]["epochs"] == 7


def test_an_environment_says_only_what_differs() -> None:
    base, mosi = load()["parameters"], load("cmu_mosi")["parameters"]
    assert base["model"]["fusion"] == "statistics" and mosi["model"]["fusion"] == "mfn"
    assert mosi["training"]["accelerator"] == base["training"]["accelerator"]
    assert mosi["ingestion"]["corpus"] == "cmu_mosi" and base["ingestion"]["corpus"] == "sample"


@pytest.mark.parametrize("env", [None, "pom", "youtube", "ict_mmmo", "cmu_mosi"])
def test_raw_files_lie_below_the_environment_s_name(env: str | None) -> None:
    catalog = load(env, raw_root="somewhere")["catalog"]
    assert catalog["raw@folder"]["path"] == f"somewhere/{env or 'sample'}"


def test_a_misspelt_block_in_an_environment_names_its_file(tmp_path: Path) -> None:
    for env in ("base", "mine"):
        (tmp_path / env).mkdir()
    (tmp_path / "base" / "parameters.yml").write_text("training: {seed: 0}\n")
    (tmp_path / "mine" / "parameters_mine.yml").write_text("trainig: {seed: 1}\n")
    with pytest.raises(ParameterError, match=r"parameters_mine\.yml.*'trainig'.*'training'"):
        load("mine", tmp_path)["parameters"]


def test_a_misspelt_block_inside_the_namespace_of_digits_is_refused(tmp_path: Path) -> None:
    for env in ("base", "mine"):
        (tmp_path / env).mkdir()
    (tmp_path / "base" / "parameters.yml").write_text("digits: {pairs: {seed: 0}}\n")
    (tmp_path / "base" / "parameters_more.yml").write_text("digits: {model: {x: 0}}\n")
    known = load("mine", tmp_path, digits={"pairs": {"seed": 1}, "model": {}})["parameters"]
    assert known["digits"] == {"pairs": {"seed": 1}, "model": {"x": 0}}
    said = "unknown parameter 'digits.pears'; did you mean 'digits.pairs'"
    with pytest.raises(ParameterError, match=said):
        load("mine", tmp_path, digits={"pears": {"seed": 1}})["parameters"]
    (tmp_path / "mine" / "parameters_mine.yml").write_text("digits: {pears: {seed: 1}}\n")
    with pytest.raises(ParameterError, match=rf"parameters_mine\.yml: {said}"):
        load("mine", tmp_path)["parameters"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0: input should be greater than or equal to 1"),
        ({"epoch": 3}, "'epoch' is not a parameter; did you mean 'epochs'?"),
        ({"plateau": {"factor": 2}}, "plateau: factor is 2: input should be less than 1"),
        ({"schedule": "step"}, "schedule is 'step': input should be 'plateau', 'cosine' or"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_a_wrong_parameter_is_one_line(values: dict[str, Any], message: str) -> None:
    for build in (TrainingOptions.model_validate, lambda v: TrainingOptions(**v)):
        with pytest.raises(ParameterError) as caught:
            build(values)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_levels_have_to_rise() -> None:
    with pytest.raises(ParameterError, match=r"levels \(3, -3\) do not rise"):
        EvaluationOptions.model_validate({"sentiment": {"levels": [3, -3]}})


def test_what_kedro_wraps_is_unwrapped() -> None:
    try:
        try:
            raise DataError("audio_test.h5: truncated")
        except DataError as error:
            raise RuntimeError("Failed while loading data from dataset\nmany lines") from error
    except RuntimeError as wrapped:
        assert describe(wrapped) == "audio_test.h5: truncated"
    assert (
        describe(ZeroDivisionError("division\n by zero")) == "ZeroDivisionError: division by zero"
    )
