"""The published rules, as literal loops."""

import math
from typing import Any

import numpy as np


def overlap(first: Any, second: Any) -> float:
    return float(min(first[1], second[1]) - max(first[0], second[0]))


def align_literally(
    words: Any, intervals: Any, features: Any, min_overlap: float, *, skip: bool
) -> tuple[Any, Any]:
    means = np.zeros((len(words), features.shape[1]))
    observed = np.zeros(len(words), dtype=bool)
    for m, word in enumerate(words):
        members = [n for n, frame in enumerate(intervals) if overlap(word, frame) > min_overlap]
        for d in range(features.shape[1]):
            values = [float(features[n, d]) for n in members]
            if skip:
                values = [value for value in values if math.isfinite(value)]
            if not values:
                continue
            observed[m] = True
            if all(math.isfinite(value) for value in values):
                means[m, d] = math.fsum(values) / len(values)
    return means, observed
