"""The permutation test of flow at some words: level, power, and what it is blind to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mfm_pipeline.interpretation import flow_at_words
from mfm_pipeline.interpretation.gradient_flow import gradient_flow
from mfm_pipeline.models import Inputs
from tests.models.image_samples import model_of
from tests.models.samples import whole_split


def draw(effect: float, *, seed: int = 0, samples: int = 25) -> pd.DataFrame:
    """Return flow that differs between samples, falls with time and rises at "good"."""
    rng = np.random.default_rng(seed)
    rows = []
    for name in range(samples):
        steps = int(rng.integers(4, 9))
        level, share = rng.gamma(2.0), rng.uniform(0.2, 0.8)
        for step in range(steps):
            word = "good" if rng.random() < share else "the"
            flow = level * (2.0 / (1 + step) + effect * (word == "good") + 0.2 * rng.random())
            rows.append((f"v[{name}]", "language", step + 10 - steps, word, flow))
    return pd.DataFrame(rows, columns=["id", "modality", "step", "word", "flow"])


def test_what_is_there_is_found() -> None:
    (row,) = flow_at_words(draw(0.4), ["good"], permutations=199).to_dict("records")
    assert row["p_value"] == 1 / 200
    assert abs(row["difference"] - (row["at_words"] - row["elsewhere"])) < 1e-12
    assert row["difference"] > 0.2
    lower = flow_at_words(draw(-0.4), ["good"], permutations=199)
    assert lower.loc[0, "p_value"] > 0.95


def test_samples_and_steps_alone_make_no_difference() -> None:
    p = [
        flow_at_words(draw(0.0, seed=k, samples=10), ["good"], permutations=39).loc[0, "p_value"]
        for k in range(60)
    ]
    # Uniform: a tenth at most 0.1, within three standard errors, and a mean of a half.
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * 0.039
    assert abs(np.mean(p) - 0.5) < 3 * 0.037


def test_words_are_permuted_within_samples() -> None:
    table = draw(0.0)
    # All "good" in samples of much flow, which no permutation within samples changes.
    high = table.groupby("id")["flow"].transform("mean") > 2
    table["word"] = np.where(high, "good", "the")
    assert flow_at_words(table, ["good"]).empty
    assert list(flow_at_words(table, ["good"])) == list(flow_at_words(draw(0.0), ["good"]))


def test_same_seed_same_table() -> None:
    table = draw(0.05)
    first = flow_at_words(table, ["good"], seed=3)
    pd.testing.assert_frame_equal(first, flow_at_words(table, ["good"], seed=3))


def test_a_model_of_statistics_cannot_tell_words_apart() -> None:
    """Its flow is the same for the same words in any order."""
    split = whole_split({"language": 4, "acoustic": 3}, n=5, steps=6)
    model = model_of(split, fusion="statistics", generative={"encoder": "statistics"})
    inputs = Inputs.from_split(split)
    order = [3, 0, 5, 2, 1, 4]
    shuffled = Inputs(
        {name: values[:, order] for name, values in inputs.values.items()},
        inputs.steps,
        inputs.present,
        inputs.lengths,
    )
    flow, again = gradient_flow(model, inputs), gradient_flow(model, shuffled)
    for name in flow:
        np.testing.assert_allclose(flow[name], again[name], rtol=1e-4)
