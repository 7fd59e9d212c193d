"""Ratios of dependence, Table 6: what is compared, and what a row says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.interpretation import (
    InformationOptions,
    KernelOptions,
    Observations,
    information,
    observe,
)
from mfm_pipeline.models import Inputs
from tests.interpretation.reference import literal_alignment, literal_gram, literal_hsic
from tests.models.image_samples import mixed_corpus, model_of
from tests.models.samples import ragged_split

PUBLISHED = KernelOptions(bandwidth=1.0, scale="none", estimator="biased")
QUICK = {"permutations": 19, "resamples": 100}


def observations(n: int = 40, *, seed: int = 0) -> Observations:
    """Return a factor that a sequence depends on, and one that it depends on less."""
    rng = np.random.default_rng(seed)
    shared, other = rng.normal(size=(2, n, 2)).astype(np.float32)
    lengths = rng.integers(1, 6, size=n)
    values = shared[:, None] + 0.5 * other[:, None] + 0.1 * rng.normal(size=(n, 5, 2))
    values[np.arange(5) >= lengths[:, None]] = 1e6  # Never read.
    return Observations(shared, other, values.astype(np.float32), lengths)


def of(found: Observations, *kernels: KernelOptions, **changes: object) -> pd.DataFrame:
    options = InformationOptions.model_validate({"kernels": kernels, **QUICK, **changes})
    return information({"speech": found}, options)


def test_what_is_compared_belongs_to_the_samples_that_have_it() -> None:
    for split in (ragged_split(n=12), mixed_corpus().test):
        model = model_of(split).train()
        found = observe(model, split, batch_size=5)
        assert model.training and list(found) == list(split.modalities)
        inputs = Inputs.from_split(split)
        output = model.eval()(inputs)
        for name, own in found.items():
            modality = split.modalities[name]
            kept = modality.present & (modality.is_image | (inputs.lengths.numpy() > 0))
            np.testing.assert_allclose(
                own.discriminative, output.factors.discriminative.detach()[kept], atol=1e-6
            )
            np.testing.assert_allclose(
                own.generative, output.factors.generative[name].detach()[kept], atol=1e-6
            )
            generated = output.reconstructions[name].detach()[kept].numpy()
            if modality.is_image:
                pixels = generated.reshape(len(generated), -1)
                np.testing.assert_allclose(own.summary, pixels, atol=1e-6)
            else:
                lengths = inputs.lengths.numpy()[kept]
                means = [x[:k].mean(axis=0) for x, k in zip(generated, lengths, strict=True)]
                np.testing.assert_allclose(own.summary, means, atol=1e-5)


def test_published_kernel_is_equation_10_of_the_mean_over_steps() -> None:
    found = observations()
    row = of(found, PUBLISHED).iloc[0]
    means = literal_gram(found.summary, 1.0)
    mi_y = literal_hsic(literal_gram(found.discriminative, 1.0), means)
    mi_a = literal_hsic(literal_gram(found.generative, 1.0), means)
    assert row["mi_discriminative"] == pytest.approx(mi_y, abs=1e-6)
    assert row["mi_generative"] == pytest.approx(mi_a, abs=1e-6)
    assert row["ratio"] == pytest.approx(mi_y / mi_a, abs=1e-5)
    told = row[["samples", "kernel", "bandwidth", "scale", "estimator", "time"]]
    assert told.tolist() == [40, "rbf", "1.0", "none", "biased", "mean"]


def test_each_kernel_has_rows_and_planted_dependence_is_found() -> None:
    kernels = [KernelOptions(), KernelOptions(time="gak"), PUBLISHED]
    table = of(observations(), *kernels)
    assert table["kernel"].tolist() == ["rbf", "gak", "rbf"]
    assert (table["ratio"] > 1).all()
    assert (table["ratio_low"] < table["ratio"]).all()
    assert (table["ratio"] < table["ratio_high"]).all()
    assert (table["p_discriminative"] == 1 / 20).all()
    assert (table["note"] == "").all()


def test_alignment_kernel_is_of_own_steps() -> None:
    found = observations(n=12)
    kernel = KernelOptions(time="gak", bandwidth=1.0, scale="none", estimator="biased")
    row = of(found, kernel).iloc[0]
    whole = [x[:k].astype(float) for x, k in zip(found.reconstruction, found.lengths, strict=True)]
    logs = np.array([[literal_alignment(a, b, 1.0) for b in whole] for a in whole])
    own = np.diag(logs)
    gram = np.exp(logs - 0.5 * (own[:, None] + own))
    expected = literal_hsic(literal_gram(found.discriminative, 1.0), gram)
    assert row["mi_discriminative"] == pytest.approx(expected, abs=1e-6)


def test_units_do_not_matter_where_features_are_standardised() -> None:
    found = observations()
    rescaled = found._replace(
        discriminative=found.discriminative * np.array([1e3, 1e-3], np.float32),
        reconstruction=found.reconstruction * np.array([5.0, 0.1], np.float32),
    )
    for kernel in (KernelOptions(), KernelOptions(time="gak")):
        one, other = (of(each, kernel).iloc[0] for each in (found, rescaled))
        assert one["ratio"] == pytest.approx(other["ratio"], abs=1e-4)
    raw = KernelOptions(scale="none")
    one, other = (of(each, raw).iloc[0]["ratio"] for each in (found, rescaled))
    assert one != pytest.approx(other, abs=1e-2)


def test_same_seed_same_table_and_chance_of_a_subsample() -> None:
    found = observations(80)
    kernels = (KernelOptions(), KernelOptions(time="gak"))
    first, again = (of(found, *kernels, subsample=20) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    # The RBF kernel's value is of all samples; alignments are compared in the subsample.
    assert first["samples"].tolist() == [80, 20]
    assert first.loc[0, "ratio"] == pytest.approx(of(found, KernelOptions()).loc[0, "ratio"])
    few = of(found._replace(**{k: v[:20] for k, v in found._asdict().items()}), KernelOptions())
    # An interval of all samples is narrower than one of as few as the subsample.
    width = first["ratio_high"] - first["ratio_low"]
    assert width[0] < 0.9 * (few["ratio_high"] - few["ratio_low"])[0]


def test_a_constant_factor_is_said() -> None:
    found = observations()
    dead = found._replace(generative=np.zeros_like(found.generative))
    row = of(dead, KernelOptions()).iloc[0]
    assert row["mi_discriminative"] > 0.5 and row["p_discriminative"] == 1 / 20
    undefined = row[["mi_generative", "ratio", "ratio_low", "ratio_high", "p_generative"]]
    assert undefined.isna().all()
    assert row["note"] == "HSIC with Fa is not defined: it or the modality does not vary"


def test_a_narrow_kernel_is_said() -> None:
    rng = np.random.default_rng(0)
    found = observations()
    wide = found._replace(discriminative=rng.normal(size=(40, 200)).astype(np.float32))
    note = of(wide, PUBLISHED).iloc[0]["note"]
    assert note.startswith("too narrow a kernel") and "% with Fy" in note


def test_too_few_samples_are_refused() -> None:
    found = observations(9)
    with pytest.raises(DataError, match="'speech': found 9 samples that have it; expected"):
        of(found, KernelOptions())


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("nan"), "mean"])
def test_a_bandwidth_is_positive(bandwidth: object) -> None:
    with pytest.raises(ParameterError, match="bandwidth"):
        KernelOptions.model_validate({"bandwidth": bandwidth})


def test_absent_samples_do_not_count() -> None:
    split = mixed_corpus().test
    model = model_of(split)
    before = len(observe(model, split)["picture"].lengths)
    picture = split.modalities["picture"]
    present = picture.present.copy()
    present[np.flatnonzero(present)[:3]] = False
    fewer = {**split.modalities, "picture": replace(picture, present=present)}
    without = replace(split, modalities=fewer)
    assert len(observe(model, without)["picture"].lengths) == before - 3
