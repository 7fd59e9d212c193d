"""Nodes of the embedded sample: real files, nothing elsewhere, and the planted score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.datasets import RawFolder, RawFolderDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.pipelines.sample import create_pipeline, create_scoring_pipeline
from mfm_pipeline.pipelines.sample.nodes import generate_sample, score_planted
from mfm_pipeline.simulation import LABELS, PLANTED, SampleOptions, simulate

PARAMETERS = Path(__file__).parents[2] / "conf" / "base" / "parameters_sample.yml"
OPTIONS = SampleOptions(videos=9, segments_per_video=5, words_per_segment=4)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawFolder:
    dataset = RawFolderDataset(path=str(tmp_path_factory.mktemp("raw") / "sample"))
    dataset.save(generate_sample(OPTIONS))
    return dataset.load()


def make_split(videos: range, rng: np.random.Generator) -> Split:
    """Samples in random order, the last segment of each video dropped."""
    labels = simulate(OPTIONS)[LABELS]
    ids = np.array([f"sample_{v:02}[{s}]" for v in videos for s in range(4)])
    values = np.concatenate([labels[f"sample_{v:02}"][1][:4] for v in videos])
    n = len(ids)
    zeros = Modality(np.zeros((n, 1, 1), np.float32), np.ones(n, bool), np.ones((n, 1), bool))
    targets = Targets(values, ("sentiment",), "regression")
    return Split({"language": zeros, "acoustic": zeros}, targets, ids).select(rng.permutation(n))


@pytest.fixture
def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    videos = {"train": range(5), "valid": range(5, 6), "test": range(6, 9)}
    splits = {name: make_split(found, rng) for name, found in videos.items()}
    return Corpus("sample", splits, synthetic=True)


class TestGenerate:
    def test_files_are_computational_sequences(self, raw: RawFolder) -> None:
        assert raw.files == (
            "SAMPLE_COVAREP.csd",
            "SAMPLE_Facet_42.csd",
            "SAMPLE_Opinion_Labels.csd",
            "SAMPLE_Planted_Factors.csd",
            "SAMPLE_TimestampedWordVectors.csd",
            "SAMPLE_TimestampedWords.csd",
        )
        with h5py.File(raw.path / "SAMPLE_TimestampedWords.csd") as file:
            features = file["TimestampedWords/data/sample_00/features"]
            intervals = file["TimestampedWords/data/sample_00/intervals"]
            assert features.dtype.kind == "S" and features.shape == (len(intervals), 1)

    def test_what_is_written_is_what_was_drawn(self, raw: RawFolder) -> None:
        for name, entries in simulate(OPTIONS).items():
            with raw.open_sequence(f"SAMPLE_{name}.csd") as reader:
                assert reader.name == name
                assert set(reader.lengths) == set(entries)
                for video, (intervals, features) in entries.items():
                    track = reader.read(video)
                    np.testing.assert_array_equal(track.intervals, intervals)
                    np.testing.assert_array_equal(track.features, features)

    def test_metadata_says_synthetic_and_lacks_keys(self, raw: RawFolder) -> None:
        keys = {}
        for file in raw.files:
            with raw.open_sequence(file) as reader:
                metadata = reader.read_metadata()
            assert "synthetic" in metadata["dataset name"]
            assert len(metadata.get("dimension names", [""] * reader.width)) == reader.width
            keys[file] = set(metadata)
        everything = set.union(*keys.values())
        assert len(everything) == 13
        assert everything - keys["SAMPLE_COVAREP.csd"] == {"md5"}
        assert everything - keys["SAMPLE_Facet_42.csd"] == {"dimension names"}

    def test_same_options_same_files(self, raw: RawFolder, tmp_path: Path) -> None:
        RawFolderDataset(path=str(tmp_path)).save(generate_sample(OPTIONS))
        for file in raw.files:
            assert (tmp_path / file).read_bytes() == (raw.path / file).read_bytes()

    def test_another_corpus_is_left_alone(self, tmp_path: Path) -> None:
        generated = generate_sample(OPTIONS.model_copy(update={"corpus": "pom"}))
        assert generated == {}
        RawFolderDataset(path=str(tmp_path / "pom")).save(generated)
        assert list(tmp_path.iterdir()) == []

    def test_base_configuration_is_the_default(self) -> None:
        block = yaml.safe_load(PARAMETERS.read_text())
        assert set(block) == {"sample"}
        assert block["sample"]["corpus"] == "${corpus:}"
        options = SampleOptions(**{**block["sample"], "corpus": "sample"})
        assert options == SampleOptions()
        assert set(block["sample"]) == set(SampleOptions.model_fields)


class TestScorePlanted:
    def test_it_is_least_squares_on_the_true_factor(self, raw: RawFolder, corpus: Corpus) -> None:
        planted = simulate(OPTIONS)[PLANTED]

        def design(split: Split) -> np.ndarray:
            rows = [planted[i[:9]][1][int(i[10:-1])] for i in split.ids]
            return np.column_stack([np.array(rows, np.float64), np.ones(len(rows))])

        weights, *_ = np.linalg.lstsq(design(corpus.train), corpus.train.targets.values[:, 0])
        predicted = design(corpus.test) @ weights
        true = corpus.test.targets.values[:, 0]
        metrics = score_planted(raw, corpus)
        assert set(metrics) == {"planted/r", "planted/mae"}
        assert metrics["planted/r"] == pytest.approx(np.corrcoef(predicted, true)[0, 1], abs=1e-5)
        assert metrics["planted/mae"] == pytest.approx(np.abs(predicted - true).mean(), abs=1e-5)
        assert metrics["planted/r"] > 0.7

    def test_real_data_has_none(self, corpus: Corpus, tmp_path: Path) -> None:
        assert score_planted(RawFolder(tmp_path, ()), replace(corpus, synthetic=False)) == {}

    def test_missing_factors_are_named(
        self, raw: RawFolder, corpus: Corpus, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match=r"Planted_Factors\.csd"):
            score_planted(RawFolder(tmp_path, ("SAMPLE_COVAREP.csd",)), corpus)
        renamed = replace(corpus.test, ids=np.char.replace(corpus.test.ids, "06[0]", "66[0]"))
        splits = {**corpus.splits, "test": renamed}
        with pytest.raises(DataError, match=r"sample_66\[0\]"):
            score_planted(raw, replace(corpus, splits=splits))


def test_wiring() -> None:
    assert create_pipeline().inputs() == {"params:sample"}
    assert create_pipeline().outputs() == {"raw@sequences"}
    assert create_scoring_pipeline().inputs() == {"raw@folder", "corpus"}
    assert create_scoring_pipeline().outputs() == {"planted_metrics"}
