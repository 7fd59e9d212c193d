"""Selection and scaling, as nodes."""

import json
import logging
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from mfm_pipeline.data import Corpus, Modality
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.features import scale
from mfm_pipeline.ingestion.options import ScalingOptions, SelectionOptions
from mfm_pipeline.pipelines.ingest_features.nodes import fit_scaling, fit_selection, scale_features
from tests.conftest import MakeCorpus

NAMES = {"acoustic": ("F0", "NAQ", "VUV")}


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Return a corpus whose first visual feature is constant."""
    corpus = replace(make_corpus(), features=NAMES)
    for split in corpus.splits.values():
        split.modalities["visual"].values[..., 0] = 3
    return corpus


def test_kept_features_are_scaled_and_told(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    before = {name: m.values.copy() for name, m in corpus.train.modalities.items()}
    with caplog.at_level(logging.INFO):
        selection = fit_selection(corpus, SelectionOptions(keep={"acoustic": 1}))
    kept = selection["modalities"]["acoustic"]["kept"]
    name = NAMES["acoustic"][kept[0]]
    assert "language: all 5 features kept" in caplog.messages
    assert f"acoustic: 1 of 3 features kept by f_test; kept are {name}" in caplog.messages
    told = "visual: 3 of 4 features kept (1 constant ones left out); kept are 1, 2, 3"
    assert told in caplog.messages
    statistics = fit_scaling(
        corpus, selection, ScalingOptions(transform="identity", method="robust", clip=1.5)
    )
    stored = [json.loads(json.dumps(value)) for value in (selection, statistics)]
    scaled = scale_features(corpus, *stored)
    assert scaled.features == {"acoustic": (name,)}
    for modality, columns in {
        "acoustic": kept,
        "visual": [1, 2, 3],
        "language": [*range(5)],
    }.items():
        train, found = corpus.train.modalities[modality], scaled.train.modalities[modality]
        seen = before[modality][train.steps][:, columns].astype(np.float64)
        spread = np.subtract(*np.percentile(seen, (75, 25), axis=0))
        expected = (seen - np.median(seen, axis=0)) / spread
        np.testing.assert_allclose(
            found.values[found.steps], np.clip(expected, -1.5, 1.5), atol=1e-5
        )
        assert not found.values[~found.steps].any()
    everywhere = np.concatenate(
        [
            s.modalities["acoustic"].values[s.modalities["acoustic"].steps]
            for s in scaled.splits.values()
        ]
    )
    clipped = int((np.abs(everywhere) == 1.5).sum())
    assert clipped and scaled.counts["acoustic values clipped to 1.5"] == clipped
    assert scaled.counts["acoustic features not kept"] == 2
    assert scaled.counts["visual features not kept"] == 1
    assert "language features not kept" not in scaled.counts


def test_scaling_holds_no_more_than_input_and_narrowed_modalities(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "_BLOCK", 2**12)
    rng = np.random.default_rng(0)
    splits = {}
    for name, split in corpus.splits.items():
        modalities = {
            key: Modality(
                rng.normal(size=(len(split), 20, 400)).astype(np.float32),
                np.ones(len(split), bool),
                np.ones((len(split), 20), bool),
            )
            for key in ("language", "visual")
        }
        modalities["visual"].values[..., 7] = 0
        splits[name] = replace(split, modalities=modalities)
    corpus = replace(corpus, splits=splits, features={})
    selection = fit_selection(corpus, SelectionOptions())
    statistics = fit_scaling(corpus, selection, ScalingOptions())
    tracemalloc.start()
    try:
        scaled = scale_features(corpus, selection, statistics)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    found = [split.modalities for split in scaled.splits.values()]
    inputs = [split.modalities for split in corpus.splits.values()]
    narrowed = sum(modalities["visual"].values.nbytes for modalities in found)
    assert scaled.train.modalities["visual"].shape == (399,)
    assert narrowed <= peak < narrowed + 2**12 * 8 * 16
    for given, scaled_modalities in zip(inputs, found, strict=True):
        assert scaled_modalities["language"].values is given["language"].values


def test_features_of_an_unknown_modality_are_refused(corpus: Corpus) -> None:
    with pytest.raises(ParameterError, match="keep names 'audio'"):
        fit_selection(corpus, SelectionOptions(keep={"audio": 1}))
    with pytest.raises(ParameterError, match=r"keep\.acoustic is 0"):
        SelectionOptions(keep={"acoustic": 0})
