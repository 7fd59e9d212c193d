import json
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features.scale import Scaling, fit_scaling


def _split(n: int, seed: int, *, offset: float = 0.0, width: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    steps = rng.random((n, 5)) > 0.3
    present = rng.random(n) > 0.3
    steps &= present[:, None]
    values = (rng.normal(size=(n, 5, width)) * [1, 100, 0.01][:width] + offset).astype(np.float32)
    values[..., -1] = 7.1  # A constant feature.
    values[~steps] = 1e6  # Padding and absent samples: never to be read.
    sequence = Modality(values, steps.any(axis=1), steps)
    image = Modality(np.zeros((n, 1, 2, 2), np.uint8), np.ones(n, bool))
    targets = Targets(rng.normal(size=(n, 1)).astype(np.float32), ("y",), "regression")
    ids = np.array([f"{seed}[{i}]" for i in range(n)])
    return Split({"acoustic": sequence, "image": image}, targets, ids)


def _corpus(offset: float = 0.0) -> Corpus:
    sizes = {"train": 700, "valid": 9, "test": 9}  # More than one block of samples.
    splits = {name: _split(n, n, offset=offset) for name, n in sizes.items()}
    return Corpus("x", splits)


def _observed(split: Split) -> Any:
    modality = split.modalities["acoustic"]
    return modality.values[modality.steps]


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_statistics_are_those_of_observed_training_steps(offset: float) -> None:
    corpus = _corpus(offset)
    fitted = fit_scaling(corpus, clip=10, transform="identity").modalities["acoustic"]
    seen = _observed(corpus.train).astype(np.float64)
    np.testing.assert_allclose(fitted.mean, seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.std[:2], seen.std(axis=0)[:2], rtol=1e-9)
    assert fitted.std[2] == 1.0


def test_scaled_values_are_standard_clipped_and_zero_elsewhere() -> None:
    corpus = _corpus()
    corpus.test.modalities["acoustic"].values[corpus.test.modalities["acoustic"].steps] = 1e9
    scaling = fit_scaling(corpus, clip=2.5, transform="identity")
    train, clipped = scaling.apply(corpus.train)
    seen = _observed(corpus.train).astype(np.float64)
    expected = (seen - scaling.modalities["acoustic"].mean) / scaling.modalities["acoustic"].std
    np.testing.assert_allclose(_observed(train), np.clip(expected, -2.5, 2.5), rtol=1e-5, atol=1e-6)
    assert clipped == {"acoustic": int((np.abs(expected) > 2.5).sum())} and clipped["acoustic"]
    modality = train.modalities["acoustic"]
    assert not modality.values[~modality.steps].any()
    assert (_observed(scaling.apply(corpus.test)[0]) == 2.5).all()
    assert train.modalities["image"] is corpus.train.modalities["image"]


def test_statistics_survive_json() -> None:
    scaling = fit_scaling(_corpus(), clip=3)
    assert Scaling.load(json.loads(json.dumps(scaling.model_dump()))) == scaling


def test_data_of_another_width_is_refused() -> None:
    scaling = fit_scaling(_corpus(), clip=10)
    with pytest.raises(DataError, match="'acoustic': found 2 features; expected 3"):
        scaling.apply(_split(4, 0, width=2))
    with pytest.raises(DataError, match="'acoustic' has no scaling statistics; found none"):
        Scaling(clip=1, modalities={}).apply(_split(4, 0))


@pytest.mark.parametrize(
    "statistics",
    [
        {},
        {"clip": -1, "modalities": {}},
        {
            "clip": 1,
            "modalities": {
                "a": {"features": 2, "center": None, "spread": None, "mean": [0], "std": [1]}
            },
        },
        {
            "clip": 1,
            "modalities": {
                "a": {"features": 1, "center": None, "spread": None, "mean": [0], "std": [0]}
            },
        },
    ],
)
def test_statistics_of_another_form_are_refused(statistics: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="scaling statistics, "):
        Scaling.load(statistics)


def test_signed_log_is_fitted_and_applied_as_defined() -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, clip=100, transform="signed_log")
    train = corpus.train.modalities["acoustic"]
    observed = train.values[train.steps].astype(np.float64)
    expected = np.empty_like(observed)
    for j in range(observed.shape[1]):
        column = observed[:, j]
        median = sorted(column)[(len(column) - 1) // 2 : len(column) // 2 + 1]
        center = sum(median) / len(median)
        distances = sorted(abs(x - center) for x in column)
        middle = distances[(len(column) - 1) // 2 : len(column) // 2 + 1]
        spread = 1.4826 * sum(middle) / len(middle) or 1.0
        logged = [np.copysign(np.log(1 + abs(x - center) / spread), x - center) for x in column]
        expected[:, j] = (logged - np.mean(logged)) / (np.std(logged) or 1.0)
    scaled, _ = scaling.apply(corpus.train)
    np.testing.assert_allclose(
        scaled.modalities["acoustic"].values[train.steps], expected, rtol=1e-5, atol=1e-6
    )
    again = Scaling.load(scaling.model_dump())
    np.testing.assert_array_equal(
        again.apply(corpus.test)[0].modalities["acoustic"].values,
        scaling.apply(corpus.test)[0].modalities["acoustic"].values,
    )
