"""100,000 pairs of images by label, of sets as large as MNIST and SVHN.

In the same run, a loop draws pair by pair: a class, an image of it from each set, again if
the pair is there already. The ratio to it is what is reported; both ways, both balances.

    pytest benchmarks/test_pairing.py -s
"""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.features.pairs import pair_by_label

COUNT, CLASSES = 100_000, 10
SIZES = {"mnist": 70_000, "svhn": 99_289}
ALLOWED_SECONDS, ALLOWED_RATIO = 1.0, 0.5


def _labels() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, CLASSES, size) for name, size in SIZES.items()}


def _literal(labels: dict[str, np.ndarray]) -> float:
    """Draw pairs of all images one by one, balanced; return the seconds."""
    began = time.perf_counter()
    draw = random.Random(0)
    rows = [
        [np.flatnonzero(found == c).tolist() for c in range(CLASSES)] for found in labels.values()
    ]
    pairs: set[tuple[int, ...]] = set()
    while len(pairs) < COUNT:
        c = len(pairs) % CLASSES
        pairs.add(tuple(draw.choice(of_set[c]) for of_set in rows))
    return time.perf_counter() - began


@pytest.mark.parametrize("way", ["disjoint", "as_published"])
@pytest.mark.parametrize("balance", ["balanced", "as_they_come"])
def test_pairs_take_less_than_a_second(
    benchmark: Any, way: Any, balance: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = _labels()
    pairs = benchmark.pedantic(
        lambda: pair_by_label(
            labels, classes=CLASSES, count=COUNT, valid=0.05, test=0.15, way=way, balance=balance
        ),
        rounds=5,
    )
    seconds, literal = benchmark.stats.stats.median, _literal(labels)
    result = {"seconds": seconds, "literal_seconds": literal, "ratio": seconds / literal}
    benchmark.extra_info.update(result)
    with capsys.disabled():
        print(f"\n{way}, {balance}")
        for name, value in result.items():
            print(f"{name:28} {value:10.3f}")
    assert len(pairs) == COUNT
    assert seconds < ALLOWED_SECONDS
    assert result["ratio"] <= ALLOWED_RATIO
