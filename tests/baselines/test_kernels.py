from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from mfm_pipeline.baselines.kernels import (
    alignment_weights,
    centred,
    combined,
    modality_kernels,
)


def _kernels(rng: np.random.Generator, n: int, count: int) -> list[np.ndarray]:
    factors = rng.normal(size=(count, n, 3))
    return [factor @ factor.T for factor in factors]


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 3))
def test_alignment_is_the_quadratic_program(seed: int, count: int, targets: int) -> None:
    rng = np.random.default_rng(seed)
    kernels, values = _kernels(rng, 7, count), rng.normal(size=(7, targets))
    weights = alignment_weights(kernels, values)

    center = np.eye(7) - 1 / 7
    middle = [center @ kernel @ center for kernel in kernels]
    target = center @ values @ values.T @ center
    products = np.array([[(a * b).sum() for b in middle] for a in middle])
    aligned = np.array([(a * target).sum() for a in middle])
    scale = aligned.max()
    program = minimize(
        lambda v: (v @ products @ v - 2 * v @ aligned) / scale,
        np.ones(count),
        jac=lambda v: 2 * (products @ v - aligned) / scale,
        bounds=[(0, None)] * count,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 5000},
    )
    expected = program.x / np.linalg.norm(program.x)
    np.testing.assert_allclose(weights, expected, atol=2e-4)


def test_alignment_of_the_combination_is_the_highest() -> None:
    rng = np.random.default_rng(0)
    kernels, values = _kernels(rng, 30, 4), rng.normal(size=(30, 1))
    kernels[2] = kernels[2] + 5 * values @ values.T
    target = centred(values @ values.T)

    def alignment(weights: np.ndarray) -> float:
        kernel = centred(combined([one.copy() for one in kernels], weights))
        return (kernel * target).sum() / np.linalg.norm(kernel) / np.linalg.norm(target)

    weights = alignment_weights(kernels, values)
    assert weights.argmax() == 2
    best = alignment(weights)
    assert all(best >= alignment(np.abs(rng.normal(size=4))) for _ in range(200))


def test_kernels_that_are_alike_or_say_nothing_have_weights() -> None:
    rng = np.random.default_rng(0)
    (kernel,), values = _kernels(rng, 9, 1), rng.normal(size=(9, 1))
    alike = alignment_weights([kernel, kernel.copy()], values)
    assert np.isfinite(alike).all() and np.linalg.norm(alike) == pytest.approx(1)
    nothing = alignment_weights([np.ones((9, 9)), np.ones((9, 9))], values)
    np.testing.assert_allclose(nothing, 0.5**0.5)


def test_kernels_are_gaussian_and_know_no_absent_samples() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    here, there = np.array([True, True, False, True]), np.array([False, True, True])
    found = list(modality_kernels([rows], [columns], ([here], [there]), (0.5, 2.0)))
    for kernel, width in zip(found, (0.5, 2.0), strict=True):
        for i in range(4):
            for j in range(3):
                distance = ((rows[i] - columns[j]) ** 2).sum()
                expected = np.exp(-distance / (2 * 6 * width**2)) * here[i] * there[j]
                assert kernel[i, j] == pytest.approx(expected)
    own = next(iter(modality_kernels([rows], [rows], ([here], [here]), (1.0,))))
    assert np.linalg.eigvalsh(own).min() > -1e-12


def test_nothing_to_combine_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one or more"):
        combined([], np.ones(0))
