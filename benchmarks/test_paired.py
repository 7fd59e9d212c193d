"""Paired bootstrap of 35 models on POM's test split, against a loop over resamples.

203 samples, 16 targets, 3 seeds, 2,000 resamples, one core. The loop scores each resample,
seed and target by itself; it is timed on 10 resamples of one model, and its time a resample
and model is set against that of the whole in the same run.

    pytest benchmarks/test_paired.py -s
"""

from __future__ import annotations

import time

import numpy as np

from mfm_pipeline.evaluation.metrics import pearson_r
from mfm_pipeline.evaluation.paired import Resamples, difference, holm

MODELS, SEEDS, SAMPLES, TARGETS, RESAMPLES, TIMED = 35, 3, 203, 16, 2000, 10
ALLOWED_SECONDS, REQUIRED_RATIO = 10.0, 20.0


def test_all_models_are_compared_in_seconds() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(SAMPLES, TARGETS))
    found = true + rng.normal(0, 2, size=(MODELS, SEEDS, SAMPLES, TARGETS))
    start = time.perf_counter()
    draws = Resamples(range(SAMPLES), RESAMPLES, 0)
    first, *others = (draws.of("r", true, one) for one in found)
    corrected = holm([difference(first, other).p_value for other in others])
    seconds = time.perf_counter() - start
    assert len(corrected) == MODELS - 1

    counts = np.random.default_rng(0).multinomial(
        SAMPLES, np.full(SAMPLES, 1 / SAMPLES), size=RESAMPLES
    )
    start = time.perf_counter()
    literal = np.empty((TIMED, TARGETS))
    for row in range(TIMED):
        index = np.repeat(np.arange(SAMPLES), counts[row])
        for target in range(TARGETS):
            literal[row, target] = np.mean(
                [pearson_r(true[index, target], one[index, target]) for one in found[0]]
            )
    of_loop = (time.perf_counter() - start) / TIMED
    np.testing.assert_allclose(first[1 : 1 + TIMED], literal, atol=1e-9)
    ratio = of_loop / (seconds / (RESAMPLES * MODELS))
    print(f"\n{MODELS} models: {seconds:.2f} s; {ratio:.0f} times as fast as a loop")
    assert seconds < ALLOWED_SECONDS
    assert ratio > REQUIRED_RATIO
