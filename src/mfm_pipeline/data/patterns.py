"""Which modalities are observed: patterns, and how tables write them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mfm_pipeline.data.modality import BoolArray

#: Between the modalities of a pattern: ``language+acoustic``.
AND = "+"


def patterns(modalities: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield what may be observed of `modalities`: every non-empty subset that lacks one or more.

    In their order, larger subsets first.
    """
    for size in range(len(modalities) - 1, 0, -1):
        yield from combinations(modalities, size)


def pattern_name(names: Collection[str]) -> str:
    """Return a pattern as tables write it, ``language+acoustic``."""
    return AND.join(names)


def observed_patterns(present: Mapping[str, BoolArray]) -> NDArray[np.str_]:
    """Return the pattern that each sample has, shape ``(n,)``; ``""`` for none."""
    rows = zip(*present.values(), strict=True)
    names = tuple(present)
    return np.array(
        [pattern_name([n for n, there in zip(names, row, strict=True) if there]) for row in rows],
        dtype=np.str_,
    )
