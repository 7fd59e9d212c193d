"""Scores against literal loops, SciPy and cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from mfm_pipeline.generation import scores
from mfm_pipeline.generation.scores import (
    agreement,
    diversity,
    frechet_distance,
    image_style,
    judge_images,
    style_consistency,
)


def test_agreement_by_hand() -> None:
    a, b, c = (torch.tensor(x) for x in ([0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 1, 0]))
    two = agreement(a, b)
    assert two.value == 3 / 4
    assert two.chance == pytest.approx((2 * 1 + 1 * 2 + 1 * 1) / 16)
    three = agreement(a, b, c)
    assert three.value == 2 / 4
    assert three.chance == pytest.approx((2 * 1 * 2 + 1 * 2 * 2 + 0) / 64)


def test_agreement_of_independent_classes_is_at_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.tensor([0.7, 0.2, 0.1])
    a, b = (torch.multinomial(weights, 20000, True, generator=generator) for _ in range(2))
    assert agreement(a, b).value == pytest.approx(0.49 + 0.04 + 0.01, abs=0.01)
    assert agreement(a, b).chance == pytest.approx(agreement(a, b).value, abs=0.01)


def literal_diversity(values: Tensor, groups: Tensor) -> float:
    means = []
    for group in sorted(set(groups.tolist())):
        members = [v for v, g in zip(values.double(), groups.tolist(), strict=True) if g == group]
        distances = [
            math.sqrt((a - b).square().mean())
            for i, a in enumerate(members)
            for b in members[i + 1 :]
        ]
        if distances:
            means.append(sum(distances) / len(distances))
    return sum(means) / len(means)


@pytest.mark.parametrize("block", [1, 4, 1024])
def test_diversity_agrees_pair_by_pair(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_BLOCK", block)
    torch.manual_seed(0)
    images = torch.rand(30, 2, 4, 3)
    groups = torch.tensor([5] + [0] * 4 + [1] * 11 + [2] * 14)[torch.randperm(30)]
    assert diversity(images, groups) == pytest.approx(literal_diversity(images, groups), abs=1e-9)


def test_diversity_of_twins_is_none_and_of_singles_unknown() -> None:
    twins = torch.rand(1, 3, 8, 8).expand(6, -1, -1, -1)
    assert diversity(twins, torch.zeros(6, dtype=torch.int64)) < 1e-6
    assert math.isnan(diversity(twins, torch.arange(6)))


@pytest.mark.parametrize("n", [40, 5])
def test_frechet_agrees_with_the_matrix_root(n: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(n, 8)) @ rng.normal(size=(8, 8)) + rng.normal(size=8)
    b = 2 * rng.normal(size=(60, 8))
    first, second = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(first @ second)
    shift = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected = shift + np.trace(first) + np.trace(second) - 2 * np.trace(root).real
    found = frechet_distance(torch.from_numpy(a), torch.from_numpy(b))
    # Of five samples the covariance has rank four, and sqrtm is the less exact.
    assert found == pytest.approx(expected, rel=1e-8 if n == 40 else 1e-4)
    assert frechet_distance(torch.from_numpy(b), torch.from_numpy(a)) == pytest.approx(found)


def test_frechet_in_closed_form() -> None:
    a = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # Scaled by 3 and moved: (3 - 1)^2 tr(S) + |move of the mean|^2.
    b = 3 * a + torch.tensor([1.0, 0.0, 0.0, -2.0])
    moved = (b.mean(dim=0) - a.mean(dim=0)).square().sum().item()
    expected = 4 * torch.cov(a.T).trace().item() + moved
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)
    assert 0 <= frechet_distance(a, a) < 1e-10
    # One feature: (m1 - m2)^2 + (s1 - s2)^2; and directions without any variance.
    one = frechet_distance(a[:, :1], b[:, 1:2])
    (m1, s1), (m2, s2) = ((x.mean().item(), x.std().item()) for x in (a[:, 0], b[:, 1]))
    assert one == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2)
    flat = torch.cat([a[:, :1], torch.zeros(50, 3, dtype=torch.float64)], dim=1)
    assert frechet_distance(flat, flat + 1) == pytest.approx(4)


def literal_cosines(given: Tensor, found: Tensor, labels: Tensor, others: Tensor) -> np.ndarray:
    def centred(values: Tensor, groups: Tensor) -> list[np.ndarray]:
        array, group = values.double().numpy(), groups.numpy()
        return [v - array[group == g].mean(axis=0) for v, g in zip(array, group, strict=True)]

    a, b = centred(given, labels), centred(found, others)
    return np.array([[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in b] for x in a])


def test_style_consistency_pair_by_pair() -> None:
    torch.manual_seed(0)
    given, labels, others = torch.randn(20, 5), torch.arange(20) % 4, torch.arange(20) % 3
    found = given + 0.5 * torch.randn(20, 5) + 10 * others[:, None]
    cosines = literal_cosines(given, found, labels, others)
    score = style_consistency(given, found, labels, others)
    assert score.value == pytest.approx(np.diag(cosines).mean())
    assert score.chance == pytest.approx(cosines[~np.eye(20, dtype=bool)].mean())
    assert score.value > 0.7 > 0.1 > abs(score.chance)


def test_what_labels_bring_is_no_style() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3000) % 10
    of_label = 5 * torch.randn(10, 4, generator=generator)
    given, found = (of_label[labels] + torch.randn(3000, 4, generator=generator) for _ in range(2))
    score = style_consistency(given, found, labels, labels)
    assert abs(score.value) < 0.03 and abs(score.chance) < 0.03
    kept = style_consistency(given, given + of_label[labels.roll(1)], labels, labels.roll(1))
    assert kept.value > 0.98


def literal_slant(image: Tensor) -> float:
    """Return Σ w dy dx / Σ w dy² around the centre of mass."""
    weights = {(y, x): v.item() for (y, x), v in np.ndenumerate(image.numpy())}
    total = sum(weights.values())
    cy, cx = (sum(w * place[i] for place, w in weights.items()) / total for i in (0, 1))
    above = sum(w * (y - cy) * (x - cx) for (y, x), w in weights.items())
    return above / sum(w * (y - cy) ** 2 for (y, x), w in weights.items())


def test_image_style_by_hand() -> None:
    images = torch.zeros(3, 1, 9, 9)
    images[0, 0, range(1, 8), range(1, 8)] = 1
    images[1, 0, range(1, 8), 4] = 0.5
    images[2, 0, :4, 2:4] = torch.rand(4, 2, generator=torch.Generator().manual_seed(0)) + 0.1
    style = image_style(images)
    assert style.shape == (3, 3)
    torch.testing.assert_close(style[:2, 0], torch.tensor([7 / 81, 3.5 / 81]))
    torch.testing.assert_close(style[:, 1], images.flatten(1).std(dim=1))
    assert style[:2, 2].tolist() == pytest.approx([1, 0], abs=1e-5)
    assert style[2, 2].item() == pytest.approx(literal_slant(images[2, 0]), abs=1e-4)


def test_image_style_takes_the_background_out_of_the_slant() -> None:
    images = torch.full((2, 3, 9, 9), 0.3)
    images[:, :, range(1, 8), range(7, 0, -1)] = 0.9
    images[1] = 1 - images[1]
    style = image_style(images)
    torch.testing.assert_close(style[:, -1], torch.tensor([-1.0, -1.0]))
    # An image of one colour has none, and no NaN either.
    assert image_style(torch.full((1, 3, 4, 4), 0.5))[0].tolist() == pytest.approx(
        [0.5] * 3 + [0] * 4
    )


def test_judges_see_clipped_images_in_batches() -> None:
    seen = []

    def judge(images: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(images))
        return images.flatten(1), images.flatten(1)[:, :1]

    images = torch.tensor([[2.0, 0.5], [-1.0, 0.2], [0.4, 0.3]]).reshape(3, 1, 1, 2)
    judged = judge_images(judge, images, batch_size=2)
    assert seen == [2, 1]
    assert judged.classes.tolist() == [0, 1, 0]
    torch.testing.assert_close(judged.features[:, 0], torch.tensor([1.0, 0.0, 0.4]))
    assert judged[1:].classes.tolist() == [1, 0]
