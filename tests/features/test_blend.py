"""Digits over photographs, each image found again among all that could be made."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfm_pipeline.errors import DataError
from mfm_pipeline.features.blend import blend_over_photographs

RNG = np.random.default_rng(0)
PHOTOGRAPHS = [RNG.integers(0, 256, (rows, 5, 3), dtype=np.uint8) for rows in (6, 4)]
DIGITS = RNG.integers(0, 256, (40, 1, 4, 3), dtype=np.uint8)

#: Photograph, row, column, mirrored rows, mirrored columns, order of channels, inverted ones.
Choice = tuple[int, int, int, bool, bool, tuple[int, ...], tuple[bool, ...]]


def all_patches() -> dict[Choice, np.ndarray]:
    """Return every patch in every colour, shape (4, 3, 3), by what was chosen."""
    found = {}
    for number, photograph in enumerate(PHOTOGRAPHS):
        for y in range(photograph.shape[0] - 3):
            for x in range(photograph.shape[1] - 2):
                for up, side in itertools.product((False, True), repeat=2):
                    patch = photograph[y : y + 4, x : x + 3]
                    patch = patch[::-1] if up else patch
                    patch = patch[:, ::-1] if side else patch
                    for order in itertools.permutations(range(3)):
                        for inverted in itertools.product((False, True), repeat=3):
                            coloured = patch[:, :, list(order)].astype(int)
                            coloured = np.where(inverted, 255 - coloured, coloured)
                            found[number, y, x, up, side, order, inverted] = coloured
    return found


PATCHES = all_patches()


def test_each_image_is_the_difference_to_one_patch() -> None:
    blended = blend_over_photographs(DIGITS, PHOTOGRAPHS, seed=3)
    assert blended.shape == (40, 3, 4, 3) and blended.dtype == np.uint8
    patches = np.array(list(PATCHES.values()))
    for digit, image in zip(DIGITS, blended, strict=True):
        expected = np.abs(patches - digit[0, :, :, None].astype(int))
        assert (expected == image.transpose(1, 2, 0)).all(axis=(1, 2, 3)).sum() == 1


def test_each_choice_is_as_likely_as_another() -> None:
    n = 6000
    blended = blend_over_photographs(np.zeros((n, 1, 4, 3), np.uint8), PHOTOGRAPHS)
    made = {patch.astype(np.uint8).tobytes(): choice for choice, patch in PATCHES.items()}
    choices = [made[np.ascontiguousarray(image.transpose(1, 2, 0)).tobytes()] for image in blended]
    for part, kinds in ((slice(0, 3), 12), (slice(3, 5), 4), (slice(5, 6), 6), (slice(6, 7), 8)):
        times = Counter(choice[part] for choice in choices)
        assert len(times) == kinds
        share = 1 / kinds
        margin = 5 * np.sqrt(n * share * (1 - share))
        assert all(abs(count - n * share) < margin for count in times.values())


@given(block=st.integers(1, 50), seed=st.integers(0, 5))
def test_the_size_of_blocks_is_of_no_effect(block: int, seed: int) -> None:
    expected = blend_over_photographs(DIGITS, PHOTOGRAPHS, seed=seed)
    found = blend_over_photographs(DIGITS, PHOTOGRAPHS, seed=seed, block=block)
    np.testing.assert_array_equal(found, expected)


def test_seeds_differ_and_the_input_stays() -> None:
    before = DIGITS.copy(), [photograph.copy() for photograph in PHOTOGRAPHS]
    first, second = (blend_over_photographs(DIGITS, PHOTOGRAPHS, seed=s) for s in (0, 1))
    assert (first != second).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(DIGITS, before[0])
    for photograph, copy in zip(PHOTOGRAPHS, before[1], strict=True):
        np.testing.assert_array_equal(photograph, copy)


def test_no_digits() -> None:
    assert blend_over_photographs(DIGITS[:0], PHOTOGRAPHS).shape == (0, 3, 4, 3)


@pytest.mark.parametrize(
    ("digits", "photographs", "said"),
    [
        (DIGITS[:, 0], PHOTOGRAPHS, "digits to blend: found uint8 of shape"),
        (DIGITS.astype(np.float32), PHOTOGRAPHS, "digits to blend: found float32"),
        (DIGITS.repeat(3, axis=1), PHOTOGRAPHS, r"expected uint8 of shape \(N, 1, H, W\)"),
        (DIGITS, [], "photographs to blend digits with: found none"),
        (DIGITS, [PHOTOGRAPHS[0], PHOTOGRAPHS[0][:, :2]], r"photograph 1: .*at least 4 by 3"),
        (DIGITS, [PHOTOGRAPHS[0][:3]], "photograph 0: found uint8 of shape"),
        (DIGITS, [PHOTOGRAPHS[0][:, :, 0]], "photograph 0"),
        (DIGITS, [PHOTOGRAPHS[0] / 255], "photograph 0: found float64"),
    ],
)
def test_what_cannot_be_blended(digits: Any, photographs: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        blend_over_photographs(digits, photographs)
