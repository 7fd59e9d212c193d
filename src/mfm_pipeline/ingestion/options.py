"""What can be set about ingestion; checked before any node runs."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from mfm_pipeline.data import SPLIT_NAMES, Task
from mfm_pipeline.datasets.formats import FORMATS
from mfm_pipeline.features.align import BadFrames
from mfm_pipeline.features.scale import Transform
from mfm_pipeline.features.scaling_steps import Method
from mfm_pipeline.features.select import Rule
from mfm_pipeline.features.words import Unknown
from mfm_pipeline.options import Options

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
#: One glob, or several of which the first that matches a file is taken.
Globs = Text | Annotated[tuple[Text, ...], Field(min_length=1)]
Column = Annotated[int, Field(ge=0, le=100_000)]
Count = Annotated[int, Field(ge=1, le=100_000)]
SplitSource = Literal["listed", "file", "column", "drawn"]
Granularity = Literal["word", "sentence", "window"]


class FilesOptions(Options):
    """Files of a stream, one a video (or several)."""

    glob: Text = Field(description="Below the corpus's folder: `acoustic/*`.")
    format: Text = Field(
        "auto", description="Name of a format; auto goes by the first file's name and head."
    )
    rate: float | None = Field(
        None, gt=0, le=1e6, description="Frames a second, of formats without times."
    )
    options: dict[Text, int | float | str] = Field(
        default_factory=dict,
        description="Others of the format: `min_confidence`, `bookkeeping`, `tier`.",
    )
    video: Text = Field(
        "(.+)", description="Regular expression of a file's stem; its group is the video."
    )

    @field_validator("format")
    @classmethod
    def _check_format(cls, value: str) -> str:
        known = ("auto", *FORMATS)
        if value not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return value

    @field_validator("video")
    @classmethod
    def _check_video(cls, value: str) -> str:
        return _with_one_group(value)


class StreamOptions(Options):
    """Where words, sentences or a modality are found in the raw form."""

    csd: Globs | None = Field(
        None, description="File name glob of its computational sequence; the first of several."
    )
    files: tuple[FilesOptions, ...] = Field(
        (), description="Without one: files, one a video; the first glob that matches."
    )

    @property
    def is_set(self) -> bool:
        """Whether there is anywhere to look."""
        return self.csd is not None or bool(self.files)


class ModalityOptions(StreamOptions):
    """Where a modality is found, in each raw form."""

    vectors: Globs | None = Field(
        None, description="Word vectors that words are looked up in, where nothing else is found."
    )
    vectors_member: Text | None = Field(
        None, description="Glob of the member, where the vectors are a zip of several."
    )
    prepared: Globs | None = Field(
        None, description="Name of its prepared arrays: `audio` for audio_train.h5."
    )
    columns: tuple[Column, Column] | None = Field(
        None, description="Its columns [first, last) in the side-by-side X_train.h5."
    )

    @model_validator(mode="after")
    def _check(self) -> ModalityOptions:
        if not self.is_set and (self.vectors, self.prepared, self.columns) == (None, None, None):
            raise ValueError(
                "no place to look is given; expected csd, files, vectors, prepared or columns"
            )
        if self.columns is not None and self.columns[0] >= self.columns[1]:
            raise ValueError(f"columns are {list(self.columns)}; expected first < last")
        return self


class LabelOptions(Options):
    """Where the labels are found, in each raw form."""

    csd: Globs | None = Field(None, description="Glob of their computational sequence.")
    table: Globs | None = Field(None, description="Glob of a CSV of labels.")
    prepared: Globs = Field(("y",), description="Name of their prepared arrays.")


class SplitOptions(Options):
    """Which videos are in which split, where the raw form does not say it."""

    by: Annotated[tuple[SplitSource, ...], Field(min_length=1)] = Field(
        ("listed", "file", "column", "drawn"),
        description="The first that is there: the folds, a file, a column `split`, a draw.",
    )
    file: Globs | None = Field("splits.*", description="JSON of three lists, or CSV: id, split.")
    group: Literal["video", "speaker"] = Field(
        "video", description="What may not be in two splits; speaker: a column of the labels."
    )
    pattern: Text | None = Field(
        None, description="Regular expression of a video's id, whose group is the group."
    )
    valid: float = Field(0.1, gt=0, description="Drawn: share of groups, or from 1 on a count.")
    test: float = Field(0.2, gt=0, description="Drawn: share of groups, or from 1 on a count.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Of the draw.")

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str | None) -> str | None:
        return value if value is None else _with_one_group(value)

    @field_validator("valid", "test")
    @classmethod
    def _check_size(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError("expected a share below 1, or a whole number of groups")
        return value


class TargetOptions(Options):
    """What is predicted."""

    task: Task = Field("regression", description="regression, multiclass or multilabel.")
    names: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Names of the targets, labels or classes."
    )
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] | None = Field(
        None, description="Columns of the label array, in the order of the names; all if null."
    )
    values: Annotated[tuple[float, ...], Field(min_length=2)] | None = Field(
        None, description="Label of each class, where it is no index; others are left out."
    )

    @model_validator(mode="after")
    def _check(self) -> TargetOptions:
        if repeated := _repeated(self.names):
            raise ValueError(f"names hold {repeated} twice; expected each once")
        if self.columns is not None and (repeated := _repeated(self.columns)):
            raise ValueError(f"columns hold {repeated} twice; expected each once")
        wanted = {len(self.names), 1} if self.task == "multiclass" else {len(self.names)}
        if self.columns is not None and len(self.columns) not in wanted:
            raise ValueError(
                f"{len(self.columns)} columns for {len(self.names)} names; expected as many"
            )
        if self.task == "multiclass" and len(self.names) < 2:
            raise ValueError(f"one class, '{self.names[0]}'; expected at least two")
        if self.values is not None and (
            self.task != "multiclass" or len(self.values) != len(self.names)
        ):
            raise ValueError(f"{len(self.values)} values; expected one a class, of a multiclass")
        return self


class Folds(Options):
    """Video ids of each split; no video is in two."""

    train: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For training.")
    valid: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For validation.")
    test: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For the test.")

    @field_validator("train", "valid", "test", mode="before")
    @classmethod
    def _check_ids(cls, value: Any) -> Any:
        # YAML makes numbers of ids without quotes, and 007 is another video than 7.
        ids = value if isinstance(value, list | tuple) else ()
        if wrong := [found for found in ids if not isinstance(found, str)]:
            raise ValueError(f"it holds {wrong[0]!r}; expected ids in quotes")
        return value

    @model_validator(mode="after")
    def _check(self) -> Folds:
        if repeated := _repeated(self.train + self.valid + self.test):
            raise ValueError(f"video {repeated} is named twice; expected each video in one split")
        return self

    def items(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the splits in their order, each with its videos."""
        return tuple((name, getattr(self, name)) for name in SPLIT_NAMES)


