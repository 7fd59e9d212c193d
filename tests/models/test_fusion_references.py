"""Fusion encoders against their papers' equations, step by step and sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import Inputs, ModalitySpec
from mfm_pipeline.models.encoder import Encoder
from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.models.fusion.ef_lstm import DeepEarlyFusionLSTM
from mfm_pipeline.models.fusion.marn import MultiAttentionRecurrentNetwork
from mfm_pipeline.models.fusion.mv_lstm import MultiViewLSTM
from mfm_pipeline.models.fusion.tfn import TensorFusionNetwork, outer_product
from mfm_pipeline.models.fusion.transformer import CrossmodalTransformer
from tests.models.samples import FEATURES, ragged_split

TOLERANCE = {"rtol": 0, "atol": 1e-10}


def build(name: str, features: Mapping[str, int] = FEATURES, **options: object) -> Encoder:
    torch.manual_seed(0)
    specs = {m: ModalitySpec(kind="sequence", shape=(d,)) for m, d in features.items()}
    return FUSIONS[name].model_validate(options).build(specs).double().eval()


def inputs_of(features: Mapping[str, int] = FEATURES) -> Inputs:
    return Inputs.from_split(ragged_split(features)).to(torch.device("cpu"), torch.float64)


def agree(built: Encoder, literal: Callable[[Inputs, int], Tensor], inputs: Inputs) -> None:
    """Check states and gradients of all parameters."""
    found = built(inputs)
    expected = torch.stack([literal(inputs, row) for row in range(len(inputs))])
    torch.testing.assert_close(found, expected, **TOLERANCE)
    weight = torch.randn_like(found)
    parameters = list(built.parameters())
    grads = [
        torch.autograd.grad((state * weight).sum(), parameters, allow_unused=True)
        for state in (found, expected)
    ]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


@pytest.mark.parametrize("layers", [1, 2])
def test_both_ways_is_an_lstm_each_way_over_own_steps(layers: int) -> None:
    built = cast(
        "DeepEarlyFusionLSTM", build("ef_lstm", hidden=4, layers=layers, bidirectional=True)
    )

    def literal(inputs: Inputs, row: int) -> Tensor:
        length = int(inputs.lengths[row])
        if length == 0:
            return torch.zeros(8, dtype=torch.float64)
        values = torch.cat([inputs.values[m][row, :length] for m in FEATURES], dim=1)
        for layer in range(layers):
            ahead = run_cell(built.lstm, values, f"l{layer}")
            back = run_cell(built.lstm, values.flip(0), f"l{layer}_reverse").flip(0)
            values = torch.cat([ahead, back], dim=1)
        return torch.cat([values[-1, :4], values[0, 4:]])

    agree(built, literal, inputs_of())


def run_cell(lstm: nn.LSTM, values: Tensor, suffix: str) -> Tensor:
    """Return the hidden states of one direction of one layer."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (getattr(lstm, f"{name}_{suffix}") for name in names)
    hidden = cell = values.new_zeros(lstm.hidden_size)
    states = []
    for x in values:
        enter, forget, offer, out = (w @ x + b + u @ hidden + c).chunk(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * offer.tanh()
        hidden = out.sigmoid() * cell.tanh()
        states.append(hidden)
    return torch.stack(states)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0, 1), (1, 1), (2 / 3, 1 / 3)])
def test_multi_view_lstm(alpha: float, beta: float) -> None:
    sizes = {"language": 4, "acoustic": 2, "visual": 3}
    built = cast("MultiViewLSTM", build("mv_lstm", hidden=sizes, alpha=alpha, beta=beta))

    def literal(inputs: Inputs, row: int) -> Tensor:
        """Go unit by unit: who sees what is said by the paper's four topologies."""
        total = sum(sizes.values())
        hidden, cell = [torch.zeros((), dtype=torch.float64)] * total, [0.0] * total
        views = [(m, u) for m, d in sizes.items() for u in range(d)]
        inputs_at = [(m, k) for m, d in FEATURES.items() for k in range(d)]
        for t in range(int(inputs.lengths[row])):
            new_hidden, new_cell = list(hidden), list(cell)
            for j, (view, unit) in enumerate(views):
                gates = []
                for gate in range(4):
                    at = gate * total + j
                    value = built.bias[at]
                    for k, (m, feature) in enumerate(inputs_at):
                        if m == view:
                            value = (
                                value + built.weight_ih[at, k] * inputs.values[m][row, t, feature]
                            )
                    for k, (other, _) in enumerate(views):
                        d = sizes[view]
                        own = unit < math.ceil(alpha * d)
                        others = unit >= d - math.ceil(beta * d)
                        if own if other == view else others:
                            value = value + built.weight_hh[at, k] * hidden[k]
                    gates.append(value)
                enter, forget, offer, out = gates
                new_cell[j] = forget.sigmoid() * cell[j] + enter.sigmoid() * offer.tanh()
                new_hidden[j] = out.sigmoid() * torch.tanh(new_cell[j])
            hidden, cell = new_hidden, new_cell
        here = [bool(inputs.present[m][row]) and int(inputs.lengths[row]) > 0 for m, _ in views]
        return torch.stack([h if seen else h * 0 for h, seen in zip(hidden, here, strict=True)])

    inputs = inputs_of()
    few = inputs[torch.tensor([0, 1, 3, 4])]
    agree(built, literal, few)


