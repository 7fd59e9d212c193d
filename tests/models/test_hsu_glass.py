"""The partitioned autoencoder, and its divergence and hinge against literal versions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.hsu_glass import (
    PartitionedAutoencoder,
    gaussian_divergence,
    separation,
)
from mfm_pipeline.models.latents import Latent
from tests.models.samples import padded, ragged_split, unobserved_as

SIZES = {"outputs": 2, "hidden": 5, "shared": 3, "own": 2}


def _latent(n: int, seed: int) -> Latent:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    log_variance = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    return Latent(mean, mean, log_variance)


def test_divergence_is_that_of_gaussians_over_samples_that_count() -> None:
    first, second = _latent(6, 0), _latent(6, 1)
    present = torch.tensor([True, False, True, True, False, True])
    as_torch = [
        Independent(Normal(one.mean, (0.5 * one.log_variance).exp()), 1) for one in (first, second)
    ]
    expected = kl_divergence(*as_torch)[present].mean()
    assert gaussian_divergence(first, second, present).item() == pytest.approx(expected.item())
    assert gaussian_divergence(first, first, present).item() == 0
    assert gaussian_divergence(first, second, torch.zeros(6, dtype=torch.bool)).item() == 0


def test_separation_is_the_mean_hinge_over_pairs_that_differ() -> None:
    points = _latent(7, 2).mean
    labels = np.array([0, 1, 1, 2, 0, 2, 1])
    difference = torch.from_numpy((labels[:, None] != labels).astype(np.float64)) * 0.8
    costs = [
        max(0.0, 1.5 * 0.8 - float(np.sqrt(((points[i] - points[j]) ** 2).mean())))
        for i in range(7)
        for j in range(7)
        if labels[i] != labels[j]
    ]
    assert 0 < np.count_nonzero(costs) < len(costs)
    assert separation(points, difference, 1.5).item() == pytest.approx(np.mean(costs))
    assert separation(points, torch.zeros(7, 7), 1.5).item() == 0


def test_separation_has_a_gradient_where_points_meet() -> None:
    points = torch.zeros(4, 3, requires_grad=True)
    separation(points, 1 - torch.eye(4), 1.0).backward()
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("count", [2, 4])
def test_shapes_and_reading_of_observed_values_alone(count: int) -> None:
    features = dict(list({"a": 3, "get": 2, "c": 1, "d.e": 4}.items())[:count])
    split = ragged_split(features)
    network = PartitionedAutoencoder(modalities=ModalitySpec.of(split), **SIZES).eval()
    output = network.infer(Inputs.from_split(split))
    assert output.prediction.shape == (9, 2)
    assert output.shared.mean.shape == (9, 3)
    assert list(output.reconstructions) == list(features)
    for name, size in features.items():
        assert output.reconstructions[name].shape == (9, 6, size)
        assert output.shared_of[name].mean.shape == (9, 3)
        assert output.own[name].mean.shape == (9, 2)
    expected = network(Inputs.from_split(split))
    torch.testing.assert_close(output.prediction, expected)
    for other in (padded(split, 2), unobserved_as(split, 1e6)):
        torch.testing.assert_close(network(Inputs.from_split(other)), expected)


def test_each_network_reads_its_own() -> None:
    split = ragged_split({"a": 3, "b": 2})
    network = PartitionedAutoencoder(modalities=ModalitySpec.of(split), **SIZES).eval()
    inputs = Inputs.from_split(split)
    before = network.infer(inputs)
    inputs.values["b"][2:4] += 1
    after = network.infer(inputs)
    assert torch.equal(before.own["a"].mean, after.own["a"].mean)
    assert torch.equal(before.shared_of["a"].mean, after.shared_of["a"].mean)
    assert not torch.equal(before.own["b"].mean[2:4], after.own["b"].mean[2:4])
    assert not torch.equal(before.shared.mean[2:4], after.shared.mean[2:4])
    # Generated from [z, z_a]: of b, z alone reaches it.
    assert not torch.equal(before.reconstructions["a"][2], after.reconstructions["a"][2])


def test_images_are_refused() -> None:
    modalities = {
        "a": ModalitySpec(kind="sequence", shape=(3,)),
        "b": ModalitySpec(kind="image", shape=(1, 8, 8)),
    }
    with pytest.raises(ParameterError, match=r"'hsu_glass'.*'b' is of kind 'image'"):
        PartitionedAutoencoder(modalities=modalities, **SIZES)
