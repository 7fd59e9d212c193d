"""The Global Alignment Kernel, against its recursion."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfm_pipeline.interpretation import gak
from mfm_pipeline.interpretation.gak import alignment_kernel, median_step_distance
from tests.interpretation.reference import literal_alignment


@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 4.0])
def test_agrees_with_the_recursion(bandwidth: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sequences = rng.normal(size=(7, 6, 3))
    lengths = np.array([6, 1, 4, 6, 2, 3, 5])
    for n, length in enumerate(lengths):
        sequences[n, length:] = np.nan
    monkeypatch.setattr(gak, "_CELLS", 36 * 5)  # Several rounds.
    found = alignment_kernel(torch.from_numpy(sequences), torch.from_numpy(lengths), bandwidth)
    whole = [sequence[:length] for sequence, length in zip(sequences, lengths, strict=True)]
    logs = np.array([[literal_alignment(a, b, bandwidth) for b in whole] for a in whole])
    own = np.diag(logs)
    expected = np.exp(logs - 0.5 * (own[:, None] + own))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_one_step_is_the_local_kernel_and_long_sequences_stay_in_range() -> None:
    points = torch.tensor([[[0.0]], [[1.0]]])
    found = alignment_kernel(points, torch.ones(2, dtype=torch.int64), 1.0)
    e = np.exp(-0.5)
    assert found[0, 1].item() == pytest.approx(e / (2 - e))
    generator = torch.Generator().manual_seed(0)
    long = torch.randn(3, 300, 2, generator=generator)
    gram = alignment_kernel(long, torch.full((3,), 300), 5.0)
    assert torch.isfinite(gram).all() and (torch.linalg.eigvalsh(gram) > -1e-9).all()


def test_median_step_distance_reads_own_steps_alone() -> None:
    sequences = torch.zeros(4, 9, 1)
    sequences[::2, :4] = 3.0
    sequences[:, 4:] = torch.nan
    found = median_step_distance(
        sequences, torch.full((4,), 4), torch.Generator().manual_seed(0), pairs=500
    )
    assert found == pytest.approx(3.0 * 4**0.5)
    equal = torch.ones(4, 9, 1)
    assert median_step_distance(equal, torch.full((4,), 9), torch.Generator()) == 1.0
