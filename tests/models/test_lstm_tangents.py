"""Forward derivatives of a decoder's LSTM, against `torch.func`."""

from __future__ import annotations

import pytest
import torch
from torch.func import jvp

from mfm_pipeline.models.modality.base import Decoder
from mfm_pipeline.models.modality.sequence import SequenceKind
from mfm_pipeline.models.recurrent.lstm import FeedbackLSTM
from mfm_pipeline.models.recurrent.lstm_states import lstm_states
from mfm_pipeline.models.recurrent.lstm_tangents import hidden_tangents

STEPS = 6


def test_each_direction_is_a_forward_derivative() -> None:
    torch.manual_seed(0)
    lstm = FeedbackLSTM(size=4).double()
    first = torch.randn(3, 4, dtype=torch.float64)
    directions = torch.randn(2, 4, dtype=torch.float64)
    found = torch.stack(list(hidden_tangents(lstm.run(first), directions, STEPS)))

    def hidden(values: torch.Tensor) -> torch.Tensor:
        (states,) = lstm_states([lstm.run(values)], STEPS)
        return states.hidden

    for k, direction in enumerate(directions):
        _, expected = jvp(hidden, (first,), (direction.expand(3, -1),))
        torch.testing.assert_close(found[:, :, k], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden", [5, None])
def test_decoders_agree_with_torch_func(hidden: int | None, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    decoder = SequenceKind().decoder(modality="x", factors=9, shape=(3,), hidden=hidden)
    decoder.to(dtype)
    given = torch.randn(4, 7, dtype=dtype), torch.randn(4, 2, dtype=dtype), STEPS
    directions = torch.randn(3, 7, dtype=dtype)
    found = decoder.squared_derivatives(*given, directions)
    expected = Decoder.squared_derivatives(decoder, *given, directions)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * 1e-3)


def test_another_entry_takes_the_way_of_all_decoders() -> None:
    torch.manual_seed(0)
    decoder = SequenceKind().decoder(modality="x", factors=5, shape=(2,), hidden=4).double()
    given = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64), STEPS
    directions = torch.eye(3, dtype=torch.float64)
    expected = decoder.squared_derivatives(*given, directions)
    decoder.entry = torch.nn.Sequential(decoder.entry)
    assert decoder.entry_weight() is None
    torch.testing.assert_close(decoder.squared_derivatives(*given, directions), expected)
