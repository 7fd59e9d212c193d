"""Every environment reads its corpus in the raw form and in the prepared one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, Track
from mfm_pipeline.ingestion.options import IngestionOptions
from tests.conftest import ROOT
from tests.ingestion.environments import read_parameters
from tests.ingestion.tiny_corpus import ingest_with

EMOTIONS = ("happy", "sad", "angry", "frustrated", "excited", "neutral")
TRAITS = tuple(
    [
        "con",
        "pas",
        "voi",
        "dom",
        "cre",
        "viv",
        "exp",
        "ent",
        "res",
        "tru",
        "rel",
        "out",
        "tho",
        "ner",
        "per",
        "hum",
    ]
)
#: Environment: task, names of the targets, prefix of its .csd files or None for a file a video,
#: columns of its label arrays.
CORPORA: dict[str, tuple[str, tuple[str, ...], str | None, int]] = {
    "cmu_mosi": ("regression", ("sentiment",), "CMU_MOSI", 1),
    "cmu_mosei": ("regression", ("sentiment",), "CMU_MOSEI", 7),
    "pom": ("regression", TRAITS, "POM", 17),
    "ict_mmmo": ("regression", ("sentiment",), None, 1),
    "youtube": ("multiclass", ("class_0", "class_1", "class_2"), None, 3),
    "moud": ("multiclass", ("negative", "positive"), None, 1),
    "iemocap": ("multilabel", EMOTIONS, None, 6),
}
SENTENCES = {"pom", "ict_mmmo"}
WHOLE = {"pom", "ict_mmmo"}  # One sample a video.


def _options(corpus: str, **changes: Any) -> IngestionOptions:
    parameters = read_parameters(ROOT / "conf", corpus)["ingestion"]
    parameters["splits"] |= {"valid": 2, "test": 3}
    return IngestionOptions.model_validate({**parameters, **changes})


def _videos(options: IngestionOptions, corpus: str) -> list[str]:
    if options.folds is not None:
        return [video for _, videos in options.folds.items() for video in videos[:4]]
    if corpus == "iemocap":
        return [f"Ses0{i // 2 + 1}{'FM'[i % 2]}_{kind}0{i}" for i in range(6)
                for kind in ("impro", "script")]  # fmt: skip
    return [f"{corpus}_{i}" for i in range(12)]


def _labels(corpus: str, rng: np.random.Generator, index: int) -> np.ndarray:
    task, names, _, columns = CORPORA[corpus]
    if task == "regression":
        return rng.uniform(1, 5, columns)
    if task == "multilabel":
        return (rng.random(columns) < 0.5).astype(float)
    chosen = index % len(names)
    return np.eye(len(names))[chosen] if columns > 1 else np.array([float(chosen)])


def _streams(videos: list[str]) -> dict[str, dict[str, Track]]:
    """Words of 12 s in four sentences, frames that count the time."""
    streams: dict[str, dict[str, Track]] = {"words": {}, "acoustic": {}, "visual": {}}
    starts = np.concatenate([3 * k + 0.4 * np.arange(5) for k in range(4)])
    words = np.stack([starts, starts + 0.4], axis=1)
    tokens = np.array([f"w{i}" for i in range(20)])
    for video in videos:
        streams["words"][video] = Track(words, tokens)
        for name, rate, width in (("acoustic", 100, 4), ("visual", 30, 3)):
            edges = np.arange(12 * rate + 1) / rate
            values = np.repeat(edges[:-1, None], width, axis=1).astype(np.float32)
            streams[name][video] = Track(np.stack([edges[:-1], edges[1:]], axis=1), values)
    return streams


def _segments(corpus: str) -> np.ndarray:
    return np.array([[0.0, 12.0]] if corpus in WHOLE else [[0.0, 6.0], [6.0, 12.0]])


def _write_csd(folder: Path, corpus: str, videos: list[str]) -> None:
    prefix, rng = CORPORA[corpus][2], np.random.default_rng(0)
    streams = _streams(videos)
    segments = _segments(corpus)
    labels = {
        video: Track(segments, np.stack([_labels(corpus, rng, i) for _ in segments]))
        for i, video in enumerate(videos)
    }
    visual, labelled = {
        "cmu_mosei": ("VisualFacet42", "Labels"),
        "cmu_mosi": ("Visual_Facet_42", "Opinion_Labels"),
        "pom": ("Facet_42", "Labels"),
    }[corpus]
    vectors = {
        video: Track(track.intervals, np.ones((20, 5), np.float32))
        for video, track in streams["words"].items()
    }
    files = {
        "TimestampedWords": streams["words"],
        "TimestampedWordVectors": vectors,
        "COVAREP": streams["acoustic"],
        visual: streams["visual"],
        labelled: labels,
    }
    RawFolderDataset(path=str(folder)).save(
        {f"{prefix}_{n}.csd": ComputationalSequence(n, entries) for n, entries in files.items()}
    )


def _write_files(folder: Path, corpus: str, videos: list[str]) -> None:
    task, names, _, columns = CORPORA[corpus]
    rng = np.random.default_rng(0)
    streams = _streams(videos)
    for name in ("words", "acoustic", "visual"):
        (folder / name).mkdir(parents=True)
    for video, (intervals, tokens) in streams["words"].items():
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "12", "<exists>"]
        lines += ["1", '"IntervalTier"', '"words"', "0", "12", "20"]
        for (start, end), token in zip(intervals.tolist(), tokens, strict=True):
            lines += [repr(start), repr(end), f'"{token}"']
        (folder / "words" / f"{video}.TextGrid").write_text("\n".join(lines) + "\n")
        for name in ("acoustic", "visual"):
            track = streams[name][video]
            path = folder / name / f"{video}.npz"
            np.savez(path, features=track.features, intervals=track.intervals)
    header = list(names) if columns > 1 or task == "regression" else ["polarity"]
    rows = [",".join(["video", "start", "end", *header])]
    for index, video in enumerate(videos):
        for start, end in _segments(corpus).tolist():
            values = [str(value) for value in _labels(corpus, rng, index)]
            if corpus == "moud":
                values = [names[index % 2]]
            rows.append(",".join([video, str(start), str(end), *values]))
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    words = "".join(f"w{i} 1 1 1 1 1\n" for i in range(20))
    (folder / ("words.vec" if corpus == "moud" else "glove.txt")).write_text(words)


def _check(corpus: str, found: Corpus) -> None:
    task, names, _, _ = CORPORA[corpus]
    assert found.name == corpus and not found.synthetic and found.left_out == ()
    assert found.train.targets.task == task and found.train.targets.names == names
    assert list(found.train.modalities) == ["language", "acoustic", "visual"]


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_raw_form(corpus: str, tmp_path: Path) -> None:
    options = _options(corpus)
    videos = _videos(options, corpus)
    write = _write_csd if CORPORA[corpus][2] else _write_files
    write(tmp_path / corpus, corpus, videos)
    found, samples, _ = ingest_with(tmp_path / corpus, options)
    _check(corpus, found)
    assert len(samples) == len(videos) * len(_segments(corpus))
    acoustic, words = found.train.modalities["acoustic"].values[0, :, 0], found.train.words
    assert words is not None
    if corpus in SENTENCES:
        # Four sentences of two seconds, from 0, 3, 6 and 9 s on.
        np.testing.assert_allclose(acoustic[-4:], [1, 4, 7, 10], atol=0.02)
        assert words[0, -1] == "w15 w16 w17 w18 w19" and words[0, -5] == ""
    else:
        np.testing.assert_allclose(acoustic[-2:], [4.4, 4.8], atol=0.02)
        assert words[0, -1] == "w9" and words[0, -11] == ""
    if corpus == "iemocap":
        dialogues = {
            name: {str(i).split("[")[0] for i in s.ids} for name, s in found.splits.items()
        }
        assert not dialogues["train"] & dialogues["test"]
    if corpus == "pom":  # Column 14 is skipped.
        rng = np.random.default_rng(0)
        labels = _labels(corpus, rng, 0)
        np.testing.assert_allclose(found.train.targets.values[0, 13:], labels[[13, 15, 16]])


@pytest.mark.parametrize("corpus", [name for name in CORPORA if name != "cmu_mosei"])
def test_the_prepared_form(corpus: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = CORPORA[corpus][3]
    (tmp_path / corpus).mkdir()
    for split, n in (("train", 12), ("valid", 4), ("test", 5)):
        y = np.stack([_labels(corpus, rng, i) for i in range(n)]).reshape(n, columns)
        arrays = {f"y_{split}": y, f"text_{split}_emb": rng.normal(size=(n, 20, 6))}
        arrays |= {f"{m}_{split}": rng.normal(size=(n, 20, 3)) for m in ("audio", "video")}
        for name, values in arrays.items():
            with h5py.File(tmp_path / corpus / f"{name}.h5", "w") as file:
                file["d1"] = values
    found, _, _ = ingest_with(tmp_path / corpus, _options(corpus))
    _check(corpus, found)
    assert [len(split) for split in found.splits.values()] == [12, 4, 5]


def test_labels_that_are_none_of_the_classes_are_left_out(tmp_path: Path) -> None:
    options = _options("moud")
    _write_files(tmp_path / "moud", "moud", _videos(options, "moud"))
    path = tmp_path / "moud" / "labels.csv"
    lines = path.read_text().replace("negative", "-1").replace("positive", "1").splitlines()
    lines[2] = lines[2].rsplit(",", 1)[0] + ",0"
    path.write_text("\n".join(lines) + "\n")
    targets = {**options.targets.model_dump(), "values": [-1, 1]}
    found, _, counts = ingest_with(tmp_path / "moud", _options("moud", targets=targets))
    assert sum(map(len, found.splits.values())) == 23
    assert counts.set_index("quantity")["count"]["segments with another label"] == 1
    for split in found.splits.values():
        videos = [int(str(name).split("_")[1].split("[")[0]) for name in split.ids]
        assert split.targets.values.tolist() == [video % 2 for video in videos]


@pytest.mark.parametrize("corpus", ["cmu_mosi", "cmu_mosei"])
def test_a_pickle_of_mmsa(corpus: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {}
    for split, n in (("train", 12), ("valid", 4), ("test", 5)):
        content[split] = {
            "regression_labels": rng.uniform(-3, 3, n),
            "id": [f"{split}{i}$_$0" for i in range(n)],
            **{name: rng.normal(size=(n, 50, 4)) for name in ("text", "audio", "vision")},
        }
    (tmp_path / corpus).mkdir()
    (tmp_path / corpus / "aligned_50.pkl").write_bytes(pickle.dumps(content))
    found, samples, _ = ingest_with(tmp_path / corpus, _options(corpus))
    _check(corpus, found)
    assert [len(split) for split in found.splits.values()] == [12, 4, 5]
    np.testing.assert_allclose(
        found.test.targets.values[:, 0], content["test"]["regression_labels"], rtol=1e-6
    )
    assert (samples["reason"] == "the last 20 of 50 steps are kept").all()
