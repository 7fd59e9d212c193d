import json
import tracemalloc
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.errors import DataError
from mfm_pipeline.features import scale
from mfm_pipeline.features.scale import ModalityScaling, Scaling, fit_scaling
from mfm_pipeline.features.scaling_steps import Method

METHODS = get_args(Method)


def _split(n: int, seed: int, *, offset: float = 0.0, width: int = 4) -> Split:
    rng = np.random.default_rng(seed)
    steps = rng.random((n, 5)) > 0.3
    present = rng.random(n) > 0.3
    steps &= present[:, None]
    values = (rng.normal(size=(n, 5, width)) * [1, 100, 0.01, 1][:width] + offset).astype(
        np.float32
    )
    values[..., 2] = np.where(values[..., 2] > offset, values[..., 2], offset)  # Half are equal.
    values[..., -1] = 7.1  # A constant feature.
    values[~steps] = 1e6  # Padding and absent samples: never to be read.
    sequence = Modality(values, steps.any(axis=1), steps)
    image = Modality(np.zeros((n, 1, 2, 2), np.uint8), np.ones(n, bool))
    targets = Targets(rng.normal(size=(n, 1)).astype(np.float32), ("y",), "regression")
    ids = np.array([f"{seed}[{i}]" for i in range(n)])
    return Split({"acoustic": sequence, "image": image}, targets, ids)


def _corpus(offset: float = 0.0) -> Corpus:
    sizes = {"train": 700, "valid": 9, "test": 40}
    splits = {name: _split(n, n, offset=offset) for name, n in sizes.items()}
    return Corpus("x", splits)


def _seen(split: Split) -> Any:
    modality = split.modalities["acoustic"]
    return modality.values[modality.steps].astype(np.float64)


def _sklearn(method: Method, observations: int) -> Any:
    if method == "quantile":
        count = min(1000, observations)
        return QuantileTransformer(n_quantiles=count, output_distribution="normal", subsample=None)
    return {"standard": StandardScaler, "robust": RobustScaler}[method]()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_methods_are_those_of_sklearn_on_observed_steps(method: Method, offset: float) -> None:
    corpus = _corpus(offset)
    scaling = fit_scaling(corpus, clip=100, transform="identity", method=method)
    fitted = _sklearn(method, len(_seen(corpus.train))).fit(_seen(corpus.train)[:, :-1])
    for split in corpus.splits.values():
        scaled, _ = scaling.apply(split)
        np.testing.assert_allclose(
            _seen(scaled)[:, :-1], fitted.transform(_seen(split)[:, :-1]), rtol=1e-5, atol=1e-5
        )
        assert not _seen(scaled)[:, -1].any()


def test_few_observations_give_as_many_quantiles() -> None:
    corpus = _corpus()
    corpus = replace(corpus, splits=dict(corpus.splits, train=_split(12, 1)))
    scaling = fit_scaling(corpus, 10, "identity", "quantile")
    observed = _seen(corpus.train)
    assert len(observed) < 1000
    fitted = _sklearn("quantile", len(observed)).fit(observed[:, :2])
    np.testing.assert_allclose(
        _seen(scaling.apply(corpus.test)[0])[:, :2],
        fitted.transform(_seen(corpus.test)[:, :2]),
        atol=1e-5,
    )


def test_a_range_of_0_falls_back_to_the_standard_deviation() -> None:
    train = _split(700, 0)
    values = train.modalities["acoustic"].values
    values[..., 0] = 3
    values[:100, :, 0] = 4  # One value in seven: both quartiles are 3.
    corpus = replace(_corpus(), splits=dict(_corpus().splits, train=train))
    fitted = fit_scaling(corpus, 10, "identity", "robust").modalities["acoustic"].scale
    assert fitted.location[0] == 3
    assert fitted.spread[0] == pytest.approx(_seen(train)[:, 0].std())
    assert fitted.spread[-1] == 1


