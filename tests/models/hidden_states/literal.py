"""Hidden states one path at a time: sums over all of them, written to be read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

Path = tuple[int, ...]


def paths(states: int, length: int) -> Iterator[Path]:
    """Yield every sequence of `length` hidden states."""
    return itertools.product(range(states), repeat=length)


def log_sum(scores: list[float]) -> float:
    """Return ``log sum exp``."""
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores))


def log_partition(score: Callable[[Path], float], states: int, length: int) -> float:
    """Return the logarithm of the sum of exponential scores over all paths."""
    return log_sum([score(path) for path in paths(states, length)])


def chain_score(unary: list[list[float]], transition: list[list[float]], path: Path) -> float:
    """Return the score of one path through a chain."""
    total = 0.0
    for t, state in enumerate(path):
        total += unary[t][state]
        if t > 0:
            total += transition[path[t - 1]][state]
    return total
