"""The raw form of a corpus: its streams and its labels, found and opened."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, cast

from mfm_pipeline.datasets.csd import SequenceReader
from mfm_pipeline.datasets.formats import FORMATS, sniff_format
from mfm_pipeline.datasets.raw_folder import RawFolder
from mfm_pipeline.datasets.stream import FileStream, Stream
from mfm_pipeline.datasets.track import Kind, TrackFormat
from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.ingestion.choose import describe_globs, find_file, has_labels
from mfm_pipeline.ingestion.labels import (
    Labels,
    SequenceLabels,
    TableLabels,
    TableSegments,
    WholeVideos,
)
from mfm_pipeline.ingestion.options import (
    FilesOptions,
    IngestionOptions,
    ModalityOptions,
    StreamOptions,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The streams of a corpus, their structure checked.

    Parameters
    ----------
    labels : Labels
    words, sentences : Stream or None
    modalities : dict of str to Stream
    reasons : dict of str to str
        Why a modality that was asked for is not among them.
    """

    labels: Labels
    words: Stream | None
    sentences: Stream | None
    modalities: dict[str, Stream]
    reasons: dict[str, str] = field(default_factory=dict)


@contextmanager
def open_sources(
    raw: RawFolder, options: IngestionOptions, *, labelled: bool = True
) -> Iterator[Sources]:
    """Open every stream of the raw form, and the labels.

    Parameters
    ----------
    raw : RawFolder
    options : IngestionOptions
    labelled : bool
        Whether there have to be labels. Otherwise those that there are count; a CSV
        without label columns gives segments, and without one, videos are samples as a
        whole.

    Raises
    ------
    DataError
        If a file is damaged, of the wrong kind, or has no video in common with the labels.
    """
    with ExitStack() as stack:

        def open_one(where: StreamOptions, use: str, kind: Kind | None) -> Stream | None:
            stream = open_stream(raw, where, use, kind)
            if stream is None:
                return None
            stack.enter_context(closing(stream))
            logger.info("%s: %s: %d videos in %s", options.corpus, use, len(stream.videos), stream)
            return stream

        labels: Labels | None = None
        if labelled or has_labels(raw, options):
            labels = _open_labels(raw, options, stack, labelled)
        words = open_one(options.words, "words", "words")
        sentences = open_one(options.sentences, "sentences", None)
        found = {
            name: open_one(modality, name, "numbers") for name, modality in options.wanted.items()
        }
        modalities = {name: stream for name, stream in found.items() if stream is not None}
        streams = [s for s in (words, sentences, *modalities.values()) if s is not None]
        if labels is None:
            labels = WholeVideos(raw.path, [video for stream in streams for video in stream.videos])
        else:
            for stream in streams:
                _check_common(labels, stream)
        reasons = {
            name: f"no file matches {_describe(options.wanted[name])}"
            for name in found
            if name not in modalities
        }
        yield Sources(labels, words, sentences, modalities, reasons)


def is_there(raw: RawFolder, where: StreamOptions, use: str) -> bool:
    """Say whether a file matches what a stream is looked for by."""
    files = any(raw.matching(choice.glob) for choice in where.files)
    return files or find_file(raw, where.csd, use) is not None


def open_stream(raw: RawFolder, where: StreamOptions, use: str, kind: Kind | None) -> Stream | None:
    """Open the one computational sequence, or the files, that a stream lies in.

    Parameters
    ----------
    raw : RawFolder
    where : StreamOptions
    use : str
        What it is wanted for; for messages.
    kind : {"numbers", "words"}, optional
        What it has to hold; either will do if None.

    Returns
    -------
    Stream or None
        None if nothing matches.

    Raises
    ------
    DataError
        If a file is damaged, of the wrong kind, or several match where one is expected.
    """
    file = find_file(raw, where.csd, use)
    stream: Stream | None
    stream = raw.open_sequence(file) if file else _open_files(raw, where.files, use)
    if stream is not None and kind is not None and stream.kind != kind:
        stream.close()
        formats = ", ".join(name for name, format in FORMATS.items() if format.kind == kind)
        raise DataError(
            f"{stream.path}: {use}: found {stream.kind}; expected {kind} (csd, {formats})"
        )
    return stream


