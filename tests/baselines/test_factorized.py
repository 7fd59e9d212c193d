"""MFM of the comparison: the model as its parameters have it, but for what a setting changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfm_pipeline.baselines import BASELINES, Choice, Session
from mfm_pipeline.baselines.factorized import FactorizedOptions, MfmOptions
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.training import TrainingOptions
from tests.conftest import MakeCorpus

MODEL = ModelOptions.model_validate(
    {
        "fusion": "late_fusion",
        "reconstruction": 0.3,
        "discriminative": {"heads": 3, "latent": 12, "factor": 9},
        "generative": {"latent": {"default": 5, "visual": 2}, "factor": 4},
    }
)
VARIANTS = {name: one for name, one in BASELINES.items() if issubclass(one, FactorizedOptions)}


def flat(options: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in options.model_dump().items() if prefix == "" else options.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and "default" not in value:
            found |= flat(value, f"{key}.")
        else:
            found[key] = value
    return found


def changed(options: FactorizedOptions) -> dict[str, Any]:
    """Return the fields of the model that a setting makes other than they were."""
    before, after = flat(MODEL), flat(options.of(MODEL))
    assert set(before) == set(after)
    return {name: value for name, value in after.items() if value != before[name]}


def test_mfm_by_default_is_the_model_as_it_is() -> None:
    assert MfmOptions().of(MODEL) == MODEL


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"fusion": "df"}, {"fusion": "df"}),
        ({"width": 7}, {"discriminative.latent": 21, "discriminative.factor": 21}),
        ({"own": 6}, {"generative.latent": {"default": 6}, "generative.factor": {"default": 6}}),
        ({"dropout": 0.2}, {"discriminative.dropout": 0.2}),
        ({"head_dropout": 0.7}, {"discriminative.head_dropout": 0.7}),
        ({"reconstruction": 2.0}, {"reconstruction": {"default": 2.0}}),
        ({"prior_weight": 4.0}, {"prior_weight": 4.0}),
        ({"learning_rate": 0.5, "batch_size": 9}, {}),
    ],
)
def test_a_setting_changes_what_it_names_and_nothing_else(
    setting: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert changed(MfmOptions.model_validate(setting)) == expected


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_searched_can_all_be_built(name: str) -> None:
    """Each end of each range and each choice is a setting that the model takes."""
    variant = VARIANTS[name]
    for field, one in variant.space.items():
        for value in one.of if isinstance(one, Choice) else (one.low, one.high):
            variant.model_validate({field: value}).of(MODEL)


@pytest.mark.parametrize(
    ("name", "fusion"),
    [("mfm_mfn", "mfn"), ("mfm_ef_lstm", "ef_lstm"), ("mfm_late_fusion", "late_fusion")]
    + [(f"mfm_{name}", name) for name in ("tfn", "marn", "transformer")],
)
def test_a_variant_has_its_encoder_whatever_the_model_has(name: str, fusion: str) -> None:
    other = MODEL.model_copy(update={"fusion": "mfn" if fusion != "mfn" else "df"})
    assert VARIANTS[name]().of(other).fusion == fusion
    assert "fusion" not in VARIANTS[name].space


def test_training_is_changed_too(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    """By batches of 8 of 48 samples, six steps an epoch; Adam's first step is the rate at most."""
    corpus = make_corpus()
    training = TrainingOptions(epochs=1, accelerator="cpu", averaging=0, schedule="constant")

    def weights(path: str, **setting: Any) -> list[float]:
        session = Session(training, tmp_path / path, MODEL)
        trained = MfmOptions.model_validate(setting).fit(corpus, session)
        return [float(one.detach().abs().max()) for one in trained.model.parameters()]

    still = weights("a", learning_rate=1e-12, batch_size=48)
    small = weights("b", learning_rate=1e-3, batch_size=48)
    steps = weights("c", learning_rate=1e-3, batch_size=8)
    one = max(abs(a - b) for a, b in zip(still, small, strict=True))
    six = max(abs(a - b) for a, b in zip(still, steps, strict=True))
    assert one == pytest.approx(1e-3, rel=0.05) and 3e-3 < six <= 6.1e-3


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"fusion.*nope.*expected one of mfn"):
        MfmOptions(fusion="nope")
