from __future__ import annotations

import numpy as np
import pytest
import torch

from mfm_pipeline.data import Split
from mfm_pipeline.models import Inputs
from mfm_pipeline.models.convolution.encoder import Convolution
from mfm_pipeline.models.convolution.select_additive import SelectAdditive
from mfm_pipeline.models.convolution.unimodal import UnimodalConvolutions
from tests.models.samples import FEATURES, padded, ragged_split, unobserved_as


def _state(encoder: Convolution, split: Split, sample: int) -> np.ndarray:
    """Return the state of one sample, step by step and filter by filter."""
    modality = split.modalities[encoder.modality]
    observed = split.step_mask[sample]
    steps = modality.steps[sample][observed] & modality.present[sample]
    rows = np.where(steps[:, None], modality.values[sample][observed], 0.0)
    for layer in encoder.layers:
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        width = weight.shape[2]
        found = np.zeros((len(rows), len(bias)))
        for t in range(len(rows)):
            if not steps[t]:
                continue
            total = bias.astype(np.float64)
            for offset in range(width):
                source = t + offset - (width - 1) // 2
                if 0 <= source < len(rows):
                    total = total + weight[:, :, offset] @ rows[source]
            found[t] = np.maximum(total, 0)
        rows = found
    return rows.max(axis=0) if len(rows) else np.zeros(encoder.size)


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_convolution_is_its_loop(width: int) -> None:
    torch.manual_seed(0)
    split = ragged_split(n=16)
    encoder = Convolution(
        modality="acoustic", features=FEATURES["acoustic"], channels=5, width=width
    )
    states = encoder(Inputs.from_split(split)).detach().numpy()
    for sample in range(len(split)):
        np.testing.assert_allclose(
            states[sample], _state(encoder, split, sample), rtol=1e-5, atol=1e-6
        )
    assert (states[2] > 0).any()
    assert not states[~split.modalities["acoustic"].present].any()


def test_padding_and_what_was_not_observed_change_nothing() -> None:
    torch.manual_seed(0)
    split = ragged_split()
    network = SelectAdditive(features=FEATURES, outputs=2, channels=4, width=3, dropout=0.0).eval()
    expected = network(Inputs.from_split(split))
    assert expected.shape == (len(split), 2)
    for changed in (padded(split, 4), unobserved_as(split, 1e6)):
        torch.testing.assert_close(network(Inputs.from_split(changed)), expected)


def test_noise_reaches_the_elements_that_are_selected_in_training_alone() -> None:
    torch.manual_seed(0)
    network = SelectAdditive(features=FEATURES, outputs=1, channels=2, width=2, dropout=0.0)
    inputs = Inputs.from_split(ragged_split())
    before = [layer.weight.clone() for layer in network.head if hasattr(layer, "weight")]
    noise = torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0, 0.5])
    network.relearn(noise)
    after = [layer.weight for layer in network.head if hasattr(layer, "weight")]
    assert all((old != new).all() for old, new in zip(before, after, strict=True))
    assert {
        name.split(".")[0] for name, weight in network.named_parameters() if weight.requires_grad
    } == {"head"}

    read: list[torch.Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    clean = network.representation(inputs)
    network.eval()(inputs)
    torch.testing.assert_close(read.pop(), clean)
    network.train()
    for _ in range(150):
        network(inputs)
    spread = (torch.stack(read) - clean).std(dim=(0, 1))
    torch.testing.assert_close(spread, noise, rtol=0.1, atol=0)


def test_unimodal_predictions_are_averaged_over_what_is_present() -> None:
    torch.manual_seed(0)
    split = ragged_split()
    network = UnimodalConvolutions(
        features=FEATURES, outputs=2, channels=4, width=2, hidden=3, dropout=0.5
    ).eval()
    inputs = Inputs.from_split(split)
    heads, present = network.heads(inputs)
    assert heads.shape == (len(split), len(FEATURES), 2)
    found = network(inputs)
    assert not found[0].any()  # has nothing
    for sample in range(1, len(split)):
        torch.testing.assert_close(found[sample], heads[sample][present[sample]].mean(dim=0))
    assert [state.shape for state in network.states(inputs).values()] == [(len(split), 3)] * 3


def test_unimodal_networks_share_nothing() -> None:
    torch.manual_seed(0)
    network = UnimodalConvolutions(
        features=FEATURES, outputs=1, channels=4, width=2, hidden=3, dropout=0.0
    )
    heads, _ = network.heads(Inputs.from_split(ragged_split()))
    heads[:, 1].sum().backward()
    for k, (layer, output) in enumerate(zip(network.layers, network.outputs, strict=True)):
        weights = [*layer.parameters(), *output.parameters()]
        touched = [bool(weight.grad.any()) for weight in weights]
        assert any(touched) if k == 1 else not any(touched)
