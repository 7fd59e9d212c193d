"""Scores of models of which it is known what they get right."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from mfm_pipeline.errors import DataError, ParameterError
from mfm_pipeline.generation import (
    SamplerOptions,
    ScoreOptions,
    fit_samplers,
    generate,
    infer_latents,
    report,
    score_generation,
)
from mfm_pipeline.models import MFM
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from tests.generation.stripes import (
    CHANNELS,
    black,
    lit_by_label,
    reversed_by_label,
    stripes_inputs,
    stripes_judge,
    stripes_model,
)

JUDGES = {name: stripes_judge for name in CHANNELS}


def scored(
    n: int = 120, sampler: str = "gaussian", seed: int = 0, **changes: object
) -> pd.DataFrame:
    model, (inputs, labels) = stripes_model(**changes), stripes_inputs(n)
    samplers = fit_samplers(infer_latents(model, inputs), SamplerOptions(sampler=sampler))
    table = score_generation(
        model,
        inputs,
        labels,
        samplers,
        JUDGES,
        ScoreOptions(samples=100, draws=4, batch_size=64),
        generator=torch.Generator().manual_seed(seed),
    )
    assert list(table) == ["score", "modality", "generated", "real", "chance"]
    return table.set_index(["score", "modality"])


def test_a_model_that_factorizes_scores_as_real_images_do() -> None:
    table = scored()
    for name in CHANNELS:
        read = table.loc[("label_consistency", name)]
        assert read["generated"] == read["real"] == 1 and 0.3 < read["chance"] < 0.4
        (other,) = set(CHANNELS) - {name}
        assert table.loc[(f"coherence_from_{other}", name), "generated"] == 1
        for of in ("latent", "pixels"):
            style = table.loc[(f"style_consistency/{of}", name)]
            assert style["generated"] > 0.95 and style["real"] > 0.95
            assert abs(style["chance"]) < 0.1
        for of in ("pixels", "features"):
            of_zy = table.loc[(f"diversity_of_zy/{of}", name)]
            assert 0.7 < of_zy["generated"] / of_zy["real"] < 1.3
        frechet = table.loc[("frechet_of_zy", name)]
        # Features move by the styles alone; Gaussian ones are a little off uniform ones.
        assert frechet["generated"] < 3 * frechet["real"] + 0.05
        assert table.loc[("frechet_of_joint", name), "real"] == frechet["real"]
    # Both bars come from one Zy, so that judges agree even where Zy is of no class.
    assert table.loc[("joint_coherence", "all"), "generated"] == 1
    assert table.loc[("joint_coherence", "all"), "real"] == 1
    assert table["real"].notna().all()


def test_decoders_that_ignore_zy_are_at_chance() -> None:
    table = scored(labels=False)
    for name in CHANNELS:
        for score in ("label_consistency", f"coherence_from_{name}"):
            row = table.loc[score].iloc[0]
            assert row["generated"] == pytest.approx(row["chance"], abs=1e-9) and row["real"] == 1
        assert table.loc[("frechet_of_zy", name), "generated"] > 0.5
        assert table.loc[("style_consistency/latent", name), "generated"] > 0.95


def test_decoders_that_ignore_styles_keep_none_and_are_not_diverse() -> None:
    table = scored(corners=black)
    for name in CHANNELS:
        assert table.loc[("label_consistency", name), "generated"] == 1
        assert table.loc[("diversity_of_zy/pixels", name), "generated"] < 1e-6
        assert table.loc[("diversity_of_zy/pixels", name), "real"] > 0.05
        for of in ("latent", "pixels"):
            assert abs(table.loc[(f"style_consistency/{of}", name), "generated"]) < 0.1


def test_styles_count_as_kept_where_they_are_and_labels_do_not() -> None:
    table = scored(100, corners=reversed_by_label)
    first = (stripes_inputs(100)[1] == 0).double().mean().item()
    for name in CHANNELS:
        style = table.loc[("style_consistency/latent", name)]
        # A cosine of -1 for images of the first class, as many with their own Zy as with
        # another's, and of 1 for the rest.
        assert style["real"] == pytest.approx(1 - 2 * first, abs=0.02)
        assert style["generated"] == pytest.approx(1 - 2 * first, abs=0.1)
    table = scored(corners=lit_by_label)
    for name in CHANNELS:
        # What a label adds to every style is not taken for style, on either side.
        style = table.loc[("style_consistency/latent", name)]
        assert style["generated"] > 0.95 and style["real"] > 0.95


def test_styles_are_tried_with_another_label(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(model: MFM, latents: dict[str, torch.Tensor], **options: int) -> object:
        seen.append(latents)
        return generate(model, latents, **options)

    monkeypatch.setattr(report, "generate", spy)
    scored()
    kept, swapped = seen
    for name in CHANNELS:
        torch.testing.assert_close(kept[name], swapped[name], rtol=0, atol=0)
    before, after = (each[DISCRIMINATIVE].argmax(dim=1) for each in (kept, swapped))
    assert (before != after).all()
    assert torch.equal(before.bincount(), after.bincount())


def test_seeds_reproduce() -> None:
    pd.testing.assert_frame_equal(scored(40), scored(40))
    assert not scored(40).equals(scored(40, seed=1))


def test_samples_without_a_judged_modality_are_left_out() -> None:
    model, (inputs, labels) = stripes_model(), stripes_inputs(60)
    samplers = fit_samplers(infer_latents(model, inputs), SamplerOptions())
    inputs.present["grey"][20:] = False
    inputs.values["grey"][20:] = 0
    labels[20:] = 99
    arguments = (samplers, JUDGES, ScoreOptions())
    seeded = torch.Generator().manual_seed(0)
    table = score_generation(model, inputs, labels, *arguments, generator=seeded)
    read = table[table["score"] == "label_consistency"]
    assert (read["generated"] == 1).all() and (read["real"] == 1).all()
    inputs.present["grey"][3:] = False
    with pytest.raises(DataError, match="3 samples have all of grey, colour"):
        score_generation(model, inputs, labels, *arguments, generator=seeded)
    with pytest.raises(DataError, match="of 1 label"):
        score_generation(
            model, stripes_inputs(60)[0], torch.ones_like(labels), *arguments, generator=seeded
        )


def test_options_are_checked() -> None:
    with pytest.raises(ParameterError, match="draws is 1"):
        ScoreOptions(draws=1)