def test_multi_attention_recurrent_network() -> None:
    sizes = {"language": 4, "acoustic": 2, "visual": 3}
    built = cast(
        "MultiAttentionRecurrentNetwork",
        build("marn", hidden=sizes, attentions=3, reduced=2, code=5),
    )

    def literal(inputs: Inputs, row: int) -> Tensor:
        hidden = {m: torch.zeros(d, dtype=torch.float64) for m, d in sizes.items()}
        cell = dict(hidden)
        code = torch.zeros(5, dtype=torch.float64)
        length = int(inputs.lengths[row])
        for t in range(length):
            for m in sizes:
                drive = built.inputs[m](inputs.values[m][row, t])
                drive = drive + built.hidden_weights[m] @ hidden[m] + built.code_weights[m] @ code
                enter, forget, out, offer = drive.chunk(4)
                cell[m] = forget.sigmoid() * cell[m] + enter.sigmoid() * offer.tanh()
                hidden[m] = out.sigmoid() * cell[m].tanh() * inputs.present[m][row]
            whole = torch.cat(list(hidden.values()))
            scores = built.attention(whole).chunk(3)
            found = [torch.softmax(score, dim=0) * whole for score in scores]
            parts = []
            start = 0
            for m, d in sizes.items():
                own = torch.cat([attended[start : start + d] for attended in found])
                parts.append(built.reduce[m](own).relu())
                start += d
            code = built.merge(torch.cat(parts))
        here = {m: bool(inputs.present[m][row]) and length > 0 for m in sizes}
        return torch.cat([*(h * here[m] for m, h in hidden.items()), code * (length > 0)])

    agree(built, literal, inputs_of())


def test_the_fusion_tensor_is_einsum_written_out() -> None:
    rng = torch.Generator().manual_seed(0)
    parts = [torch.randn(5, size, generator=rng, dtype=torch.float64) for size in (2, 3, 4)]
    longer = [torch.cat([part, torch.ones(5, 1, dtype=torch.float64)], dim=1) for part in parts]
    expected = torch.einsum("ni,nj,nk->nijk", *longer).flatten(1)
    torch.testing.assert_close(outer_product(parts), expected, **TOLERANCE)


def test_tensor_fusion_network() -> None:
    features = {"language": 3, "acoustic": 2}
    encoders = {"language": "lstm", "default": "statistics"}
    built = cast(
        "TensorFusionNetwork",
        build("tfn", features, encoder=encoders, hidden=4, embedding=2, layer=3),
    )
    inputs = inputs_of(features)

    def literal(inputs: Inputs, row: int) -> Tensor:
        one = inputs[torch.tensor([row])]
        z = [built.embeddings[m](built.encoders[m](one))[0] * one.present[m][0] for m in features]
        z = [torch.cat([part, torch.ones(1, dtype=torch.float64)]) for part in z]
        tensor = torch.stack([a * b for a in z[0] for b in z[1]])
        return cast("Tensor", built.layers(tensor[None])[0])

    agree(built, literal, inputs)


def test_a_tensor_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"embedding is 99, .* 1,000,000 entries of 3 modal"):
        build("tfn", embedding=99)


def test_crossmodal_attention() -> None:
    """One layer, one head, written out: queries of the target, keys and values of the source."""
    features = {"language": 3, "acoustic": 2}
    built = cast(
        "CrossmodalTransformer", build("transformer", features, width=4, heads=1, layers=1)
    )

    def attend(block: nn.Module, query: Tensor, key: Tensor, seen: np.ndarray) -> Tensor:
        attention = cast("nn.MultiheadAttention", block.attention)
        q, k = cast("nn.LayerNorm", block.norm)(query), cast("nn.LayerNorm", block.norm)(key)
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        found = []
        for x in q:
            scores = torch.stack(
                [
                    (weights[0] @ x + biases[0]) @ (weights[1] @ y + biases[1])
                    for y, s in zip(k, seen, strict=True)
                    if s
                ]
            ) / math.sqrt(len(x))
            values = torch.stack(
                [weights[2] @ y + biases[2] for y, s in zip(k, seen, strict=True) if s]
            )
            found.append(attention.out_proj(torch.softmax(scores, dim=0) @ values))
        state = query + torch.stack(found)
        return cast("Tensor", state + block.dense(state))

    def literal(inputs: Inputs, row: int) -> Tensor:
        steps, seen = {}, {}
        for m in features:
            length = inputs.values[m].shape[1]
            place = torch.tensor(
                [[f(t / 10000 ** (2 * k / 4)) for k in range(2) for f in (math.sin, math.cos)]
                 for t in range(length)],
                dtype=torch.float64,
            )  # fmt: skip
            steps[m] = built.project[m](inputs.values[m][row]) + place
            seen[m] = (inputs.steps[m][row] & inputs.present[m][row]).numpy()
        means = []
        for target, source in (("language", "acoustic"), ("acoustic", "language")):
            if not seen[target].any():
                means.append(torch.zeros(4, dtype=torch.float64))
                continue
            state = torch.zeros_like(steps[target])
            if seen[source].any():
                block = built.cross[target][source][0]
                state = attend(block, steps[target], steps[source], seen[source])
            state = attend(built.itself[target][0], state, state, seen[target])
            means.append(state[torch.from_numpy(seen[target])].mean(dim=0))
        return torch.cat(means)

    agree(built, literal, inputs_of(features))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("transformer", {"width": 30, "heads": 4}, "width is 30; expected a multiple of heads, 4"),
        ("mv_lstm", {"alpha": 0, "beta": 0}, "expected one above"),
    ],
)
def test_options_that_make_no_network_are_refused(
    name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        build(name, **options)
