"""Tables of models of images: errors against a mean image by hand, names through CSV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog

from mfm_pipeline import plots
from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.evaluation import predict as module
from mfm_pipeline.evaluation import (
    predict_corpus,
    predictions_of,
    reconstruction_errors,
    score,
    score_test,
)
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT
from tests.models.image_samples import mixed_corpus, model_of

NAMES = ("0", "007", "NA", "nan", "1e3", "true", "7", "N/A", "None", "-1")


def corpus_of_images(*, names: tuple[str, ...] = ("0", "1"), seed: int = 0) -> Corpus:
    """Return splits that share images: ``a`` has rows several times, ``b`` one a sample."""
    rng = np.random.default_rng(seed)
    pool = rng.integers(0, 256, (7, 2, 4, 8)).astype(np.uint8)

    def split(name: str, n: int) -> Split:
        present = rng.random((2, n)) > 0.3
        present[:, 0] = True
        own = rng.integers(0, 256, (n, 1, 9, 4)).astype(np.uint8)
        modalities = {
            "a": Modality(pool, present[0], rows=rng.integers(0, 5, n)),
            "b": Modality(own, present[1]),
        }
        targets = Targets(np.arange(n) % len(names), names, "multiclass")
        return Split(modalities, targets, np.char.mod(f"{name[0]}%03d", np.arange(n)))

    sizes = {"train": 30, "valid": 10, "test": 20}
    return Corpus("images", {name: split(name, n) for name, n in sizes.items()})


def literal_mean(modality: Modality) -> np.ndarray:
    """Return the mean over the samples that have an image, each as often as it is had."""
    seen = [
        modality.values[i if modality.rows is None else modality.rows[i]].astype(float)
        for i in range(len(modality))
        if modality.present[i]
    ]
    return np.mean(seen, axis=0) / 255


@pytest.mark.parametrize("block", [2, 4096])
def test_errors_of_images_beside_those_of_the_mean_image(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    corpus = corpus_of_images()
    model = model_of(corpus.train)
    errors = reconstruction_errors(model, corpus, batch_size=6).set_index(["modality", "id"])
    output = model(Inputs.from_split(corpus.test))
    for name, modality in corpus.test.modalities.items():
        mean = literal_mean(corpus.train.modalities[name])
        made = output.reconstructions[name].detach().numpy()
        for i, sample in enumerate(corpus.test.ids):
            if not modality.present[i]:
                assert (name, sample) not in errors.index
                continue
            image = modality.values[i if modality.rows is None else modality.rows[i]] / 255
            row = errors.loc[(name, sample)]
            assert row["mse"] == pytest.approx(((made[i] - image) ** 2).mean(), rel=1e-4)
            assert row["mse_of_mean"] == pytest.approx(((mean - image) ** 2).mean(), rel=1e-4)


def test_a_modality_that_train_lacks_is_set_beside_black() -> None:
    corpus = corpus_of_images()
    train = corpus.train
    lacking = replace(train.modalities["b"], present=np.zeros(len(train), dtype=bool))
    train = replace(train, modalities={**train.modalities, "b": lacking})
    corpus = replace(corpus, splits={**corpus.splits, "train": train})
    errors = reconstruction_errors(model_of(train), corpus, batch_size=6)
    of_b = errors[errors["modality"] == "b"]
    images = corpus.test.modalities["b"]
    expected = (images.values[images.present] / 255.0) ** 2
    np.testing.assert_allclose(of_b["mse_of_mean"], expected.mean(axis=(1, 2, 3)), rtol=1e-4)


def test_errors_of_a_sequence_beside_images_are_those_of_zero() -> None:
    corpus = mixed_corpus()
    errors = reconstruction_errors(model_of(corpus.train), corpus, batch_size=16)
    speech = corpus.test.modalities["speech"]
    found = errors[errors["modality"] == "speech"].set_index("id")["mse_of_mean"]
    for i in np.flatnonzero(speech.present):
        observed = speech.values[i][speech.steps[i]]  # type: ignore[index]
        assert found[corpus.test.ids[i]] == pytest.approx((observed**2).mean(), rel=1e-4)


def test_a_discriminative_model_has_no_errors_and_is_scored_all_the_same(tmp_path: Path) -> None:
    corpus = corpus_of_images()
    model = model_of(corpus.train, generates=[])
    errors = reconstruction_errors(model, corpus, batch_size=6)
    loaded = through_the_catalog(errors, tmp_path / "errors.csv", "reconstruction_errors")
    for table in (errors, loaded):
        assert list(table) == ["id", "modality", "mse", "mse_of_mean"] and not len(table)
        metrics = score_test(predict_corpus(model, corpus, 6), table, corpus, None)
        assert set(metrics) == {"test/acc", "test/f1", "trivial/acc", "trivial/f1"}
        figure = plots.plot_reconstruction(table, corpus.label)
        assert "generates nothing" in "".join(text.get_text() for text in figure.axes[0].texts)


def through_the_catalog(table: pd.DataFrame, path: Path, name: str = "predictions") -> pd.DataFrame:
    """Save and load a table as the catalog's entry of that name says."""
    catalog = ConfigLoader(ROOT / "conf", None, **CONFIG_LOADER_ARGS)["catalog"]
    entry = catalog[name]["dataset"] | {"filepath": str(path)}
    dataset = DataCatalog.from_config({name: entry})
    dataset.save(name, table)
    loaded = dataset.load(name)
    assert isinstance(loaded, pd.DataFrame)
    return loaded


