"""What a synthetic corpus looks like; each value checked before anything runs."""

from __future__ import annotations

from pydantic import Field

from mfm_pipeline.options import Options


class Strengths(Options):
    """How strongly the shared factor reaches each modality, beside its style.

    Where the words of a verdict stand is not a matter of strength.
    """

    language: float = Field(1.0, ge=0, le=10, description="through the choice of words")
    acoustic: float = Field(1.0, ge=0, le=10, description="through frames at 100 Hz")
    visual: float = Field(1.0, ge=0, le=10, description="through frames at 30 Hz")


class Traps(Options):
    """How often the flaws of real files occur."""

    missing_modality: float = Field(
        0.05, ge=0, le=1, description="share of videos that lack one modality"
    )
    bad_frames: float = Field(
        0.02, ge=0, le=0.5, description="share of acoustic frames with NaN or -inf"
    )
    gaps: float = Field(
        0.3, ge=0, le=1, description="share of videos, a modality, whose frames have gaps"
    )
    unsorted: float = Field(
        0.2, ge=0, le=1, description="share of videos, a sequence, whose rows are shuffled"
    )
    short_words: float = Field(
        0.01, ge=0, le=0.5, description="share of words shorter than one acoustic frame"
    )
    pauses: float = Field(0.1, ge=0, le=1, description="share of words followed by `sp`")


class SampleOptions(Options):
    """Size, structure and flaws of the synthetic corpus.

    Nothing is generated unless `corpus` is ``"sample"``.
    """

    corpus: str = Field("sample", description="name of the corpus this run is about")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="same seed, same bytes")
    videos: int = Field(64, ge=2, le=1000, description="videos, named sample_00, sample_01, ...")
    segments_per_video: int = Field(7, ge=1, le=100, description="labelled segments of a video")
    words_per_segment: int = Field(20, ge=4, le=200, description="mean number of words")
    word_vector_size: int = Field(25, ge=7, le=1000, description="numbers in a word vector")
    acoustic_features: int = Field(16, ge=7, le=1000, description="numbers in an acoustic frame")
    visual_features: int = Field(12, ge=7, le=1000, description="numbers in a visual frame")
    strengths: Strengths = Strengths()
    style: float = Field(0.5, ge=0, le=10, description="strength of each modality's own style")
    label_noise: float = Field(
        0.45, ge=0, le=10, description="noise of the label, per unit of what the factor gives it"
    )
    frame_noise: float = Field(
        0.7, ge=0, le=100, description="noise of a frame, per unit of what the factors give it"
    )
    vector_noise: float = Field(0.2, ge=0, le=10, description="noise of a word vector, a dimension")
    traps: Traps = Traps()
