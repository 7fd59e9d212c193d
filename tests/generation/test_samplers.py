"""Samplers against the distributions that they were fitted to."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from scipy import stats

from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.generation import (
    Sampler,
    SamplerOptions,
    fit_samplers,
    from_arrays,
    to_arrays,
)

SIZE = 3
COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
MEAN = np.array([1.0, -2.0, 0.5])


def correlated(n: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, n))


def fitted(latent: torch.Tensor, name: str, **changes: object) -> Sampler:
    options = SamplerOptions(sampler=name, **changes)
    return fit_samplers({"discriminative": latent}, options)["discriminative"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_prior_is_standard_normal_whatever_the_latents() -> None:
    drawn = fitted(100 + torch.zeros(1, SIZE), "prior").sample(4000, seeded())
    assert drawn.shape == (4000, SIZE) and drawn.dtype == torch.float32
    for column in drawn.T.numpy():
        assert stats.kstest(column, "norm").pvalue > 0.01
    np.testing.assert_allclose(np.cov(drawn.numpy().T), np.eye(SIZE), atol=0.08)


def test_gaussian_has_the_latents_moments() -> None:
    latents = correlated(500)
    sampler = fitted(latents, "gaussian")
    np.testing.assert_allclose(sampler.means[0], latents.numpy().mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(sampler.covariances[0], np.cov(latents.numpy().T), atol=1e-12)
    drawn = sampler.sample(20000, seeded()).numpy()
    np.testing.assert_allclose(drawn.mean(axis=0), sampler.means[0], atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), sampler.covariances[0], atol=0.08)


def test_mixture_finds_two_far_gaussians_and_their_weights() -> None:
    latents = correlated(900)
    latents[:300] = 0.1 * (latents[:300] - torch.from_numpy(MEAN)) + 50
    sampler = fitted(latents, "mixture", components=2)
    drawn = sampler.sample(6000, seeded()).numpy()
    far = drawn[:, 0] > 25
    assert far.mean() == pytest.approx(1 / 3, abs=0.02)
    np.testing.assert_allclose(drawn[far].mean(axis=0), 50, atol=0.1)
    np.testing.assert_allclose(np.cov(drawn[far].T), 0.01 * COVARIANCE, atol=0.003)
    np.testing.assert_allclose(drawn[~far].mean(axis=0), MEAN, atol=0.2)
    np.testing.assert_allclose(np.cov(drawn[~far].T), COVARIANCE, atol=0.25)
    # Rows are independent draws, not sorted by component.
    assert abs(np.corrcoef(far[1:], far[:-1])[0, 1]) < 0.05


@pytest.mark.parametrize("name", ["prior", "gaussian", "mixture"])
def test_seeds_reproduce_and_state_survives_without_pickle(name: str) -> None:
    latents = {"discriminative": correlated(60), "visual": correlated(60)[:, :2]}
    options = SamplerOptions(sampler={"visual": name, "default": "prior"}, components=2)
    samplers = fit_samplers(latents, options, seed=3)
    arrays = to_arrays(samplers)
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        loaded = [from_arrays(dict(stored)), from_arrays(load(save(arrays)))]
    for other in (fit_samplers(latents, options, seed=3), *loaded):
        assert set(other) == set(latents)
        for latent, sampler in samplers.items():
            drawn = sampler.sample(5, seeded(7))
            torch.testing.assert_close(other[latent].sample(5, seeded(7)), drawn, rtol=0, atol=0)
            assert not torch.equal(sampler.sample(5, seeded(8)), drawn)


def test_mixtures_start_from_the_seed() -> None:
    latents = {"x": correlated(200)}
    options = SamplerOptions(sampler="mixture", components=6)
    first, again, other = (fit_samplers(latents, options, seed=s)["x"].means for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_constant_dimension_stays_constant() -> None:
    latents = correlated(50)
    latents[:, 1] = 4
    drawn = fitted(latents, "gaussian").sample(20, seeded())
    torch.testing.assert_close(drawn[:, 1], torch.full((20,), 4.0))
    assert (drawn[:, [0, 2]].std(dim=0) > 0.1).all()


@pytest.mark.parametrize(
    ("latents", "name", "found"),
    [
        (correlated(3), "gaussian", "found 3 samples; expected 4 or more to fit 3 dimensions"),
        (correlated(7), "mixture", "found 7 samples; expected 8 or more"),
        (torch.ones(20, SIZE), "gaussian", "all 20 samples have the same latent"),
        (torch.ones(20, SIZE), "mixture", "all 20 samples have the same latent"),
        (torch.full((20, SIZE), torch.nan), "gaussian", "of 20 sample.s. is not finite"),
    ],
)
def test_what_cannot_be_fitted_is_one_clear_error(
    latents: torch.Tensor, name: str, found: str
) -> None:
    with pytest.raises(DataError, match=found) as error:
        fitted(latents, name, components=2)
    assert "'discriminative'" in str(error.value)


def test_options_name_what_is_allowed() -> None:
    with pytest.raises(ParameterError, match="prior, gaussian, mixture"):
        SamplerOptions(sampler={"visual": "flow"})
    with pytest.raises(ParameterError, match="no value for modality 'discriminative'"):
        fit_samplers({"discriminative": correlated(9)}, SamplerOptions(sampler={"visual": "prior"}))
