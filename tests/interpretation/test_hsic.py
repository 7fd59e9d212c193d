"""Normalised HSIC in tiles, against Equation 10 as it is written."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from mfm_pipeline.errors import DataError
from mfm_pipeline.interpretation.hsic import (
    FEWEST,
    centre,
    distance_kernel,
    median_distance,
    normalised_hsic,
    normalised_hsic_of,
)
from tests.interpretation.reference import literal_gram, literal_hsic, literal_unbiased_hsic

LITERAL = {False: literal_hsic, True: literal_unbiased_hsic}


def draw(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of which the second depend on the first, not linearly."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    y = x[:, :2] ** 2 + 0.3 * rng.normal(size=(n, 2))
    return x, y.astype(np.float32)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("bandwidths", [(1.0, 1.0), (0.2, 5.0), (300.0, 300.0)])
def test_agrees_with_the_equation(bandwidths: tuple[float, float], unbiased: bool) -> None:
    x, y = draw(41)
    expected = LITERAL[unbiased](literal_gram(x, bandwidths[0]), literal_gram(y, bandwidths[1]))
    for tile in (7, 41, 1024):
        found = normalised_hsic(x, y, bandwidths, unbiased=unbiased, tile=tile)
        assert found.value == pytest.approx(expected, abs=1e-6)
    grams = [
        centre(distance_kernel(values, width), unbiased=unbiased)
        for values, width in zip((x, y), bandwidths, strict=True)
    ]
    of_grams = normalised_hsic_of(*grams)
    assert of_grams.value == pytest.approx(expected, abs=1e-6)
    assert of_grams.diagonal == pytest.approx(found.diagonal, abs=1e-6)


@given(
    n=st.integers(FEWEST, 30),
    tile=st.integers(1, 40),
    offset=st.floats(-1e4, 1e4),
    seed=st.integers(0, 100),
)
def test_neither_tiles_nor_origin_matter(n: int, tile: int, offset: float, seed: int) -> None:
    x, y = (values.astype(np.float64) for values in draw(n, seed))
    whole = normalised_hsic(x, y, (1.0, 2.0), tile=n).value
    assert normalised_hsic(x + offset, y, (1.0, 2.0), tile=tile).value == pytest.approx(
        whole, abs=1e-6
    )
    assert 0 <= whole <= 1 + 1e-12


def test_itself_and_what_is_independent() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    assert normalised_hsic(x, x).value == pytest.approx(1)
    assert normalised_hsic(x, -2 * x, (1.0, 2.0)).value == pytest.approx(1)
    y = rng.normal(size=(400, 3))
    assert abs(normalised_hsic(x, y, unbiased=True).value) < 0.02
    # With a narrow kernel what is published sees each sample's likeness to itself alone.
    narrow = normalised_hsic(x, y, (0.05, 0.05))
    assert narrow.value > 0.9 and narrow.diagonal > 0.9
    assert abs(normalised_hsic(x, y, (0.05, 0.05), unbiased=True).value) < 0.1


def test_images_are_their_pixels() -> None:
    x, y = draw(20)
    images = np.repeat(x, 4, axis=1).reshape(20, 1, 4, 4)
    found = normalised_hsic(images, y, (2.0, 1.0)).value
    assert found == pytest.approx(normalised_hsic(x, y).value, abs=1e-6)


def test_a_constant_side_has_no_value() -> None:
    _, y = draw(30)
    for constant in (np.full((30, 3), 0.1, np.float32), np.full((30, 3), 7e5, np.float32)):
        for unbiased in (False, True):
            assert math.isnan(normalised_hsic(constant, y, unbiased=unbiased).value)
            gram = centre(distance_kernel(constant, 1.0), unbiased=unbiased)
            assert math.isnan(normalised_hsic_of(gram, gram).value)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((9, 2)), np.zeros((9, 2)), "9 samples; expected at least 10"),
        (np.zeros((12, 2)), np.zeros((11, 2)), "12 and 11 samples"),
        (np.full((12, 2), np.nan), np.zeros((12, 2)), "not all finite"),
    ],
)
def test_bad_samples_are_refused(x: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        normalised_hsic(x, y)


def test_median_distance() -> None:
    x, _ = draw(60)
    rng = np.random.default_rng(0)
    assert median_distance(x, rng) == pytest.approx(np.quantile(pdist(x), 0.5), rel=0.01)
    # A factor that is zero in most samples still has a width.
    x[:50] = 0
    assert median_distance(x, rng) > 1
    assert median_distance(np.ones((20, 2), np.float32), rng) == 1.0


def test_centred_rows_sum_to_zero() -> None:
    x, _ = draw(25)
    gram = distance_kernel(x, 1.0)
    torch.testing.assert_close(gram, torch.from_numpy(literal_gram(x, 1.0)))
    for unbiased in (False, True):
        sums = centre(gram, unbiased=unbiased).sum(dim=1)
        torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-12, rtol=0)
    assert not centre(gram, unbiased=True).diagonal().any()
