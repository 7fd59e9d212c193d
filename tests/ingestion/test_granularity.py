"""What a step is: a word, a sentence, a window; and whose times count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, Track
from mfm_pipeline.errors import DataError
from tests.ingestion.tiny_corpus import VIDEOS, ingest, ingest_all

WORDS = np.array([[0, 1], [1, 2], [2.1, 3], [3.8, 4.4], [4.4, 5]])
TOKENS = np.array(["so", "good.", "yes", "it", "is"])
SENTENCES = [[0, 1], [2], [3, 4]]  # By the full stop, and by the silence.


def _frames(scale: float) -> Track:
    starts = np.arange(0, 5, 0.1)
    values = scale * np.floor(starts * 10 + 1e-9)[:, None].astype(np.float32)
    return Track(np.stack([starts, starts + 0.1], axis=1), values)


def _write(folder: Path, *, words: bool = True, whole: bool = False) -> Path:
    vectors = np.arange(5, dtype=np.float32)[:, None] * [1.0, 10.0]
    files = {
        "X_TimestampedWords": Track(WORDS, TOKENS),
        "X_WordVectors": Track(WORDS, vectors.astype(np.float32)),
        "X_COVAREP": _frames(1.0),
        "X_Facet": _frames(-2.0),
    }
    if not words:
        del files["X_TimestampedWords"], files["X_WordVectors"]
    RawFolderDataset(path=str(folder)).save(
        {
            f"{name}.csd": ComputationalSequence(name, {video: track for video in VIDEOS})
            for name, track in files.items()
        }
    )
    times = "" if whole else ",start,end"
    rows = [f"video{times},sentiment"]
    for index, video in enumerate(VIDEOS):
        rows += [f"{video}{',' if not whole else ''}{'' if whole else '0,5'},{index}"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_sentence_is_the_mean_of_its_words(tmp_path: Path) -> None:
    corpus = ingest(_write(tmp_path / "x"), granularity="sentence")
    language = corpus.train.modalities["language"].values[0]
    expected = [[0, 0], *([np.mean(s), 10 * np.mean(s)] for s in SENTENCES)]
    np.testing.assert_allclose(language, expected)
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["", "so good.", "yes", "it is"]
    by_word = ingest(_write(tmp_path / "y"), steps=5)
    acoustic = by_word.train.modalities["acoustic"].values[0, :, 0]
    np.testing.assert_allclose(
        corpus.train.modalities["acoustic"].values[0, 1:, 0],
        [acoustic[s].mean() for s in SENTENCES], rtol=1e-6,
    )  # fmt: skip


def test_a_longer_silence_makes_fewer_sentences(tmp_path: Path) -> None:
    corpus = ingest(_write(tmp_path), granularity="sentence", sentence_pause=2.0)
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["", "", "so good.", "yes it is"]


def test_a_segment_takes_its_own_part_of_a_sentence(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    rows = ["video,start,end,sentiment"]
    for index, video in enumerate(VIDEOS):  # The first sentence is cut at 1 s, the last at 4.4.
        rows += [f"{video},0,1,{index}", f"{video},1,4.4,{index}", f"{video},4.4,5,{index}"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    corpus, samples, _ = ingest_all(folder, granularity="sentence")
    assert samples["steps"].tolist() == [1, 3, 1] * len(VIDEOS)
    words = corpus.train.words
    assert words is not None
    assert [row[row != ""].tolist() for row in words[:3]] == [
        ["so"],
        ["good.", "yes", "it"],
        ["is"],
    ]
    language = corpus.train.modalities["language"].values[:3, :, 0]
    np.testing.assert_allclose(language, [[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 0, 4]])


def test_sentences_of_a_file_come_first(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    (folder / "sentences").mkdir()
    for video in VIDEOS:
        (folder / "sentences" / f"{video}.csv").write_text("start,end,x\n3.5,5,0\n0,2.05,0\n")
    changes = {"granularity": "sentence", "sentences": {"files": [{"glob": "sentences/*"}]}}
    corpus, _, counts = ingest_all(folder, **changes)
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["", "", "so good.", "it is"]
    outside = counts[counts["quantity"] == "words outside every sentence"]
    assert outside["count"].sum() == len(VIDEOS) and outside["of"].sum() == 5 * len(VIDEOS)
    np.testing.assert_allclose(corpus.train.modalities["language"].values[0, 2:, 0], [0.5, 3.5])


def test_windows_average_the_frames_in_them(tmp_path: Path) -> None:
    corpus = ingest(_write(tmp_path), granularity="window", window=2.0, steps=4)
    frames = np.arange(50)
    expected = [0, frames[:20].mean(), frames[20:40].mean(), frames[40:].mean()]
    np.testing.assert_allclose(
        corpus.train.modalities["acoustic"].values[0, :, 0], expected, rtol=1e-6
    )
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["", "so good.", "yes", "it is"]
    np.testing.assert_allclose(
        corpus.train.modalities["language"].values[0, 1:, 0], [0.5, 2.5, 3.5]
    )


def test_windows_need_no_words(tmp_path: Path) -> None:
    folder = _write(tmp_path, words=False)
    corpus, _, counts = ingest_all(folder, granularity="window", window=2.5)
    told = set(counts["quantity"])
    assert not [quantity for quantity in told if "word" in quantity]
    assert {"windows without acoustic frames", "acoustic frames after the last segment"} <= told
    assert corpus.train.words is None and list(corpus.train.modalities) == ["acoustic", "visual"]
    np.testing.assert_allclose(
        corpus.train.modalities["visual"].values[0, :, 0], [0, 0, -2 * 12, -2 * 37], rtol=1e-6
    )


@pytest.mark.parametrize("whole", [False, True])
def test_windows_need_no_video_in_every_modality(whole: bool, tmp_path: Path) -> None:
    folder = _write(tmp_path, words=False, whole=whole)
    tracks = {video: _frames(1.0) for video in VIDEOS[1:]}
    RawFolderDataset(path=str(folder)).save({"X_COVAREP.csd": ComputationalSequence("c", tracks)})
    corpus, samples, _ = ingest_all(folder, granularity="window", window=2.5)
    assert (samples["fate"] == "kept").all() and len(samples) == len(VIDEOS)
    assert corpus.train.modalities["acoustic"].present.tolist() == [False, True, True]
    np.testing.assert_allclose(
        corpus.train.modalities["visual"].values[0, 2:, 0], [-2 * 12, -2 * 37], rtol=1e-6
    )


@pytest.mark.parametrize("rate", [1.0, 20.0])
def test_a_wrong_rate_is_seen_by_the_labels_too(
    rate: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _write(tmp_path, words=False)
    (folder / "X_COVAREP.csd").unlink()
    (folder / "acoustic").mkdir()
    for video in VIDEOS:
        np.save(folder / "acoustic" / f"{video}.npy", np.ones((50, 1)))
    where = {
        "language": None,
        "acoustic": {"files": [{"glob": "acoustic/*", "rate": rate}]},
        "visual": {"csd": "*Facet*.csd"},
    }
    ingest_all(folder, modalities=where, granularity="window")
    warned = [line for line in caplog.messages if "frame rate right" in line]
    assert len(warned) == 1 and "acoustic" in warned[0]
    assert f"frames last {10 / rate:.2f} times as long as the segments" in warned[0]


def test_no_modality_at_all_is_one_clear_error(tmp_path: Path) -> None:
    folder = _write(tmp_path, words=False)
    for path in folder.glob("*.csd"):
        path.unlink()
    with pytest.raises(DataError, match="found 0 modality with training samples"):
        ingest(folder, granularity="window")


def test_a_label_without_times_is_of_the_whole_video(tmp_path: Path) -> None:
    timed = ingest(_write(tmp_path / "a"), granularity="window", window=2.5)
    whole = ingest(_write(tmp_path / "b", whole=True), granularity="window", window=2.5)
    assert whole.train.ids.tolist() == VIDEOS[:3]
    for name, modality in timed.train.modalities.items():
        np.testing.assert_array_equal(whole.train.modalities[name].values, modality.values)


@pytest.mark.parametrize("anchor", ["acoustic", "visual"])
def test_any_modality_may_be_the_anchor(anchor: str, tmp_path: Path) -> None:
    corpus, _, counts = ingest_all(_write(tmp_path), anchor=[anchor], steps=3)
    assert f"intervals of {anchor} without language frames" in set(counts["quantity"])
    found = corpus.train.modalities[anchor].values[0, :, 0]
    np.testing.assert_allclose(found, (1 if anchor == "acoustic" else -2) * np.array([47, 48, 49]))
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["is", "", ""]  # At the middle of the word.


def test_without_anchor_the_error_says_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither words nor 'language'.*granularity=window"):
        ingest(_write(tmp_path, words=False))


def test_a_wrong_rate_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _write(tmp_path)
    (folder / "X_COVAREP.csd").unlink()
    (folder / "acoustic").mkdir()
    for video in VIDEOS:
        np.save(folder / "acoustic" / f"{video}.npy", np.ones((50, 1)))
    where = {
        "language": {"csd": "*WordVectors.csd"},
        "acoustic": {"files": [{"glob": "acoustic/*", "rate": 10}]},
    }
    _, _, counts = ingest_all(folder, modalities=where)
    assert "frame rate right" not in caplog.text
    for rate, lasts, without, late in ((40, 0.25, 3, 0), (2, 5.0, 0, 40)):
        caplog.clear()
        where["acoustic"]["files"][0]["rate"] = rate
        _, _, counts = ingest_all(folder, modalities=where)
        assert f"frames last {lasts:.2f} times as long as the words" in caplog.text
        by_name = counts[counts["modality"] == "acoustic"].groupby("quantity")["count"].sum()
        per_video = by_name / len(VIDEOS)
        assert per_video["words without acoustic frames"] == without  # Of the last four.
        assert per_video["acoustic frames after the last word"] == late


def test_25_frames_a_second_read_as_30_are_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _write(tmp_path)
    (folder / "X_COVAREP.csd").unlink()
    (folder / "acoustic").mkdir()
    for video in VIDEOS:
        np.save(folder / "acoustic" / f"{video}.npy", np.ones((125, 1)))
    for rate, warned in ((25, False), (30, True)):
        where = {
            "language": {"csd": "*WordVectors.csd"},
            "acoustic": {"files": [{"glob": "acoustic/*", "rate": rate}]},
        }
        caplog.clear()
        ingest(folder, modalities=where)
        assert ("frame rate right" in caplog.text) is warned