@pytest.mark.parametrize("transform", ["identity", "signed_log"])
@pytest.mark.parametrize("method", METHODS)
def test_what_float32_rounds_counts_as_constant(transform: Any, method: Method) -> None:
    corpus = _corpus()
    values = corpus.train.modalities["acoustic"].values
    jitter = np.random.default_rng(0).integers(-1, 2, values.shape[:2])
    values[..., 0] = np.float32(1000) + jitter * np.spacing(np.float32(1000))
    scaled, _ = fit_scaling(corpus, 10, transform, method).apply(corpus.train)
    assert np.abs(_seen(scaled)[:, 0]).max() < 1e-3
    assert np.abs(_seen(scaled)[:, 1]).max() > 1


@pytest.mark.parametrize("method", METHODS)
def test_what_was_never_observed_stays_as_it_is(method: Method) -> None:
    corpus = _corpus()
    empty = Modality(
        np.full((700, 5, 4), 9e9, np.float32), np.zeros(700, bool), np.zeros((700, 5), bool)
    )
    train = replace(corpus.train, modalities={**corpus.train.modalities, "acoustic": empty})
    scaling = fit_scaling(
        replace(corpus, splits=dict(corpus.splits, train=train)), 10, method=method
    )
    assert not scaling.apply(train)[0].modalities["acoustic"].values.any()


def test_values_are_clipped_and_counted_and_zero_elsewhere() -> None:
    corpus = _corpus()
    corpus.test.modalities["acoustic"].values[corpus.test.modalities["acoustic"].steps] = 1e9
    scaling = fit_scaling(corpus, clip=2.5, transform="identity")
    train, clipped = scaling.apply(corpus.train)
    expected = StandardScaler().fit_transform(_seen(corpus.train))
    np.testing.assert_allclose(_seen(train), np.clip(expected, -2.5, 2.5), atol=1e-5)
    assert clipped == {"acoustic": int((np.abs(expected) > 2.5).sum())} and clipped["acoustic"]
    modality = train.modalities["acoustic"]
    assert not modality.values[~modality.steps].any()
    assert (_seen(scaling.apply(corpus.test)[0]) == 2.5).all()
    assert train.modalities["image"] is corpus.train.modalities["image"]


@pytest.mark.parametrize("method", METHODS)
def test_blocks_leave_no_seam(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, 2, method=method)
    whole, clipped = scaling.apply(corpus.train)
    monkeypatch.setattr(scale, "_BLOCK", 3 * 5 * 4)
    blocks, again = scaling.apply(corpus.train)
    np.testing.assert_array_equal(
        blocks.modalities["acoustic"].values, whole.modalities["acoustic"].values
    )
    assert clipped == again


def test_overwriting_gives_the_same_in_the_same_place() -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, 2)
    before = corpus.test.modalities["acoustic"].values.copy()
    expected, clipped = scaling.apply(corpus.test)
    np.testing.assert_array_equal(corpus.test.modalities["acoustic"].values, before)
    found, again = scaling.apply(corpus.test, overwrite={"acoustic"})
    values = found.modalities["acoustic"].values
    assert values is corpus.test.modalities["acoustic"].values and clipped == again
    np.testing.assert_array_equal(values, expected.modalities["acoustic"].values)


@pytest.mark.parametrize("method", METHODS)
def test_memory_stays_near_one_block(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_BLOCK", 2**12)
    shape = (1000, 50, 20)
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape).astype(np.float32)
    observed = Modality(values, np.ones(1000, bool), np.ones(shape[:2], bool))
    targets = Targets(np.zeros((1000, 1), np.float32), ("y",), "regression")
    image = Modality(np.zeros((1000, 1, 1, 1), np.uint8), np.ones(1000, bool))
    train = Split({"a": observed, "image": image}, targets, np.arange(1000).astype(str))
    corpus = Corpus("x", dict.fromkeys(("train", "valid", "test"), train))
    tracemalloc.start()
    try:
        scaling = fit_scaling(corpus, 10, method=method)
        assert tracemalloc.get_traced_memory()[1] < values.nbytes  # Half of it in float64.
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        scaled, _ = scaling.apply(train)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    output = scaled.modalities["a"].values.nbytes
    assert output <= peak < output + 16 * 2**12 * 8


