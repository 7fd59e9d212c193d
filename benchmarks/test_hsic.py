"""Normalised HSIC of 50,000 samples in bounded memory, Equation 10.

In one piece its two Gram matrices would take 40 GB. Fy as wide as the sample corpus's model
has it, 512, against a modality of 74 features. Measured in a process of its own, on two
threads; in the same run the equation goes over 4,000 samples in one piece, whole matrices
centred by their means, and the ratio is that of seconds a pair of samples.

    pytest benchmarks/test_hsic.py -s
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch

from mfm_pipeline.interpretation.hsic import normalised_hsic

SAMPLES, LITERAL, FACTOR, FEATURES = 50_000, 4_000, 512, 74
ALLOWED_RATIO, ALLOWED_MEGABYTES = 1.0, 1000.0
WIDTHS = (32.0, 12.0)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _literal(x: np.ndarray, y: np.ndarray) -> float:
    grams = []
    for values, width in zip((x, y), WIDTHS, strict=True):
        square = torch.cdist(*2 * [torch.from_numpy(values).double()]).square()
        gram = torch.exp(-square / (2 * width**2))
        grams.append(gram - gram.mean(dim=0) - gram.mean(dim=1)[:, None] + gram.mean())
    k, m = grams
    return float((k * m).sum() / (k.norm() * m.norm()))


def _measure() -> None:
    """Run in a process of its own: print what it took, the process with its data in all."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((SAMPLES, FACTOR), dtype=np.float32)
    modality = rng.standard_normal((SAMPLES, FEATURES), dtype=np.float32)
    modality += factor[:, :FEATURES]
    began = time.perf_counter()
    found = normalised_hsic(factor, modality, WIDTHS)
    seconds, megabytes = time.perf_counter() - began, _peak()
    few, modality = factor[:LITERAL], modality[:LITERAL]
    began = time.perf_counter()
    expected = _literal(few, modality)
    literal = time.perf_counter() - began
    result = {
        "hsic": found.value,
        "difference_of_4000": abs(normalised_hsic(few, modality, WIDTHS).value - expected),
        "seconds": seconds,
        "literal_seconds_of_4000": literal,
        "ratio_a_pair": seconds / SAMPLES**2 / (literal / LITERAL**2),
        "megabytes": megabytes,
    }
    print(json.dumps(result))


def test_fifty_thousand_samples_take_less_than_a_gigabyte(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = benchmark.pedantic(
        lambda: subprocess.run(
            [sys.executable, __file__], check=True, capture_output=True, text=True
        ),
        rounds=1,
    )
    result = json.loads(run.stdout.splitlines()[-1])
    benchmark.extra_info.update(result)
    with capsys.disabled():
        print()
        for name, value in result.items():
            print(f"{name:28} {value:12.6g}")
    assert result["ratio_a_pair"] < ALLOWED_RATIO
    assert result["megabytes"] < ALLOWED_MEGABYTES
    assert result["difference_of_4000"] < 1e-6


if __name__ == "__main__":
    _measure()
