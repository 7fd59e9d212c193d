"""Gradient flow, Equation 13, against finite differences and a loop of backward passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mfm_pipeline.interpretation.gradient_flow import decoder_flow, flow_table, gradient_flow
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.modality.image import ConvolutionalDecoder
from mfm_pipeline.models.modality.sequence import SequenceKind
from tests.interpretation.reference import literal_flow
from tests.models.image_samples import mixed_corpus, model_of
from tests.models.samples import ragged_split

STEPS = 5


def factors(n: int, fy: int, fa: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(n, size, generator=generator, dtype=torch.float64) for size in (fy, fa)
    )


@pytest.mark.parametrize(("fy", "hidden"), [(12, 4), (3, 7), (6, None)])
def test_sequences_against_differences_and_backward_passes(fy: int, hidden: int | None) -> None:
    torch.manual_seed(0)
    decoder = SequenceKind().decoder(modality="x", factors=fy + 2, shape=(3,), hidden=hidden)
    decoder.double()
    discriminative, generative = factors(4, fy, 2)
    found = decoder_flow(decoder, discriminative, generative, STEPS)
    assert found.shape == (4, STEPS)
    expected = literal_flow(decoder, discriminative, generative, STEPS)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-14)
    differences = torch.zeros_like(found)
    step = 1e-5
    with torch.no_grad():
        for k in range(fy):
            shift = torch.zeros(fy, dtype=torch.float64)
            shift[k] = step
            above = decoder(discriminative + shift, generative, STEPS)
            below = decoder(discriminative - shift, generative, STEPS)
            differences += ((above - below) / (2 * step)).square().sum(dim=2)
    torch.testing.assert_close(found, differences, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("hidden", [None, 3])
def test_images_are_one_step(hidden: int | None) -> None:
    torch.manual_seed(0)
    decoder = ConvolutionalDecoder(
        factors=8, shape=(1, 4, 4), hidden=hidden, channels=(3,), modality="x"
    )
    decoder.double().eval()
    discriminative, generative = factors(3, 6, 2)
    found = decoder_flow(decoder, discriminative, generative, 0)
    expected = literal_flow(decoder, discriminative, generative, 0)
    assert found.shape == (3, 1)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-14)


def test_a_factor_that_enters_otherwise_is_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = SequenceKind().decoder(modality="x", factors=9, shape=(2,), hidden=3).double()
    discriminative, generative = factors(2, 7, 2)
    expected = decoder_flow(decoder, discriminative, generative, STEPS)
    monkeypatch.setattr(type(decoder), "entry_weight", lambda self: None)
    found = decoder_flow(decoder, discriminative, generative, STEPS)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


def test_no_derivative_of_what_does_not_enter() -> None:
    decoder = SequenceKind().decoder(modality="x", factors=5, shape=(2,), hidden=3)
    with torch.no_grad():
        decoder.entry.weight[:, :3] = 0
    discriminative, generative = factors(2, 3, 2)
    flow = decoder_flow(decoder, discriminative.float(), generative.float(), STEPS)
    assert flow.shape == (2, STEPS) and not flow.any()


def test_batches_do_not_matter_and_the_mode_stays() -> None:
    split = ragged_split()
    model = model_of(split).train()
    inputs = Inputs.from_split(split)
    whole = gradient_flow(model, inputs)
    parts = gradient_flow(model, inputs, batch_size=2)
    assert model.training and set(whole) == set(model.modalities)
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])
        assert not whole[name].requires_grad


def test_table_has_the_steps_of_the_contract() -> None:
    split = ragged_split()
    model = model_of(split)
    table = flow_table(model, split)
    assert list(table) == ["id", "modality", "step", "word", "flow"]
    flow = gradient_flow(model, Inputs.from_split(split))
    mask, known = split.step_mask, split.has_any(model.reads)
    assert mask is not None and split.words is not None and not known[0]
    assert len(table) == len(model.modalities) * mask[known].sum()
    rows = {name: k for k, name in enumerate(split.ids)}
    for row in table.itertuples():
        n = rows[row.id]
        assert mask[n, row.step] and known[n] and row.word == split.words[n, row.step]
        left_justified = row.step - int(np.argmax(mask[n]))
        assert row.flow == pytest.approx(flow[row.modality][n, left_justified].item())
    assert (flow_table(model, replace(split, words=None))["word"] == "").all()


def test_images_and_sequences_in_one_table() -> None:
    split = mixed_corpus().test
    table = flow_table(model_of(split), split)
    for name, modality in split.modalities.items():
        own = table[table["modality"] == name]
        if modality.is_image:
            assert own["id"].is_unique and (own["step"] == 0).all() and (own["word"] == "").all()
        assert (own["flow"] > 0).all()
