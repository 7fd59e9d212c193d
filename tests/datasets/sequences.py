"""Small computational sequences for tests."""

import numpy as np

from mfm_pipeline.datasets import ComputationalSequence, Track


def frames(count: int, width: int = 3, *, rate: float = 10.0, seed: int = 0) -> Track:
    starts = np.arange(count) / rate
    values = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return Track(np.stack([starts, starts + 1 / rate], axis=1), values)


def spoken(*tokens: str, length: float = 0.5) -> Track:
    starts = np.arange(len(tokens)) * length
    return Track(np.stack([starts, starts + length], axis=1), np.array(tokens))


def covarep() -> ComputationalSequence:
    entries = {"a": frames(5), "b": frames(3, seed=1), "c[0]": frames(2, seed=2)}
    return ComputationalSequence("COVAREP", entries, {"root name": "COVAREP", "md5": None})


def words() -> ComputationalSequence:
    entries = {"a": spoken("so", "sp", "naïve"), "b": spoken("yes")}
    return ComputationalSequence("words", entries, {})
