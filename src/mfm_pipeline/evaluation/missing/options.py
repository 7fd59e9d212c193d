"""Parameters of what is evaluated about missing modalities."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mfm_pipeline.options import Options

Baseline = Literal["seq2seq", "discriminative"]


class MissingOptions(Options):
    """How modalities go missing, and what surrogates are compared with.

    Parameters
    ----------
    protocol : {"test", "train_and_test"}
        Whether training data lacks what it lacks by itself, or loses modalities too.
    train_share : float
        Of training and validation samples that lose modalities under ``train_and_test``.
    seeds : int
        Trainings that scores are the mean of: seeds training.seed, the next one, ...
    baselines : tuple of {"seq2seq", "discriminative"}
        Those to train, one of each for every pattern.
    baseline_learning_rate : float, optional
        By default that of training.
    k : int, optional
        Neighbours of ``knn``; by default the number in `k_tried` that does best on valid.
    k_tried : tuple of int
    shares : tuple of float
        Of test samples that lose modalities, along the curve.
    noise : tuple of float
        Standard deviations of the noise on a modality, in those of each feature in train.
    draws : int
        Draws of holes and of noise at each point of the curves.
    """

    protocol: Literal["test", "train_and_test"] = "test"
    train_share: float = Field(0.5, ge=0, le=1)
    seeds: int = Field(1, ge=1)
    baselines: tuple[Baseline, ...] = ("seq2seq", "discriminative")
    baseline_learning_rate: float | None = Field(None, gt=0, le=1)
    k: int | None = Field(None, ge=1)
    k_tried: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 3, 5, 10, 20, 50), min_length=1)
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), min_length=1
    )
    noise: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), min_length=1
    )
    draws: int = Field(5, ge=1)