class IngestionOptions(Options):
    """How raw files become aligned splits."""

    corpus: Text = Field(description="Name of the corpus: the environment's, `sample` in base.")
    form: Literal["auto", "raw", "prepared"] = Field(
        "auto", description="auto takes the raw form where there are labels for it."
    )
    modalities: dict[Name, ModalityOptions | None] = Field(
        description="What to look for, by modality; null for one that is not wanted."
    )
    words: StreamOptions = Field(StreamOptions(), description="Words with their times.")
    sentences: StreamOptions = Field(
        StreamOptions(), description="Times of sentences; else they end where words say so."
    )
    labels: LabelOptions = Field(LabelOptions(), description="Labels, and times of segments.")
    bundle: Globs | None = Field(
        None, description="Glob of one file with the prepared arrays of all splits."
    )
    granularity: Granularity = Field("word", description="What a step is.")
    anchor: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        ("words", "language"),
        description="Whose intervals are the steps: `words` or a modality; the first found.",
    )
    window: float = Field(1.0, gt=0, le=3600, description="Seconds of a step, if a window.")
    sentence_pause: float = Field(
        0.5, gt=0, le=60, description="Seconds of silence that end a sentence."
    )
    steps: int = Field(20, ge=1, le=10_000, description="Length of a sample; the last are kept.")
    bad_frames: BadFrames = Field(
        "skip", description="skip: NaN and infinities leave the mean; zero: as published."
    )
    min_overlap: float = Field(
        1e-5, ge=0, le=1, description="Seconds; frame and word must share more than this."
    )
    pauses: tuple[str, ...] = Field(("sp",), description="Tokens that are no words.")
    unknown_words: Unknown = Field(
        "zero", description="Vector of a word that the word vectors lack."
    )
    targets: TargetOptions = Field(description="What is predicted.")
    folds: Folds | None = Field(
        None, description="Video ids of each split; null where something else gives the split."
    )
    splits: SplitOptions = Field(SplitOptions(), description="How videos are split.")
    stated: dict[Text, Annotated[int, Field(ge=0)]] = Field(
        {}, description="Sizes that the corpus's paper states, for the data report."
    )
    workers: int | None = Field(
        None, ge=1, le=1024, description="Processes; null for one a core if it is worth it."
    )

    @model_validator(mode="after")
    def _check(self) -> IngestionOptions:
        if len(self.wanted) < 2:
            found = ", ".join(self.wanted) or "none"
            raise ValueError(f"modalities are {found}; expected at least two")
        known = {"words", *self.wanted}
        if wrong := [name for name in self.anchor if name not in {*known, *self.modalities}]:
            raise ValueError(
                f"anchor holds unknown modality '{wrong[0]}'; "
                f"expected some of {', '.join(sorted(known))}"
            )
        return self

    @property
    def wanted(self) -> dict[str, ModalityOptions]:
        """The modalities asked for."""
        return {name: m for name, m in self.modalities.items() if m is not None}


class SelectionOptions(Options):
    """Which aligned features are kept."""

    drop_constant: bool = Field(
        True, description="Leave out features that are the same in all of training."
    )
    keep: dict[str, Count | None] = Field(
        default_factory=dict, description="How many of the others, by modality; null for all."
    )
    rule: Rule = Field("f_test", description="How they are chosen: f_test or mutual_information.")


class ScalingOptions(Options):
    """How kept features are scaled."""

    transform: Transform = Field(
        "signed_log", description="What is done to a feature before it is scaled."
    )
    method: Method = Field(
        "standard",
        description="standard: mean and standard deviation; robust: median and interquartile "
        "range; quantile: to a normal distribution.",
    )
    clip: float = Field(
        10.0, gt=0, le=1e6, description="Where scaled values are clipped, on both sides."
    )


def _with_one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None
    if groups != 1:
        raise ValueError(f"it has {groups} groups; expected one")
    return pattern


def _repeated(values: tuple[object, ...]) -> str | None:
    return next((repr(value) for value, count in Counter(values).items() if count > 1), None)
