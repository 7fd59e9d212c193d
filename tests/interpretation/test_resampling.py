"""Level of the permutation test, and what bootstrap intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfm_pipeline.interpretation.hsic import (
    centre,
    distance_kernel,
    normalised_hsic,
    normalised_hsic_of,
)
from mfm_pipeline.interpretation.resampling import (
    bootstrap_ratios,
    interval,
    permutation_p_value,
)


def gram_of(x: np.ndarray, bandwidth: float = 1.0) -> torch.Tensor:
    return centre(distance_kernel(x, bandwidth), unbiased=True)


def test_the_permutation_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    rejected = sum(
        permutation_p_value(
            gram_of(rng.normal(size=(16, 2))), gram_of(rng.normal(size=(16, 1))), 19, rng
        )
        <= 0.05
        for _ in range(500)
    )
    assert 0.03 <= rejected / 500 <= 0.07


def test_p_value_counts_permutations_that_reach_the_observed_value() -> None:
    x = np.random.default_rng(0).normal(size=(12, 2))
    y = x + np.random.default_rng(1).normal(size=(12, 2))
    k, m = gram_of(x), gram_of(y)
    found = permutation_p_value(k, m, 99, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    observed = normalised_hsic_of(k, m).value
    reached = 0
    for _ in range(99):
        permuted = gram_of(x[rng.permutation(12)])
        reached += normalised_hsic_of(permuted, m).value >= observed
    assert found == (1 + reached) / 100 < 1


def test_no_permutation_of_what_is_equal_is_below_it() -> None:
    x = np.repeat([[0.0], [1.0]], 6, axis=0)
    k = gram_of(x)
    assert permutation_p_value(k, k, 19, np.random.default_rng(0)) >= 0.05
    constant = torch.zeros_like(k)
    assert permutation_p_value(k, constant, 19, np.random.default_rng(0)) == 1.0


@pytest.mark.parametrize("unbiased", [True, False])
def test_resamples_are_weighted_sums_over_pairs(unbiased: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(14, 2))
    k, a, m = (
        centre(distance_kernel(v, 1.0), unbiased=unbiased)
        for v in (x, x[:, :1] + rng.normal(size=(14, 1)), rng.normal(size=(14, 3)) + x[:, :1])
    )
    draws = bootstrap_ratios(k, a, m, 300, np.random.default_rng(5))
    times = np.random.default_rng(5).multinomial(14, np.full(14, 1 / 14), size=300)

    def total(pairs: np.ndarray, drawn: np.ndarray) -> float:
        sample = np.repeat(np.arange(14), drawn)
        # Positions of the resample: two copies of one sample are no pair, one is.
        return sum(
            pairs[sample[a], sample[b]]
            for a in range(14)
            for b in range(14)
            if a == b or sample[a] != sample[b]
        )

    for index in (0, 1, 299):
        drawn = times[index]
        upper = total((k * m).numpy(), drawn) / np.sqrt(total((k * k).numpy(), drawn))
        lower = total((a * m).numpy(), drawn) / np.sqrt(total((a * a).numpy(), drawn))
        assert draws[index] == pytest.approx(upper / lower)


def test_intervals_cover_the_ratio_of_the_population() -> None:
    rng = np.random.default_rng(0)
    shared, other = rng.normal(size=(2, 6000, 2))
    x = shared + 0.7 * other
    fy, fa = shared + 0.5 * rng.normal(size=(6000, 2)), 0.6 * shared + other
    widths = (1.5, 1.5, 1.5)
    truth = (
        normalised_hsic(fy, x, widths[::2], unbiased=True).value
        / normalised_hsic(fa, x, widths[1:], unbiased=True).value
    )
    covered = 0
    for k in range(100):
        rows = slice(40 * k, 40 * k + 40)
        grams = [gram_of(v[rows], width) for v, width in zip((fy, fa, x), widths, strict=True)]
        low, high = interval(bootstrap_ratios(*grams, 100, rng))
        covered += low <= truth <= high
    # 95 % of 100 draws, less three standard errors and what few samples cost.
    assert covered / 100 >= 0.88
