"""Which video is in which split, by every source; and no group in two."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import DataError, ParameterError
from tests.ingestion.tiny_corpus import VIDEOS, ingest, ingest_all, make_entries, write_corpus

SPEAKERS = {"v0": "ann", "v1": "ann", "v2": "bob", "v3": "eve", "v4": "joe", "v5": "joe"}


def _write(folder: Path, columns: dict[str, dict[str, str]] | None = None) -> Path:
    entries = make_entries()
    if columns is not None:
        rows = [",".join(["video", "start", "end", "sentiment", *columns])]
        for video, (intervals, values) in entries["labels"].items():
            for (start, end), value in zip(intervals.tolist(), values[:, 0].tolist(), strict=True):
                extra = [of[video] for of in columns.values()]
                rows.append(",".join([video, str(start), str(end), str(value), *extra]))
        entries["labels"] = {}
        folder.mkdir(exist_ok=True)
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return write_corpus(folder, entries)


def _videos(corpus: Corpus) -> dict[str, list[str]]:
    return {
        name: sorted({str(one).partition("[")[0] for one in split.ids})
        for name, split in corpus.splits.items()
    }


EXPECTED = {"train": ["v0", "v2", "v5"], "valid": ["v1"], "test": ["v3", "v4"]}


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_file_gives_the_splits(kind: str, tmp_path: Path) -> None:
    folder = _write(tmp_path)
    if kind == "json":
        (folder / "splits.json").write_text(json.dumps(EXPECTED))
    else:
        rows = [f"{video},{split}" for split, videos in EXPECTED.items() for video in videos]
        (folder / "splits.csv").write_text("\n".join(["video,split", *rows]) + "\n")
    assert _videos(ingest(folder, folds=None)) == EXPECTED
    # What is listed in the parameters comes first.
    assert _videos(ingest(folder))["valid"] == ["v3"]


def test_a_column_gives_the_splits(tmp_path: Path) -> None:
    of = {video: split for split, videos in EXPECTED.items() for video in videos}
    assert _videos(ingest(_write(tmp_path, {"split": of}), folds=None)) == EXPECTED


def test_splits_are_drawn_by_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = _write(tmp_path)
    drawn = [
        _videos(ingest(folder, folds=None, splits={"valid": 1, "test": 2, "seed": seed}))
        for seed in (0, 0, 1, 2, 3)
    ]
    assert "splits are drawn" in caplog.text
    assert drawn[0] == drawn[1]
    assert len({json.dumps(one) for one in drawn}) > 1
    for one in drawn:
        assert {name: len(videos) for name, videos in one.items()} == {
            "train": 3, "valid": 1, "test": 2,
        }  # fmt: skip
        assert sorted(video for videos in one.values() for video in videos) == VIDEOS


def test_a_speaker_stays_on_one_side_of_a_draw(tmp_path: Path) -> None:
    folder = _write(tmp_path, {"speaker": SPEAKERS})
    for seed in range(5):
        splits = {"group": "speaker", "valid": 1, "test": 1, "seed": seed}
        found = _videos(ingest(folder, folds=None, splits=splits))
        sides = {split: {SPEAKERS[v] for v in videos} for split, videos in found.items()}
        assert sum(map(len, sides.values())) == len(set(SPEAKERS.values()))


def test_speakers_on_both_sides_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _write(tmp_path, {"speaker": SPEAKERS | {"v3": "ann"}})
    corpus, _, counts = ingest_all(folder)
    assert "speakers in more than one split" not in corpus.counts, "said once"
    assert "1 of 3 speakers are in more than one split (ann)" in caplog.text
    found = counts.set_index("quantity").loc["speakers in more than one split"]
    assert (found["count"], found["of"]) == (1, 3)
    caplog.clear()
    _, _, counts = ingest_all(_write(tmp_path, {"speaker": SPEAKERS}), splits={"group": "speaker"})
    assert "more than one split" not in caplog.text
    found = counts.set_index("quantity").loc["groups in more than one split"]
    assert (found["count"], found["of"]) == (0, 4)


def test_what_the_pattern_finds_stays_on_one_side(tmp_path: Path) -> None:
    entries = make_entries()
    renamed = {f"Ses{i // 2}_{i % 2}": f"v{i}" for i in range(6)}
    entries = {use: {new: of[old] for new, old in renamed.items()} for use, of in entries.items()}
    folder = write_corpus(tmp_path, entries)
    splits = {"pattern": "^(Ses[0-9]+)", "valid": 1, "test": 1}
    found = _videos(ingest(folder, folds=None, splits=splits))
    assert {split: len({v[:4] for v in videos}) for split, videos in found.items()} == {
        "train": 1, "valid": 1, "test": 1,
    }  # fmt: skip
    with pytest.raises(DataError, match=r"video 'Ses0_0': found no group by .*pattern"):
        ingest(folder, folds=None, splits={**splits, "pattern": "^(Dia[0-9]+)"})


BAD: dict[str, tuple[dict[str, dict[str, str]] | None, dict[str, Any], str]] = {
    "a speaker in two splits": (
        {"speaker": SPEAKERS | {"v3": "ann"}}, {"splits": {"group": "speaker"}}, "'ann'",
    ),
    "no column of speakers": (None, {"splits": {"group": "speaker"}}, "no column 'speaker'"),
    "two speakers in one video": (
        {"speaker": SPEAKERS}, {"splits": {"group": "speaker"}}, "expected one speaker a video",
    ),
    "an unknown split": (
        {"split": dict.fromkeys(VIDEOS, "train") | {"v1": "trian"}}, {"folds": None}, "trian",
    ),
    "too few groups": (None, {"folds": None, "splits": {"valid": 3, "test": 3}}, "6"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_split_is_one_clear_error(name: str, tmp_path: Path) -> None:
    columns, changes, said = BAD[name]
    folder = _write(tmp_path, columns)
    if name == "two speakers in one video":
        path = folder / "labels.csv"
        path.write_text(path.read_text().replace("ann", "zoe", 1))
    with pytest.raises(DataError, match=said) as caught:
        ingest(folder, **changes)
    assert "\n" not in str(caught.value)


def test_nothing_that_gives_splits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"splits\.by is file, column"):
        ingest(_write(tmp_path), folds=None, splits={"by": ["file", "column"]})