def seen_as(model: MFM, corpus: Corpus) -> np.ndarray:
    with torch.inference_mode():
        return model.predict(Inputs.from_split(corpus.test)).argmax(dim=1).numpy()


@pytest.mark.parametrize("names", [tuple("0123456789"), NAMES])
def test_classes_and_ids_that_look_like_something_else_survive_the_file(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    corpus = corpus_of_images(names=names)
    ids = np.array(["007", "NA", "nan", "1e5", "", "0", "3.0", "TRUE", "null", "7"])
    test = corpus.test.select(np.arange(10))
    corpus = replace(corpus, splits={**corpus.splits, "test": replace(test, ids=ids)})
    model = model_of(corpus.train)
    table = predict_corpus(model, corpus, batch_size=6)
    loaded = through_the_catalog(table, tmp_path / "predictions.csv")
    for column in ("id", "split", "true", "predicted", "predicted_by"):
        assert loaded[column].tolist() == table[column].tolist(), column
    assert list(loaded) == list(table)
    for split_name, split in corpus.splits.items():
        found = predictions_of(loaded, split_name, split.targets)
        np.testing.assert_array_equal(found, predictions_of(table, split_name, split.targets))
        assert score(split.targets, found) == score(
            split.targets, predictions_of(table, split_name, split.targets)
        )
    known = corpus.test.has_any_modality
    found = predictions_of(loaded, "test", corpus.test.targets)
    np.testing.assert_array_equal(found[known], seen_as(model, corpus)[known])
    true = loaded[loaded["split"] == "test"]["true"]
    assert true.tolist() == [names[k] for k in corpus.test.targets.values]


def test_modalities_and_ids_of_errors_survive_the_file(tmp_path: Path) -> None:
    errors = pd.DataFrame(
        {"id": ["007", "NA"], "modality": ["NA", "1"], "mse": [0.5, 2.0], "mse_of_mean": [1.0, 3.0]}
    )
    loaded = through_the_catalog(errors, tmp_path / "errors.csv", "reconstruction_errors")
    pd.testing.assert_frame_equal(loaded, errors)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_numbers_survive_the_file_too(tmp_path: Path, task: str) -> None:
    corpus = mixed_corpus(task)  # type: ignore[arg-type]
    table = predict_corpus(model_of(corpus.train), corpus, batch_size=16)
    loaded = through_the_catalog(table, tmp_path / "predictions.csv")
    before, after = (predictions_of(t, "test", corpus.test.targets) for t in (table, loaded))
    np.testing.assert_allclose(after, before, rtol=1e-6)
    assert after.dtype == before.dtype == np.float32
