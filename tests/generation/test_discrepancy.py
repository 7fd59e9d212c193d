"""The discrepancy in blocks against the objective's, and what true draws come to."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from mfm_pipeline.generation import SamplerOptions, discrepancy, fit_samplers, posterior_match
from mfm_pipeline.generation.discrepancy import mean_kernel
from mfm_pipeline.objectives import Kernel, mmd
from tests.models.reference import literal_mmd


@pytest.mark.parametrize("kernel", ["gaussian", "multiquadric"])
@pytest.mark.parametrize("block", [3, 512])
def test_blocks_agree_with_the_objective(
    block: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discrepancy, "_BLOCK", block)
    torch.manual_seed(0)
    a, b = torch.randn(2, 8, 5, dtype=torch.float64).unbind(0)
    a = 2 * a + 1
    measure = partial(mean_kernel, kernel=kernel)
    found = measure(a) + measure(b) - 2 * measure(a, b)
    assert found == pytest.approx(mmd(a, b, kernel=kernel).item(), abs=1e-12)
    if kernel == "gaussian":
        assert found == pytest.approx(literal_mmd(a, b).item(), abs=1e-12)
    assert measure(a) == pytest.approx(measure(a, a), abs=1e-12)
    assert measure(a[:5], b) == pytest.approx(measure(b, a[:5]), abs=1e-12)


def test_true_draws_come_to_what_is_expected_of_them() -> None:
    size, n = 2, 200
    generator = torch.Generator().manual_seed(0)
    samplers = {"prior": fit_samplers({"x": torch.zeros(1, size)}, SamplerOptions())}
    tables = [
        posterior_match(
            {"x": torch.randn(n, size, generator=generator)}, samplers, generator=generator
        )
        for _ in range(60)
    ]
    # The mean kernel of two draws from N(0, I): with s = z^2, (s / (s + 4))^(z / 2).
    expected = 2 * (1 - (size**2 / (size**2 + 4)) ** (size / 2)) / n
    reference = torch.tensor([table["mmd_of_draws"].item() for table in tables])
    measured = torch.tensor([table["mmd"].item() for table in tables])
    assert reference.mean().item() == pytest.approx(expected, rel=0.02)
    assert measured.mean().item() == pytest.approx(expected, rel=0.25)


def test_draws_by_another_kernel_come_to_what_is_expected_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    samplers = {"prior": fit_samplers({"x": torch.zeros(1, 8)}, SamplerOptions())}
    tables = [
        posterior_match(
            {"x": torch.randn(100, 8, generator=generator)},
            samplers,
            generator=generator,
            kernel="multiquadric",
        )
        for _ in range(40)
    ]
    measured, expected = (
        sum(table[column].item() for table in tables) for column in ("mmd", "mmd_of_draws")
    )
    assert measured == pytest.approx(expected, rel=0.1)


def test_fitted_samplers_match_what_the_prior_misses() -> None:
    generator = torch.Generator().manual_seed(0)

    def posterior(n: int) -> torch.Tensor:
        side = 4 * torch.randint(2, (n, 1), generator=generator) - 1.0
        return side + 0.3 * torch.randn(n, 2, generator=generator)

    train, test = {"x": posterior(800)}, {"x": posterior(600)}
    samplers = {
        name: fit_samplers(train, SamplerOptions(sampler=name, components=2))
        for name in ("prior", "gaussian", "mixture")
    }
    table = posterior_match(test, samplers, generator=generator).set_index("sampler")
    assert (table["samples"] == 600).all() and (table["latent"] == "x").all()
    found = table["mmd"]
    assert 50 * found["mixture"] < found["gaussian"] < found["prior"]
    assert found["mixture"] < 4 * table["mmd_of_draws"]["mixture"]
    assert found["prior"] > 50 * table["mmd_of_draws"]["prior"]
