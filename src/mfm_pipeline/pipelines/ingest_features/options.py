"""What can be set about ingestion; checked before any node runs."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from mfm_pipeline.data import SPLIT_NAMES, Task
from mfm_pipeline.features.align import BadFrames
from mfm_pipeline.features.scale import Transform
from mfm_pipeline.options import Options

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
#: One glob, or several of which the first that matches a file is taken.
Globs = Text | Annotated[tuple[Text, ...], Field(min_length=1)]
Column = Annotated[int, Field(ge=0, le=100_000)]


class ModalityOptions(Options):
    """Where a modality is found, in each raw form."""

    csd: Globs | None = Field(
        None, description="File name glob of its computational sequence; the first of several."
    )
    prepared: Text | None = Field(
        None, description="Stem of its prepared arrays: `audio` for audio_train.h5."
    )
    columns: tuple[Column, Column] | None = Field(
        None, description="Its columns [first, last) in the side-by-side X_train.h5."
    )

    @model_validator(mode="after")
    def _check(self) -> ModalityOptions:
        if self.csd is None and self.prepared is None and self.columns is None:
            raise ValueError("no place to look is given; expected csd, prepared or columns")
        if self.columns is not None and self.columns[0] >= self.columns[1]:
            raise ValueError(f"columns are {list(self.columns)}; expected first < last")
        return self


class TargetOptions(Options):
    """What is predicted."""

    task: Task = Field("regression", description="regression, multiclass or multilabel.")
    names: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Names of the targets, labels or classes."
    )
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] | None = Field(
        None, description="Columns of the label array, in the order of the names; all if null."
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
        return self


class Folds(Options):
    """Video ids of each split; no video is in two."""

    train: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For training.")
    valid: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For validation.")
    test: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="For the test.")

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
    form: Literal["auto", "csd", "prepared"] = Field(
        "auto", description="Raw form; auto takes csd where there are label sequences."
    )
    modalities: dict[Name, ModalityOptions | None] = Field(
        description="What to look for, by modality; null for one that is not wanted."
    )
    words: Globs | None = Field(None, description="Glob of the csd of words: one step each.")
    labels: Globs | None = Field(None, description="Glob of the csd of labels.")
    anchor: Name = Field(
        "language", description="Modality whose intervals are the steps if there are no words."
    )
    steps: int = Field(20, ge=1, le=10_000, description="Length of a sample; the last are kept.")
    bad_frames: BadFrames = Field(
        "skip", description="skip: NaN and infinities leave the mean; zero: as published."
    )
    min_overlap: float = Field(
        1e-5, ge=0, le=1, description="Seconds; frame and word must share more than this."
    )
    pauses: tuple[str, ...] = Field(("sp",), description="Tokens that are no words.")
    targets: TargetOptions = Field(description="What is predicted.")
    folds: Folds | None = Field(
        None, description="Video ids of each split; null where the files give the split."
    )

    @model_validator(mode="after")
    def _check(self) -> IngestionOptions:
        if len(self.wanted) < 2:
            found = ", ".join(self.wanted) or "none"
            raise ValueError(f"modalities are {found}; expected at least two")
        if self.words is None and self.anchor not in self.wanted:
            raise ValueError(
                f"anchor is unknown modality '{self.anchor}'; "
                f"expected one of {', '.join(self.wanted)}"
            )
        return self

    @property
    def wanted(self) -> dict[str, ModalityOptions]:
        """The modalities asked for."""
        return {name: m for name, m in self.modalities.items() if m is not None}


class ScalingOptions(Options):
    """How aligned features are scaled."""

    transform: Transform = Field(
        "signed_log", description="What is done to a feature before it is standardised."
    )
    clip: float = Field(
        10.0, gt=0, le=1e6, description="Standard deviations at which values are clipped."
    )


def _repeated(values: tuple[object, ...]) -> str | None:
    return next((repr(value) for value, count in Counter(values).items() if count > 1), None)