def _open_files(raw: RawFolder, choices: tuple[FilesOptions, ...], use: str) -> FileStream | None:
    for choice in choices:
        if not (names := raw.matching(choice.glob)):
            continue
        files: dict[str, tuple[PurePosixPath, ...]] = {}
        for name in names:
            video = _video_of(name, choice, use)
            files[video] = (*files.get(video, ()), PurePosixPath(name))
        _check_stems(files, choice.glob, f"{raw.path}: {use}")
        chosen = choice.format
        if chosen == "auto":
            chosen = sniff_format(raw.path / names[0])
        return FileStream(
            raw.path / PurePosixPath(choice.glob).parent,
            {video: tuple(raw.path / name for name in found) for video, found in files.items()},
            _make_format(chosen, choice, use),
        )
    return None


def _video_of(name: str, choice: FilesOptions, use: str) -> str:
    stem = PurePosixPath(name).stem
    match = re.fullmatch(choice.video, stem)
    if match is None or not match[1]:
        raise DataError(
            f"{name}: {use}: found a name that does not fit '{choice.video}'; "
            "expected one that gives the video"
        )
    return match[1]


def _check_stems(files: Mapping[str, tuple[PurePosixPath, ...]], glob: str, where: str) -> None:
    """Refuse two files of one name: not two parts of a video, but one in two forms."""
    for video, found in files.items():
        if len({file.stem for file in found}) < len(found):
            raise DataError(
                f"{where}: found {', '.join(map(str, found[:3]))} of video '{video}'; "
                f"expected one: narrow the glob '{glob}'"
            )


def _make_format(name: str, choice: FilesOptions, use: str) -> TrackFormat:
    made: Any = FORMATS[name]
    known = {field.name for field in fields(made)}
    if choice.rate is not None and "rate" not in known:
        raise ParameterError(
            f"ingestion: {use}: rate is {choice.rate:g}, but format '{name}' gives its own times; "
            "expected null"
        )
    rate = {} if choice.rate is None else {"rate": choice.rate}
    known.discard("rate")
    for option in choice.options:
        if option not in known:
            raise ParameterError(
                f"ingestion: {use}: options holds '{option}'; format '{name}' has "
                f"{', '.join(sorted(known)) or 'none'}"
            )
    try:
        return cast(TrackFormat, made(**rate, **choice.options))
    except ParameterError as error:
        raise ParameterError(f"ingestion: {use}: {error}") from error


def _open_labels(
    raw: RawFolder, options: IngestionOptions, stack: ExitStack, labelled: bool
) -> Labels:
    file = find_file(raw, options.labels.csd, "labels")
    if file is not None:
        reader: SequenceReader = stack.enter_context(raw.open_sequence(file))
        if reader.kind != "numbers":
            raise DataError(f"{reader.path}: labels: found {reader.kind}; expected numbers")
        return SequenceLabels(reader, options.targets)
    file = find_file(raw, options.labels.table, "labels")
    if file is None:
        raise DataError(f"{raw.path}: found no labels; expected {_describe_labels(options)}")
    table = raw.open_label_table(file)
    if labelled or table.columns:
        return TableLabels(table, options.targets)
    return TableSegments(table)


def _describe_labels(options: IngestionOptions) -> str:
    wanted = [options.labels.csd, options.labels.table]
    return " or ".join(describe_globs(globs) for globs in wanted if globs)


def _describe(where: ModalityOptions) -> str:
    globs = [describe_globs(choice) for choice in (where.csd, where.vectors) if choice]
    return " or ".join(globs + [choice.glob for choice in where.files]) or "it (no glob is set)"


def _check_common(labels: Labels, stream: Stream) -> None:
    if set(labels.videos) & set(stream.videos):
        return
    raise DataError(
        f"{stream.path}: found no video in common with {labels.path.name} "
        f"({next(iter(stream.videos))!r}, ... against {next(iter(labels.videos))!r}, ...); "
        "expected the same ids"
    )
