"""Language from words: vectors, unknown words, and how many there are."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.datasets import Track
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import predict_corpus, score_test
from mfm_pipeline.evaluation.predict import reconstruction_errors
from mfm_pipeline.features.scale import fit_scaling
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.training import TrainingOptions, fit
from tests.conftest import ROOT, SHARED_DATA
from tests.ingestion import sample_forms as forms
from tests.ingestion.environments import read_parameters
from tests.ingestion.tiny_corpus import ingest_all, ingest_with, make_entries, write_corpus

GLOVE = "the 1 0\ngood 0 2\nfilm 3 3\nisn't 9 9\ncine 4 4\n"
WORDS = ["the", "GOOD", "film's", "xyzzy", "Ciné"]
FOUND = {"the": [1, 0], "GOOD": [0, 2], "film's": [3, 3], "Ciné": [4, 4]}
WHERE = {
    "language": {"vectors": "glove.txt"},
    "acoustic": {"csd": "*COVAREP.csd"},
    "visual": {"csd": "*Facet*.csd"},
}


def _write(folder: Path) -> Path:
    entries = make_entries()
    entries["language"] = {}
    for video, (intervals, tokens) in entries["words"].items():
        order = np.argsort(intervals[:, 0])
        spoken = np.array([WORDS[i % 5] for i in range(12)])
        spoken[2] = "sp"
        entries["words"][video] = Track(intervals[order], spoken)
        assert len(tokens) == 12
    write_corpus(folder, entries)
    (folder / "glove.txt").write_text(GLOVE)
    return folder


def _ingest(folder: Path, **changes: Any) -> Any:
    return ingest_all(folder, modalities=WHERE, steps=6, **changes)


def test_each_word_has_its_vector_and_an_unknown_one_is_a_step_without(tmp_path: Path) -> None:
    corpus, _, counts = _ingest(_write(tmp_path))
    words, language = corpus.train.words, corpus.train.modalities["language"]
    assert words is not None and language.steps is not None
    for row in range(len(corpus.train)):
        for step, word in enumerate(words[row].tolist()):
            assert language.values[row, step].tolist() == FOUND.get(word, [0, 0]), word
            assert language.steps[row, step] == (word in FOUND)
    assert not language.values.any(axis=2)[~language.steps].any()
    rows = counts[counts["quantity"] == "words that the language vectors lack"]
    # Of twelve words one is a pause; 3 and 8 are unknown.
    assert rows.set_index("split")["count"].to_dict() == {"train": 6, "valid": 2, "test": 4}
    assert rows["of"].tolist() == [33, 11, 22]
    assert not [quantity for quantity in counts["quantity"] if "language frames" in quantity]
    types = counts[counts["quantity"] == "different words that the language vectors lack"]
    assert types["count"].tolist() == [1, 1, 1] and types["of"].tolist() == [5, 5, 5]


def test_words_said_at_once_keep_their_own_vectors(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    entries = make_entries()
    both = np.array([[0.0, 1.0], [0.2, 1.2]])
    tokens = np.array(["the", "film"])
    write_corpus(folder, {"words": {video: Track(both, tokens) for video in entries["words"]}})
    corpus, _, _ = _ingest(folder)
    assert corpus.train.modalities["language"].values[0, -2:].tolist() == [[1, 0], [3, 3]]


def test_unknown_words_take_the_mean_of_train(tmp_path: Path) -> None:
    corpus, _, _ = _ingest(_write(tmp_path), unknown_words="mean")
    spoken = [w for i, w in enumerate([WORDS[i % 5] for i in range(12)]) if i != 2]
    mean = np.mean([FOUND[word] for word in spoken if word in FOUND], axis=0)
    language = corpus.test.modalities["language"]
    at = corpus.test.words == "xyzzy"
    np.testing.assert_allclose(language.values[at], np.broadcast_to(mean, (at.sum(), 2)), rtol=1e-6)
    assert language.steps[at].all()


def test_unknown_words_are_drawn_by_their_letters(tmp_path: Path) -> None:
    first, _, _ = _ingest(_write(tmp_path / "a"), unknown_words="hash")
    second, _, _ = _ingest(_write(tmp_path / "b"), unknown_words="hash")
    at = first.train.words == "xyzzy"
    drawn = first.train.modalities["language"].values[at]
    assert np.unique(drawn, axis=0).shape == (1, 2) and drawn.all()
    np.testing.assert_array_equal(drawn, second.train.modalities["language"].values[at])


def test_another_file_of_vectors_is_seen(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    _ingest(folder)
    (folder / "glove.txt").write_text(GLOVE.replace("1 0", "7 0"))
    corpus, _, _ = _ingest(folder)
    assert corpus.train.modalities["language"].values[0, 2].tolist() == [7, 0]


def test_vectors_of_another_language_are_an_error(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    (folder / "glove.txt").write_text("der 1 2\ndie 3 4\n")
    with pytest.raises(DataError, match=r"glove\.txt: found none of the corpus's 5 words"):
        _ingest(folder)


def test_without_vectors_language_is_left_out_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _write(tmp_path)
    (folder / "glove.txt").unlink()
    corpus, _, _ = _ingest(folder)
    assert corpus.left_out == ("language",)
    assert "language is left out: no file matches glove.txt" in caplog.text


def test_the_sample_s_words_are_in_real_vectors_and_are_trained_on(tmp_path: Path) -> None:
    source = SHARED_DATA / "glove" / "glove.6B.50d.top20k.txt.gz"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    (tmp_path / "glove").mkdir()
    shutil.copy(source, tmp_path / "glove")
    sequences = forms.simulate(forms.SampleOptions(segments_per_video=4))
    names = ("TimestampedWords", "COVAREP", "Facet_42", "Opinion_Labels")
    forms.write_csd(tmp_path / "sample", sequences, *names)
    options = IngestionOptions.model_validate(read_parameters(ROOT / "conf", None)["ingestion"])
    corpus, _, counts = ingest_with(tmp_path / "sample", options)
    assert corpus.train.modalities["language"].shape == (50,)
    with gzip.open(source, "rt") as file:
        known = {line.split(" ", 1)[0] for line in file}
    spoken = [word for _, words in sequences["TimestampedWords"].values() for word in words]
    unknown = counts[counts["quantity"] == "words that the language vectors lack"]
    # Of plain lower-case words: none is found by another spelling.
    assert unknown["count"].sum() == sum(word not in known and word != "sp" for word in spoken)
    assert unknown["of"].sum() == sum(word != "sp" for word in spoken)

    scaling = fit_scaling(corpus, 10.0)
    splits = {name: scaling.apply(split)[0].keep(["language", "acoustic"])
              for name, split in corpus.splits.items()}  # fmt: skip
    corpus = type(corpus)("sample", splits, synthetic=True)
    small = {"discriminative": {"latent": 32, "factor": 32}, "generative": {"latent": 8}}
    options = TrainingOptions(epochs=8, learning_rate=0.01)
    trained = fit(corpus, ModelOptions(fusion="statistics", **small), options, tmp_path)
    errors = reconstruction_errors(trained.model, corpus, 64)
    metrics = score_test(predict_corpus(trained.model, corpus, 64), errors, corpus, None)
    assert metrics["test/r"] > 0.5 and metrics["test/mae"] < metrics["trivial/mae"]


def test_what_is_read_survives_the_catalog(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.eye(2, dtype=np.float32), index=["año", "the"], columns=["0", "1"])
    frame.to_parquet(tmp_path / "v.parquet")
    found = pd.read_parquet(tmp_path / "v.parquet")
    pd.testing.assert_frame_equal(found, frame)


def test_pauses_alone_are_no_words(tmp_path: Path) -> None:
    folder, entries = _write(tmp_path), make_entries()
    silence = {v: Track(t.intervals, np.full(12, "sp")) for v, t in entries["words"].items()}
    write_corpus(folder, {"words": silence})
    with pytest.raises(DataError, match=r"split 'train' is empty: .*has a segment with words"):
        _ingest(folder)
