"""`predict`: new raw files, arrays and contracts, against what training itself predicted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.data import Corpus, Targets
from mfm_pipeline.datasets import CorpusDataset, RawFolderDataset, WeightsDataset
from mfm_pipeline.datasets.csd import SequenceReader
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.features.holes import punch
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.models.blueprint import Blueprint
from mfm_pipeline.models.surrogate_blueprint import SurrogateBlueprint
from mfm_pipeline.models.surrogate_options import SurrogateOptions
from mfm_pipeline.pipelines.predict import nodes
from mfm_pipeline.pipelines.predict.options import PredictionOptions
from tests.conftest import kedro_run
from tests.ingestion.environments import read_parameters
from tests.pipelines.conftest import runs_of

OUTPUT = Path("data/07_model_output/sample/prediction")
MODEL = Path("data/06_models/sample/mfm")
ALIGNED = Path("data/02_intermediate/sample/aligned.h5")
FEATURES = ("TimestampedWords", "TimestampedWordVectors", "COVAREP", "Facet_42")


@pytest.fixture
def project(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return finished


def trained_on() -> pd.DataFrame:
    """Return what `train_mfm` predicted."""
    table = pd.read_csv("data/07_model_output/sample/predictions.csv", keep_default_na=False)
    return table[table["split"] == "test"].drop(columns="split").reset_index(drop=True)


def predict(**options: object) -> tuple[pd.DataFrame, Corpus]:
    """Run the nodes of the pipeline, without Kedro."""
    chosen = PredictionOptions.model_validate(options)
    model = nodes.choose_model(chosen, MODEL, Path("data/06_models/sample/surrogate"))
    parts = Path("data/02_intermediate/sample/prediction_parts")
    parts.mkdir(exist_ok=True)
    ingestion = IngestionOptions.model_validate(read_parameters(Path("conf"), None)["ingestion"])
    nowhere = RawFolderDataset(path="nowhere", required=False).load()
    corpus = nodes.prepare_data(model, chosen, ALIGNED, nowhere, nowhere, parts, ingestion)
    return nodes.predict_data(model, corpus, chosen)[0], corpus


def test_without_parameters_it_predicts_test_by_the_last_model(project: Path) -> None:
    result = kedro_run("--pipeline=predict")
    assert result.exit_code == 0, result.output
    expected = trained_on()
    found = pd.read_csv(OUTPUT / "predictions.csv", keep_default_na=False)
    parquet = pd.read_parquet(OUTPUT / "predictions.parquet")
    assert list(found.columns) == list(parquet.columns) == list(expected.columns)
    for table in (found, parquet):
        assert (table["id"] == expected["id"]).all()
        for column in ("true/sentiment", "predicted/sentiment"):
            np.testing.assert_allclose(table[column], expected[column], atol=1e-5)
    metrics = json.loads(Path("data/08_reporting/sample/prediction_metrics.json").read_text())
    test = json.loads(Path("data/08_reporting/sample/metrics.json").read_text())
    for key in ("mae", "r", "acc_7"):
        assert metrics[f"prediction/{key}"] == pytest.approx(test[f"test/{key}"], rel=1e-4)
    assert not (OUTPUT / "filled").exists()
    run, meanwhile = runs_of(project, "predict")
    assert not meanwhile
    assert run.data.params["prediction.fill"] == "False"


def test_filled_modalities_are_kept_on_wish_and_go_with_the_next(project: Path) -> None:
    train, _ = runs_of(project, "train_mfm")
    named = f"prediction.model={train.info.run_id},prediction.fill=true"
    result = kedro_run("--pipeline=predict", f"--params={named}")
    assert result.exit_code == 0, result.output
    filled = CorpusDataset(filepath=str(OUTPUT / "filled/corpus.h5")).load()
    assert list(filled.splits) == ["test"] and filled.synthetic
    lacked = CorpusDataset(filepath="data/05_model_input/sample/corpus.h5").load().test
    marks = [m.generated.sum() for m in filled.test.modalities.values()]
    assert marks == [(~m.present).sum() for m in lacked.modalities.values()] and sum(marks)
    table = pd.read_parquet(OUTPUT / "predictions.parquet")
    np.testing.assert_allclose(
        table["predicted/sentiment"], trained_on()["predicted/sentiment"], atol=1e-5
    )
    again = kedro_run("--pipeline=predict", "--nodes=prediction.fill_data")
    assert again.exit_code == 0, again.output
    assert not (OUTPUT / "filled").exists()


def test_a_run_that_does_not_exist_is_one_line(project: Path) -> None:
    before = (OUTPUT / "predictions.csv").stat().st_mtime_ns if OUTPUT.exists() else None
    nobody = "0123456789abcdef" * 2
    result = kedro_run("--pipeline=predict", f"--params=prediction.model='{nobody}'")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1 and f"MLflow run {nobody}: found no such run" in lines[0]
    assert "Traceback" not in result.output
    if before:
        assert (OUTPUT / "predictions.csv").stat().st_mtime_ns == before


@pytest.fixture
def raw_test(project: Path, tmp_path: Path) -> Path:
    """Raw files of the sample as a stranger has them: test videos alone, times, no labels."""
    folder = tmp_path / "raw"
    folder.mkdir()
    source = project / "data/01_raw/sample"
    for name in FEATURES:
        shutil.copy(source / f"SAMPLE_{name}.csd", folder)
    rows = []
    with SequenceReader(source / "SAMPLE_Opinion_Labels.csd") as labels:
        for number in range(48, 64):
            video = f"sample_{number}"
            rows += [(video, *times) for times in labels.read_video(video).intervals.tolist()]
    table = pd.DataFrame(rows, columns=["video", "start", "end"])
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def test_raw_files_without_labels_are_predicted_like_the_same_with_labels(raw_test: Path) -> None:
    found, corpus = predict(raw=str(raw_test))
    expected = trained_on()
    assert not any(column.startswith("true") for column in found)
    assert list(found["id"]) == list(expected["id"])
    assert list(found["observed"]) == list(expected["observed"])
    for column in ("predicted/sentiment", "sd/sentiment"):
        np.testing.assert_allclose(found[column], expected[column].astype(float), atol=1e-5)
    assert corpus.splits["new"].words is not None
    assert nodes.score_data(found, corpus, nodes.EvaluationOptions()) == {}


def test_raw_files_may_lack_a_modality_and_times_of_segments(
    raw_test: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (raw_test / "labels.csv").unlink()
    (raw_test / "SAMPLE_COVAREP.csd").unlink()
    found, _ = predict(raw=str(raw_test))
    assert len(found) == 64  # Whole videos, of all that are there.
    assert set(found["observed"]) <= {"language+visual", "language", "visual"}
    assert "found no files of acoustic" in caplog.text
    whole = [r for r in caplog.records if r.levelname == "WARNING" and "64 " in r.getMessage()]
    assert whole, "that whole videos became samples is worth a warning"


def test_raw_files_with_labels_are_scored(raw_test: Path, project: Path) -> None:
    expected = trained_on()
    table = pd.read_csv(raw_test / "labels.csv")
    table["sentiment"] = expected["true/sentiment"]
    table.to_csv(raw_test / "labels.csv", index=False)
    found, corpus = predict(raw=str(raw_test))
    np.testing.assert_allclose(found["true/sentiment"], expected["true/sentiment"], atol=1e-6)
    assert nodes.score_data(found, corpus, nodes.EvaluationOptions())["prediction/mae"] > 0


def test_no_part_of_the_corpus_itself_goes(raw_test: Path) -> None:
    parts = Path("data/02_intermediate/sample/parts")
    before = sorted(path.name for path in parts.iterdir())
    predict(raw=str(raw_test))
    assert sorted(path.name for path in parts.iterdir()) == before


def test_contract_and_arrays_without_labels_agree(project: Path, tmp_path: Path) -> None:
    test = CorpusDataset(filepath=str(ALIGNED)).load().test
    n = len(test)
    holes = {name: np.zeros(n, np.bool_) for name in test.modalities}
    holes["language"][:8] = True
    for mask in holes.values():
        mask[8:10] = True
    split = replace(punch(test, holes), targets=Targets.unknown(n), words=None)
    CorpusDataset(filepath=str(tmp_path / "new.h5")).save(Corpus("mine", {"new": split}))
    arrays = {
        name: np.where(m.steps[..., None], m.values, np.nan)  # type: ignore[index]
        for name, m in split.modalities.items()
    }
    np.savez(tmp_path / "new.npz", ids=split.ids, **arrays)
    tables = [predict(data=str(tmp_path / name))[0] for name in ("new.h5", "new.npz")]
    pd.testing.assert_frame_equal(*tables, rtol=1e-5, atol=1e-6)
    assert (tables[0]["predicted_by"] == "trivial").sum() == 2
    assert not tables[0]["observed"][:10].str.contains("language").any()
    assert tables[0]["observed"][8] == ""
    np.savez(tmp_path / "alone.npz", visual=arrays["visual"])
    alone, _ = predict(data=str(tmp_path / "alone.npz"))
    assert set(alone["observed"]) == {"", "visual"}


def test_data_that_is_scaled_already_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match=r"corpus\.h5: found features that are scaled already"):
        predict(data="data/05_model_input/sample/corpus.h5")


def test_all_splits_of_a_file_or_one(project: Path) -> None:
    table, _ = predict(data=str(ALIGNED))
    assert list(table.columns[:2]) == ["id", "split"]
    assert set(table["split"]) == {"train", "valid", "test"}
    one, _ = predict(data=str(ALIGNED), split="valid")
    assert list(one["id"]) == list(table.loc[table["split"] == "valid", "id"])
    with pytest.raises(DataError, match="found splits train, valid, test; expected 'later'"):
        predict(data=str(ALIGNED), split="later")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"language": np.ones((2, 3))},
            "language: found float64 of shape (2, 3); expected numbers",
        ),
        (
            {"language": np.ones((2, 3, 25)), "visual": np.ones((3, 3, 12))},
            "found samples of language 2, visual 3; expected as many of each",
        ),
        (
            {"language": np.ones((2, 3, 25)), "visual": np.ones((2, 4, 12))},
            "new.npz: found steps of language 3, visual 4; expected as many of each",
        ),
        (
            {"language": np.ones((2, 3, 25)), "sound": np.ones((2, 3, 5))},
            "new.npz: modalities are language",
        ),
        ({"ids": np.array(["a"])}, "found no modality"),
        (
            {"ids": np.array(["a", "a"]), "language": np.ones((2, 3, 25))},
            "new.npz: sample ids repeat",
        ),
        ({"language": np.ones((0, 3, 25))}, "new.npz: "),
    ],
)
def test_arrays_that_are_no_samples_are_refused(
    project: Path, tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "new.npz", **arrays)
    with pytest.raises(DataError) as error:
        predict(data=str(tmp_path / "new.npz"))
    assert words in str(error.value)


def test_what_is_not_there_is_named(project: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mfm: found no model; expected one that train_mfm left"):
        nodes.choose_model(PredictionOptions(), tmp_path / "mfm", tmp_path / "surrogate")
    with pytest.raises(DataError, match=r"nothing\.h5"):
        predict(data=str(tmp_path / "nothing.h5"))
    with pytest.raises(DataError, match=r"found a folder; expected a file, \.h5 or \.npz"):
        predict(data=str(tmp_path))
    with pytest.raises(DataError, match=r"found a folder of several; expected one model: .*mfm"):
        predict(model=str(MODEL.parent))
    with pytest.raises(DataError, match="nothing: no such folder"):
        predict(raw=str(tmp_path / "nothing"))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/notes.txt").write_text("no corpus")
    with pytest.raises(DataError, match="bare: found neither words nor"):
        predict(raw=str(tmp_path / "bare"))
    with pytest.raises(ParameterError, match=r"data is 'a\.h5' and raw 'b'; expected one of them"):
        PredictionOptions(data="a.h5", raw="b")


def test_surrogates_predict_if_they_are_of_the_last_model(
    project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = WeightsDataset(path=str(MODEL)).load()
    blueprint, full = Blueprint.from_state(state)
    options = SurrogateOptions(form="per_pattern", patterns=(("acoustic", "visual"),))
    plan = SurrogateBlueprint(model=blueprint, options=options)
    networks = [plan.build_network(patterns, full) for patterns in plan.networks]
    surrogate = plan.to_state(plan.assemble(full, networks))
    place = tmp_path / "surrogate"
    WeightsDataset(path=str(place)).save(surrogate)
    chosen = nodes.choose_model(PredictionOptions(), MODEL, place)
    assert "model" in chosen["description"]

    corpus = CorpusDataset(filepath="data/05_model_input/sample/corpus.h5").load()
    corpus = replace(corpus, splits={"test": corpus.test})
    table, _ = nodes.predict_data(chosen, corpus, PredictionOptions())
    by = table.groupby("observed")["predicted_by"].unique().map(list).to_dict()
    assert by.pop("language+acoustic+visual") == ["model"]
    assert by.pop("acoustic+visual") == ["surrogate"]
    assert by and all(found == ["unseen pattern"] for found in by.values())

    # Of a model that was trained since, they are not.
    weights = dict(surrogate["weights"])
    name = next(name for name in weights if name.startswith("full."))
    weights[name] = weights[name] + 1
    WeightsDataset(path=str(place)).save(surrogate | {"weights": weights})
    assert not any(record.levelname == "WARNING" for record in caplog.records)
    chosen = nodes.choose_model(PredictionOptions(), MODEL, place)
    assert "model" not in chosen["description"]
    assert f"{place} is not used: its full model is another" in caplog.text
