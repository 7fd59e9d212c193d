"""Hidden states one path at a time: sums over all of them, written to be read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from mfm_pipeline.models.hidden_states.hcrf import HiddenField
from mfm_pipeline.models.hidden_states.ldhcrf import LDHCRF

Path = tuple[int, ...]


def paths(states: int, length: int) -> Iterator[Path]:
    """Yield every sequence of `length` hidden states."""
    return itertools.product(range(states), repeat=length)


def log_sum(scores: list[float]) -> float:
    """Return ``log sum exp``."""
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores))


def chain_score(unary: list[list[float]], transition: list[list[float]], path: Path) -> float:
    """Return the score of one path through a chain."""
    total = 0.0
    for t, state in enumerate(path):
        total += unary[t][state]
        if t > 0:
            total += transition[path[t - 1]][state]
    return total


Numbers = Sequence[np.ndarray]
"""What each view observes of one sample, ``(L, d)`` each."""


def hcrf_score(field: HiddenField, seen: Numbers, y: int, path: Sequence[Path]) -> float:
    """Return the score of class y and of one path of all views' states, as `HiddenField` says."""
    p = {name: value.detach().numpy() for name, value in field.named_parameters()}
    total = 0.0
    for t, h in enumerate(path):
        for v in range(len(seen)):
            total += p[f"observation.{v}"][h[v]] @ seen[v][t]
            total += p[f"label.{v}"][y, h[v]]
            if t + 1 < len(path):
                total += p[f"within.{v}"][y, h[v], path[t + 1][v]]
        for k, (v, w) in enumerate(field.pairs):
            if field.edges == "linked":
                total += p[f"between.{k}"][y, h[v], h[w]]
            elif t + 1 < len(path):
                total += p[f"between.{k}"][y, h[v], path[t + 1][w]]
    return float(total)


def hcrf_log_partition(field: HiddenField, seen: Numbers, y: int) -> float:
    """Return the logarithm of the sum of exponential scores of class y over all paths."""
    steps = list(itertools.product(range(field.states), repeat=len(seen)))
    every = itertools.product(steps, repeat=len(seen[0]))
    return log_sum([hcrf_score(field, seen, y, path) for path in every])


def ldhcrf_score(field: LDHCRF, seen: Numbers, labels: Path, path: Sequence[Path]) -> float:
    """Return the score of a label and of all views' states a step, as `LDHCRF` says."""
    p = {name: value.detach().numpy() for name, value in field.named_parameters()}
    total = 0.0
    for t, (y, h) in enumerate(zip(labels, path, strict=True)):
        after = None if t + 1 == len(path) else (labels[t + 1], path[t + 1])
        for v in range(len(seen)):
            total += p[f"observation.{v}"][y, h[v]] @ seen[v][t]
            total += p[f"label.{v}"][y, h[v]]
            if after:
                total += p[f"within.{v}"][y, h[v], after[0], after[1][v]]
        for k, (v, w) in enumerate(field.pairs):
            if field.edges == "linked":
                total += p[f"between.{k}"][y, h[v], h[w]]
            elif after:
                total += p[f"between.{k}"][y, h[v], after[0], after[1][w]]
    return float(total)


def ldhcrf_labelings(field: LDHCRF, seen: Numbers) -> dict[Path, float]:
    """Return log p(y_1, .., y_L | x) of every sequence of labels."""
    length = len(seen[0])
    steps = list(itertools.product(range(field.states), repeat=len(seen)))
    scores = {
        labels: log_sum(
            [
                ldhcrf_score(field, seen, labels, path)
                for path in itertools.product(steps, repeat=length)
            ]
        )
        for labels in paths(field.classes, length)
    }
    every = log_sum(list(scores.values()))
    return {labels: score - every for labels, score in scores.items()}