@pytest.mark.parametrize("method", METHODS)
def test_statistics_survive_json(method: Method) -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, clip=3, method=method)
    again = Scaling.load(json.loads(json.dumps(scaling.model_dump())))
    assert again == scaling
    np.testing.assert_array_equal(
        again.apply(corpus.test)[0].modalities["acoustic"].values,
        scaling.apply(corpus.test)[0].modalities["acoustic"].values,
    )


def test_data_of_another_width_is_refused() -> None:
    scaling = fit_scaling(_corpus(), clip=10)
    with pytest.raises(DataError, match="'acoustic': found 3 features; expected 4"):
        scaling.apply(_split(4, 0, width=3))
    with pytest.raises(DataError, match="'acoustic' has no scaling statistics; found none"):
        Scaling(clip=1, modalities={}).apply(_split(4, 0))


def _linear(location: Any, spread: Any, signed_log: Any = None) -> dict[str, Any]:
    scale = {"kind": "linear", "location": location, "spread": spread}
    return {"clip": 1, "modalities": {"a": {"signed_log": signed_log, "scale": scale}}}


def _quantiles(quantiles: Any) -> dict[str, Any]:
    scale = {"kind": "quantiles", "quantiles": quantiles}
    return {"clip": 1, "modalities": {"a": {"signed_log": None, "scale": scale}}}


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({}, "clip: Field required"),
        ({"clip": -1, "modalities": {}}, "clip: .* greater than 0"),
        (_linear([0], [1, 2]), "1 locations and 2 spreads"),
        (_linear([0], [0]), r"spread\.0: .* greater than 0"),
        (_linear([np.nan], [1]), r"location\.0: .* finite"),
        (_linear(["0"], [1]), r"location\.0: .* number"),
        (_linear([], []), "no columns"),
        (_linear([0], [1], {"location": [0, 0], "spread": [1, 1]}), "2 columns and scale of 1"),
        (_linear([0], [1], {"location": [0], "spread": [np.inf]}), r"spread\.0: .* finite"),
        (_quantiles([[0, 1], []]), r"quantiles\.1: .* at least 1"),
        (_quantiles([[0, 1], [1, 0]]), "column 1 fall"),
        (_quantiles([[0, None]]), r"quantiles\.0\.1: .* number"),
        ({"clip": 1, "modalities": {"a": {"signed_log": None, "scale": {"kind": "x"}}}}, "'kind'"),
    ],
)
def test_statistics_of_another_form_are_refused(statistics: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^scaling statistics, .*{message}") as caught:
        Scaling.load(statistics)
    assert "\n" not in str(caught.value)


def test_signed_log_is_fitted_and_applied_as_defined() -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, clip=100, transform="signed_log")
    observed = _seen(corpus.train)[:, [0, 1, 3]]
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
    np.testing.assert_allclose(_seen(scaled)[:, [0, 1, 3]], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_transform_goes_first(method: Method) -> None:
    corpus = _corpus()
    scaling = fit_scaling(corpus, 100, "signed_log", method)
    fitted = scaling.modalities["acoustic"]
    assert isinstance(fitted, ModalityScaling) and fitted.signed_log is not None
    logged = {name: fitted.signed_log.apply(_seen(split)) for name, split in corpus.splits.items()}
    sklearn = _sklearn(method, len(logged["train"])).fit(logged["train"][:, :2])
    np.testing.assert_allclose(
        _seen(scaling.apply(corpus.test)[0])[:, :2],
        sklearn.transform(logged["test"][:, :2]),
        rtol=1e-5,
        atol=1e-5,
    )
