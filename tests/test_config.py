"""Environments, short names, and one-line errors of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog

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


def test_models_and_cluster_of_the_comparison_have_short_names() -> None:
    parameters = load(models="tfn+mfn", cluster="tcp://host:8786")["parameters"]
    assert parameters["baselines"]["models"] == "tfn+mfn"
    assert parameters["baselines"]["cluster"] == "tcp://host:8786"
    assert parameters["baselines"]["trials"] == load()["parameters"]["baselines"]["trials"]
    # Of no other namespace.
    assert "baselines" not in parameters["digits"]


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


@pytest.mark.parametrize("env", [None, "svhn_mnist", "pom"])
def test_a_namespace_has_a_folder_of_its_own_in_every_layer(env: str | None) -> None:
    configuration = load(env)["catalog"]
    catalog = DataCatalog.from_config(configuration)
    corpus = env or "sample"
    for name, plain, own in (
        ("model", "06_models/{}/mfm", "06_models/{}/digits/mfm"),
        ("corpus", "05_model_input/{}/corpus.h5", "05_model_input/{}/digits/corpus.h5"),
        ("checkpoints", "06_models/{}/checkpoints", "06_models/{}/digits/checkpoints"),
        ("metrics", "08_reporting/{}/metrics.json", "08_reporting/{}/digits/metrics.json"),
    ):
        for entry, place in ((name, plain), (f"digits.{name}", own)):
            dataset = catalog[entry]
            described = f"data/{place.format(corpus)}"
            assert str(dataset).count(described) == 1, entry
    # The same kind of dataset, tracked alike.
    for name in ("model", "history", "predictions", "training_curves"):
        own_entry = configuration[f"{{namespace}}.{name}"]
        assert own_entry["type"] == configuration[name]["type"]
        assert "{namespace}" in str(own_entry)
    # Patterns are of nothing that is shared or of another namespace already.
    assert not any(
        "{namespace}" in str(entry) for name, entry in configuration.items() if name[0] != "{"
    )
    assert not any(name.startswith("{namespace}.digits") for name in configuration)
    assert "{namespace}.raw@folder" not in configuration


def test_an_entry_that_is_written_out_wins_over_the_namespace_s(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "catalog.yml").write_text(
        """
table: {type: pandas.CSVDataset, filepath: "data/02_intermediate/${corpus:}/table.csv"}
digits.table: {type: pandas.CSVDataset, filepath: data/elsewhere/table.csv}
other: {type: pandas.CSVDataset, filepath: "data/02_intermediate/${corpus:}/a/other.csv"}
shared: {type: pandas.CSVDataset, filepath: data/01_raw/shared.csv}
"""
    )
    configuration = load(None, tmp_path)["catalog"]
    catalog = DataCatalog.from_config(configuration)
    assert "data/elsewhere/table.csv" in str(catalog["digits.table"])
    assert "data/02_intermediate/sample/digits/a/other.csv" in str(catalog["digits.other"])
    assert "data/02_intermediate/sample/mine/table.csv" in str(catalog["mine.table"])
    assert "{namespace}.shared" not in configuration


@pytest.mark.parametrize("env", [None, "svhn_mnist", "pom"])
def test_short_names_reach_the_namespace_of_digits_too(env: str | None) -> None:
    loader = load(
        env, seed=3, resume=True, digits={"training": {"epochs": 7}, "pairs": {"seed": 5}}
    )
    parameters, plain = loader["parameters"], load(env)["parameters"]
    for block in (parameters, parameters["digits"]):
        assert block["training"]["seed"] == 3 and block["training"]["resume"] is True
    assert parameters["digits"]["training"]["epochs"] == 7
    # Whatever else is called seed stays.
    assert parameters["digits"]["pairs"]["seed"] == 5
    assert parameters["digits"]["images"] == plain["digits"]["images"]
    assert parameters["digits"]["judge"] == plain["digits"]["judge"]
    for block, before in ((parameters, plain), (parameters["digits"], plain["digits"])):
        changed = {k for k, v in block["training"].items() if before["training"][k] != v}
        assert changed <= {"seed", "resume", "epochs"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"digits": {"modle": {"fusion": "mfn"}}}, "'digits.modle'; did you mean 'digits.model'?"),
        ({"digits": {"training": {}, "pair": {}}}, "'digits.pair'; did you mean 'digits.pairs'?"),
        ({"digit": {"model": {}}}, "unknown parameter 'digit'"),
        ({"digits": {"ingestion": {}}}, "unknown parameter 'digits.ingestion'; "),
        ({"digits": 3}, "unknown parameter 'digits'"),
        ({"digits": 3, "seed": 1}, "unknown parameter 'digits'"),
    ],
)
@pytest.mark.parametrize("env", [None, "blended_mnist"])
def test_misspelt_names_inside_the_real_namespace(
    env: str | None, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        load(env, **given)["parameters"]
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_block_is_left_to_be_refused_by_its_options() -> None:
    parameters = load(training=3, seed=1)["parameters"]
    assert parameters["training"] == 3 and parameters["digits"]["training"]["seed"] == 1


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
