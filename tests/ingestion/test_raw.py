"""From computational sequences to splits."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mfm_pipeline.datasets import Track
from mfm_pipeline.errors import DataError, ParameterError
from tests.features.reference import align_literally, overlap
from tests.ingestion.tiny_corpus import (
    VIDEOS,
    Entries,
    ingest,
    ingest_all,
    make_entries,
    write_corpus,
)


@pytest.mark.parametrize("rule", ["skip", "zero"])
def test_sequences_become_what_the_published_rule_says(rule: str, tmp_path: Path) -> None:
    entries = make_entries()
    corpus = ingest(write_corpus(tmp_path, entries), bad_frames=rule)
    assert corpus.test.ids.tolist() == ["v4[0]", "v4[1]", "v5[0]", "v5[1]"]
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["v0w0", "v0w1", "v0w3", "v0w4"]
    assert corpus.train.words[1].tolist() == ["v0w8", "v0w9", "v0w10", "v0w11"]
    assert not corpus.synthetic and corpus.left_out == ()
    for split, videos in [("train", VIDEOS[:3]), ("test", VIDEOS[4:])]:
        for index, video in enumerate(videos):
            kept = [[0, 1, 3, 4], [8, 9, 10, 11]]  # Of each segment, the last four words.
            intervals, vectors = entries["language"][video]
            for segment in (0, 1):
                row, words = 2 * index + segment, intervals[kept[segment]]
                language = corpus.splits[split].modalities["language"]
                np.testing.assert_array_equal(language.values[row], vectors[kept[segment]])
                for name in ("acoustic", "visual"):
                    found = corpus.splits[split].modalities[name]
                    values, steps = align_literally(
                        words, *entries[name][video], 1e-5, skip=rule == "skip"
                    )
                    np.testing.assert_allclose(found.values[row], values, rtol=1e-5, atol=1e-6)
                    assert found.steps is not None
                    np.testing.assert_array_equal(found.steps[row], steps)
            np.testing.assert_array_equal(
                corpus.splits[split].targets.values[2 * index : 2 * index + 2],
                entries["labels"][video].features,
            )
    assert corpus.counts == {
        "words dropped (shorter than 1e-05 s)": 6,
        "words dropped (pauses)": 6,
        "segments shortened to 4 steps": 6,
        "acoustic frames with NaN or infinity": _bad(entries["acoustic"]),
        "visual frames with NaN or infinity": _bad(entries["visual"]),
    }


def _bad(tracks: dict[str, Track]) -> int:
    return sum(int((~np.isfinite(track.features).all(axis=1)).sum()) for track in tracks.values())


def test_of_a_changed_sequence_only_the_changed_video_is_aligned_again(tmp_path: Path) -> None:
    entries, parts = make_entries(), tmp_path / "parts"
    folder = write_corpus(tmp_path / "a", entries)
    ingest_all(folder, parts)
    before = {path.name for path in parts.glob("*.npz")}
    intervals, features = entries["acoustic"]["v4"]
    entries["acoustic"]["v4"] = Track(intervals, features + 1)
    changed, _, _ = ingest_all(write_corpus(folder, entries), parts)
    after = {path.name for path in parts.glob("*.npz")}
    assert len(after) == len(before) and len(after - before) == 1
    afresh, _, _ = ingest_all(write_corpus(tmp_path / "b", entries))
    for name, split in afresh.splits.items():
        for modality, expected in split.modalities.items():
            found = changed.splits[name].modalities[modality]
            np.testing.assert_array_equal(found.values, expected.values)


def test_padding_is_on_the_left(tmp_path: Path) -> None:
    corpus = ingest(write_corpus(tmp_path, make_entries()), steps=7)
    assert corpus.train.words is not None
    assert corpus.train.words[0].tolist() == ["", "", "", "v0w0", "v0w1", "v0w3", "v0w4"]
    for modality in corpus.train.modalities.values():
        assert modality.steps is not None and not modality.steps[0, :3].any()
        assert not modality.values[0, :3].any()


def test_without_words_the_anchor_gives_the_steps(tmp_path: Path) -> None:
    corpus = ingest(write_corpus(tmp_path, {**make_entries(), "words": {}}))
    assert corpus.train.words is None
    language = corpus.train.modalities["language"]
    assert language.steps is not None and language.steps.all()


def test_presence_is_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entries = make_entries()
    del entries["visual"]["v0"], entries["labels"]["v1"]
    for use in ("language", "acoustic", "visual"):
        del entries[use]["v5"]
    del entries["words"]["v2"]
    entries["labels"]["other"] = entries["labels"]["v0"]
    before, after = entries["labels"]["v4"]
    late = np.array([[100.0, 101.0]])
    labels = np.concatenate([after, after[:1]])
    entries["labels"]["v4"] = Track(np.concatenate([before, late]), labels)
    corpus, samples, _ = ingest_all(write_corpus(tmp_path, entries))
    fates = samples.set_index("id")
    dropped = fates[fates["fate"] == "dropped"]["reason"].to_dict()
    assert dropped == {
        "v2[0]": "its video has no words",
        "v2[1]": "its video has no words",
        "v4[2]": "no words in the segment",
        "other[0]": "its video is in no split",
        "other[1]": "its video is in no split",
    }
    assert fates.loc["v4[0]", "language"] and not fates.loc["v5[0]", "language"]
    assert corpus.train.ids.tolist() == ["v0[0]", "v0[1]"]
    assert corpus.left_out == ("visual",)
    assert corpus.test.ids.tolist() == ["v4[0]", "v4[1]", "v5[0]", "v5[1]"]
    assert corpus.test.has_any_modality.tolist() == [True, True, False, False]
    assert list(corpus.train.modalities) == ["language", "acoustic"]
    expected = {
        "videos of the folds without labels": 1,
        "labelled videos in no fold": 1,
        "labelled videos without words": 1,
        "segments without words": 3,
        "segments without visual": 4,
        "segments without acoustic": 2,
        "segments without language": 2,
        "samples without any modality": 2,
    }
    assert expected.items() <= corpus.counts.items()
    for said in ["visual is left out", "1 of 3 videos of split 'train' have no labels: v1"]:
        assert said in caplog.text


def test_segment_keys_are_understood(tmp_path: Path) -> None:
    entries = make_entries()
    labels: dict[str, Track] = {}
    for video, (intervals, features) in entries["labels"].items():
        for row in (0, 1):
            key = f"{video}[{row + 3}]"
            labels[key] = Track(intervals[row : row + 1], features[row : row + 1])
    acoustic = {f"{video}[0]": track for video, track in entries["acoustic"].items()}
    corpus = ingest(
        write_corpus(tmp_path / "a", {**entries, "labels": labels, "acoustic": acoustic})
    )
    plain = ingest(write_corpus(tmp_path / "b", entries))
    assert corpus.valid.ids.tolist() == ["v3[3]", "v3[4]"]
    for name, modality in plain.train.modalities.items():
        np.testing.assert_array_equal(corpus.train.modalities[name].values, modality.values)


def test_words_lie_in_the_segment_they_are_said_to(tmp_path: Path) -> None:
    entries = make_entries()
    corpus = ingest(write_corpus(tmp_path, entries), steps=12)
    assert corpus.train.words is not None
    segments = entries["labels"]["v0"].intervals
    for row in (0, 1):
        for token in corpus.train.words[row]:
            if token:
                word = entries["language"]["v0"].intervals[int(token[3:])]
                assert overlap(word, segments[row]) >= overlap(word, segments[1 - row])


def _drop(use: str, *videos: str) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        for video in videos or list(entries[use]):
            del entries[use][video]

    return change


def _rename(use: str) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries[use] = {f"other_{video}": track for video, track in entries[use].items()}

    return change


def _label(value: float, *videos: str) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        for video in videos:
            entries["labels"][video].features[:] = value

    return change


BAD_SEQUENCES = {
    "labels missing": (_drop("labels"), "no labels of either form"),
    "labels not finite": (_label(np.nan, "v3"), r"Labels\.csd: video 'v3': found 2 label"),
    "constant target": (_label(1, *VIDEOS[:3]), "target 'sentiment' constant"),
    "empty split": (_drop("labels", "v3"), "split 'valid' is empty: of its 1 videos"),
    "no words in a split": (_drop("words", "v3"), "split 'valid' is empty"),
    "no steps": (
        lambda e: (_drop("words")(e), _drop("language")(e)),
        "neither words nor 'language'",
    ),
    "no video in common": (_rename("acoustic"), r"COVAREP\.csd: found no video in common"),
    "one modality": (
        lambda e: (_drop("acoustic")(e), _drop("visual")(e)),
        r"found 1 modality .* \(language\); .*acoustic \(no file matches \*COVAREP\.csd\)",
    ),
    "words for numbers": (lambda e: e.update(acoustic=e["words"]), "found words; expected numbers"),
    "numbers for words": (
        lambda e: e.update(words=e["visual"]),
        r"found numbers; expected words \(csd, segment_words, textgrid\)",
    ),
}


@pytest.mark.parametrize("name", BAD_SEQUENCES)
def test_bad_sequences_are_one_clear_error(name: str, tmp_path: Path) -> None:
    change, message = BAD_SEQUENCES[name]
    entries = make_entries()
    change(entries)
    with pytest.raises(DataError, match=message) as caught:
        ingest(write_corpus(tmp_path, entries))
    assert str(tmp_path) in str(caught.value) or "corpus tiny" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_ambiguous_or_damaged_or_lacks_folds_is_said(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path, make_entries())
    with pytest.raises(ParameterError, match=r"expected ingestion\.folds"):
        ingest(folder, folds=None, splits={"by": ["listed", "file", "column"]})
    (folder / "X_COVAREP.csd").write_bytes((folder / "X_COVAREP.csd").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"X_COVAREP\.csd.*truncated"):
        ingest(folder)
    (folder / "Y_COVAREP.csd").write_bytes(b"")
    with pytest.raises(DataError, match="acoustic: found 2 files that match"):
        ingest(folder)


def test_a_video_in_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path, {**make_entries(), "acoustic": {}})
    (folder / "acoustic").mkdir()
    for video in VIDEOS:
        np.save(folder / "acoustic" / f"{video}.npy", np.ones((50, 3)))
    where = {
        "language": {"csd": "*WordVectors.csd"},
        "acoustic": {"files": [{"glob": "acoustic/*", "rate": 10, "video": "(v[0-9]+).*"}]},
    }
    assert ingest(folder, modalities=where).train.modalities["acoustic"].present.all()
    # Another part of the video, and what another program has left beside it.
    np.save(folder / "acoustic" / "v2_b.npy", np.ones((5, 3)))
    ingest(folder, modalities=where)
    (folder / "acoustic" / "v2.wav").touch()
    with pytest.raises(DataError, match=r"v2\.npy, acoustic/v2.*of video 'v2'.*'acoustic/\*'"):
        ingest(folder, modalities=where)
