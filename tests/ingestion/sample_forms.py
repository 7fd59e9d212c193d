"""The embedded sample, written in every form that ingestion reads."""

from __future__ import annotations

import csv
import gzip
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import ComputationalSequence, RawFolderDataset, Track
from mfm_pipeline.simulation import SampleOptions, Traps, simulate
from mfm_pipeline.simulation.traps import Entry

Sequences = dict[str, dict[str, Entry]]

#: Flaws that files of a fixed rate cannot hold are left out.
TRAPS = Traps(gaps=0.0, unsorted=0.0, missing_modality=0.1)
OPTIONS = SampleOptions(
    videos=10, segments_per_video=3, words_per_segment=6, acoustic_features=8,
    visual_features=7, traps=TRAPS,
)  # fmt: skip


def make_sequences() -> Sequences:
    return simulate(OPTIONS)


def write_csd(folder: Path, sequences: Sequences, *names: str) -> None:
    files = {
        f"S_{name}.csd": ComputationalSequence(
            name, {video: Track(*entry) for video, entry in sequences[name].items()}
        )
        for name in names
    }
    RawFolderDataset(path=str(folder)).save(files)


def _rows(path: Path, header: list[str], rows: Any, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def _each(folder: Path, suffix: str, write: Callable[[Path, Entry], None]) -> Any:
    def write_all(entries: dict[str, Entry]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for video, entry in entries.items():
            write(folder / f"{video}{suffix}", entry)

    return write_all


def covarep(folder: Path, compressed: bool = False) -> Any:
    def write(path: Path, entry: Entry) -> None:
        values = {"features": entry[1].astype(np.float64)}
        scipy.io.savemat(path, values, do_compression=compressed)

    return _each(folder / "covarep", ".mat", write)


def covarep_73(folder: Path) -> Any:
    def write(path: Path, entry: Entry) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            file["features"] = entry[1].T
        with path.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")

    return _each(folder / "covarep", ".mat", write)


def facet(folder: Path) -> Any:
    def write(path: Path, entry: Entry) -> None:
        header = ["Frame", "Face Box X", "Face Box Y", "W", "H"]
        header += [f"AU {i}" for i in range(entry[1].shape[1])]
        _rows(
            path, header, ([i, 9, 9, 9, 9, *map(repr_float, row)] for i, row in enumerate(entry[1]))
        )

    return _each(folder / "facet", ".csv", write)


def repr_float(value: Any) -> str:
    return repr(float(value))


def openface(folder: Path) -> Any:
    def write(path: Path, entry: Entry) -> None:
        header = ["frame", " face_id", " timestamp", " confidence", " success"]
        header += [f" AU{i:02}_r" for i in range(entry[1].shape[1])]
        rows: list[list[Any]] = []
        for i, ((start, _), row) in enumerate(zip(*entry, strict=True)):
            kept = [i, 0, repr_float(start), 0.98, 1, *map(repr_float, row)]
            unsure = [i, 1, repr_float(start), 0.3, 1, *[7.0] * len(row)]
            lost = [i, 2, repr_float(start), 1.0, 0, *[9.0] * len(row)]
            rows += [[kept], [unsure, kept], [lost, kept, unsure]][i % 3]
        _rows(path, header, rows)

    return _each(folder / "openface", ".csv", write)


def opensmile(folder: Path) -> Any:
    def write(path: Path, entry: Entry) -> None:
        header = ["name", "frameTime", *(f"F{i}_sma" for i in range(entry[1].shape[1]))]
        times = (repr_float(start) for start, _ in entry[0])
        rows = (["'a'", at, *map(repr_float, r)] for at, r in zip(times, entry[1], strict=True))
        _rows(path, header, rows, ";")

    return _each(folder / "opensmile", ".csv", write)


def table(folder: Path, name: str, times: str = "start,end", delimiter: str = ",") -> Any:
    """Write CSV files with two columns of times, one, or (for a fixed rate) none."""
    columns = times.split(",") if times else []

    def write(path: Path, entry: Entry) -> None:
        header = [*columns, *(f"f{i}" for i in range(entry[1].shape[1]))]
        rows = (
            [*map(repr_float, at[: len(columns)]), *map(repr_float, r)]
            for at, r in zip(*entry, strict=True)
        )
        _rows(path, header, rows, delimiter)

    return _each(folder / name, ".csv" if delimiter == "," else ".tsv", write)


def array(folder: Path, name: str) -> Any:
    return _each(
        folder / name, ".npz",
        lambda path, entry: np.savez(path, features=entry[1], intervals=entry[0]),
    )  # fmt: skip


def array_at_rate(folder: Path, name: str) -> Any:
    return _each(folder / name, ".npy", lambda path, entry: np.save(path, entry[1]))


def segment_csd(folder: Path, file: str, segments: dict[str, Entry]) -> Any:
    """Write a sequence with a key a segment, ``video[0]``, as of features cut beforehand."""

    def write_all(entries: dict[str, Entry]) -> None:
        cut = {}
        for video, (intervals, values) in entries.items():
            owner = _owners(intervals, segments[video])
            for number in np.unique(owner).tolist():
                rows = owner == number
                cut[f"{video}[{number}]"] = Track(intervals[rows], values[rows])
        RawFolderDataset(path=str(folder)).save({f"S_{file}.csd": ComputationalSequence(file, cut)})

    return write_all


def _owners(intervals: np.ndarray, segments: Entry) -> np.ndarray:
    """Return the segment of each row; what lies between two goes with the one before."""
    starts = segments[0][:, 0]
    return np.clip(np.searchsorted(starts, intervals[:, 0], side="right") - 1, 0, None)


def textgrid_long(folder: Path, encoding: str = "utf-8") -> Any:
    """Write TextGrids in the long form, with P2FA's tiers."""

    def write(path: Path, entry: Entry) -> None:
        end = float(entry[0].max())
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0"]
        lines += [f"xmax = {end!r}", "tiers? <exists>", "size = 2", "item []:"]
        for number, (name, words) in enumerate(
            [("phone", []), ("word", list(zip(*entry, strict=True)))], 1
        ):
            spans = words or [((0.0, end), "")]
            lines += [f"    item [{number}]:", '        class = "IntervalTier"']
            lines += [f'        name = "{name}"', "        xmin = 0", f"        xmax = {end!r}"]
            lines += [f"        intervals: size = {len(spans)}"]
            for i, ((start, stop), token) in enumerate(spans, 1):
                lines += [f"        intervals [{i}]:", f"            xmin = {float(start)!r}"]
                lines += [f"            xmax = {float(stop)!r}", f'            text = "{token}"']
        path.write_text("\n".join(lines) + "\n", encoding=encoding)

    return _each(folder / "words", ".TextGrid", write)


def textgrid_short(folder: Path, encoding: str = "utf-8") -> Any:
    """Write TextGrids in the short form, with the tiers of the Montreal Forced Aligner.

    Time without a word has an interval without text, and phones come last.
    """

    def write(path: Path, entry: Entry) -> None:
        end = float(entry[0].max())
        spans: list[tuple[float, float, str]] = []
        for (start, stop), token in zip(*entry, strict=True):
            if start > (before := spans[-1][1] if spans else 0.0):
                spans.append((before, float(start), ""))
            spans.append((float(start), float(stop), str(token)))
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", repr(end)]
        lines += ["<exists>", "2"]
        for name, found in (("words", spans), ("phones", [(0.0, end, "AH0")])):
            lines += ['"IntervalTier"', f'"{name}"', "0", repr(end), str(len(found))]
            for begin, stop, text in found:
                lines += [repr(begin), repr(stop), f'"{text}"']
        path.write_text("\n".join(lines) + "\n", encoding=encoding)

    return _each(folder / "words", ".TextGrid", write)


def segment_words(folder: Path, segments: dict[str, Entry]) -> Any:
    """Write a file a segment, in capitals."""

    def write_all(entries: dict[str, Entry]) -> None:
        (folder / "segments").mkdir(parents=True, exist_ok=True)
        for video, (intervals, tokens) in entries.items():
            owner = _owners(intervals, segments[video])
            for number, begin in enumerate(segments[video][0][:, 0]):
                rows = np.flatnonzero(owner == number)
                text = "".join(
                    f"{i},{str(tokens[row]).upper() if tokens[row] != 'sp' else 'sp'},"
                    f"{float(intervals[row, 0] - begin)!r},{float(intervals[row, 1] - begin)!r},"
                    f"{float(intervals[row, 0])!r},{float(intervals[row, 1])!r}\n"
                    for i, row in enumerate(rows)
                )
                (folder / "segments" / f"{video}_{number}.txt").write_text(text)

    return write_all


def labels_csv(folder: Path) -> Any:
    def write_all(entries: dict[str, Entry]) -> None:
        rows = [
            [video, repr_float(start), repr_float(end), repr_float(label[0])]
            for video, entry in entries.items()
            for (start, end), label in zip(*entry, strict=True)
        ]
        _rows(folder / "labels.csv", ["video", "start", "end", "sentiment"], rows)

    return write_all


def vectors_by_word(sequences: Sequences) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for video, (_, tokens) in sequences["TimestampedWords"].items():
        if video in sequences["TimestampedWordVectors"]:
            values = sequences["TimestampedWordVectors"][video][1]
            found |= dict(zip(tokens.tolist(), values, strict=True))
    found.pop("sp", None)
    return found


def _lines(vectors: dict[str, np.ndarray]) -> list[bytes]:
    return [f"{word} {' '.join(map(repr_float, row))}\n".encode() for word, row in vectors.items()]


def _glove_text(vectors: dict[str, np.ndarray]) -> bytes:
    """Write GloVe's lines with their traps: a token of several, one twice, one of no UTF-8."""
    lines = _lines(vectors)
    other = b" 9" * len(next(iter(vectors.values()))) + b"\n"
    again = next(iter(vectors)).encode()
    return b"".join([b". . ." + other, b"\xe9t\xff" + other, *lines, again + other])


def glove(folder: Path, vectors: dict[str, np.ndarray], kind: str) -> None:
    """Write vectors by word: ``txt``, ``gz`` and ``zip`` GloVe, ``vec`` and ``bin`` word2vec."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _glove_text(vectors)
    head = f"{len(vectors)} {len(next(iter(vectors.values())))}\n".encode()
    if kind == "txt":
        (folder / "glove.txt").write_bytes(text)
    elif kind == "gz":
        with gzip.open(folder / "glove.txt.gz", "wb") as file:
            file.write(text)
    elif kind == "zip":  # Of several widths, as it is published.
        narrow = {word: row[:2] for word, row in vectors.items()}
        with zipfile.ZipFile(folder / "glove.6B.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("glove.6B.50d.txt", _glove_text(narrow))
            archive.writestr("glove.6B.300d.txt", text)
    elif kind == "vec":
        (folder / "words.vec").write_bytes(head + b"".join(_lines(vectors)))
    else:
        rows = (w.encode() + b" " + r.astype("<f4").tobytes() + b"\n" for w, r in vectors.items())
        (folder / "words.bin").write_bytes(head + b"".join(rows))


PREPARED = {"language": "text", "acoustic": "audio", "visual": "video"}


def prepared_h5(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in corpus.splits.items():
        arrays = {f"y_{name}": split.targets.values.astype(np.float64)}
        for modality, stem in PREPARED.items():
            suffix = "_emb" if stem == "text" else ""
            arrays[f"{stem}_{name}{suffix}"] = split.modalities[modality].values.astype(np.float64)
        for file, values in arrays.items():
            with h5py.File(folder / f"{file}.h5", "w") as opened:
                opened["d1"] = values


def prepared_side_by_side(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in corpus.splits.items():
        joined = np.concatenate([split.modalities[m].values for m in PREPARED], axis=2)
        for file, values in ((f"X_{name}", joined), (f"y_{name}", split.targets.values)):
            with h5py.File(folder / f"{file}.h5", "w") as opened:
                opened["d1"] = values


def _bundle(corpus: Corpus, split: str, labels: str) -> dict[str, Any]:
    found = corpus.splits[split]
    arrays: dict[str, Any] = {
        "text": found.modalities["language"].values,
        "audio": found.modalities["acoustic"].values,
        "vision": found.modalities["visual"].values,
    }
    if labels == "labels":
        return {**arrays, labels: found.targets.values[:, :, None], "id": found.ids}
    ids = [name.replace("[", "$_$").rstrip("]") for name in found.ids.tolist()]
    return {**arrays, labels: found.targets.values[:, 0], "id": ids, "raw_text": ["a b"] * len(ids)}


def mmsa_pickle(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {split: _bundle(corpus, split, "regression_labels") for split in corpus.splits}
    (folder / "aligned_50.pkl").write_bytes(pickle.dumps(content, protocol=4))


def multibench_pickle(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {split: _bundle(corpus, split, "labels") for split in corpus.splits}
    (folder / "mosi_raw.pkl").write_bytes(pickle.dumps(content, protocol=2))


def npz(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{split}/{name}": values
        for split in corpus.splits
        for name, values in _bundle(corpus, split, "labels").items()
    }
    np.savez_compressed(folder / "all.npz", **arrays)
