"""Deep fusion encoders, sample by sample and step by step, as their papers' equations go.

Written to be read, not to be fast: each takes the parameters of the package's module and one
sample, cut to its own steps. `multi_attention` and `stacked_lstms` take a batch of samples of
one length as well, whose values are ``(T, n, d)``, for the benchmarks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from mfm_pipeline.models import Inputs
from mfm_pipeline.models.fusion.df import DeepFusion
from mfm_pipeline.models.fusion.ef_lstm import DeepEarlyFusionLSTM
from mfm_pipeline.models.fusion.marn import MultiAttentionRecurrentNetwork
from mfm_pipeline.models.fusion.mv_lstm import MultiViewLSTM
from mfm_pipeline.models.fusion.tfn import TensorFusionNetwork
from mfm_pipeline.models.fusion.transformer import AttentionBlocks, CrossmodalTransformer, Norms
from mfm_pipeline.models.grouped import GroupedLinear


@dataclass
class Sample:
    """One sample: values ``(T, d)`` of its own T steps, zero where nothing was observed."""

    values: dict[str, Tensor]
    steps: dict[str, Tensor]
    present: dict[str, bool]
    alone: Inputs
    """The same as a batch of one."""

    @property
    def length(self) -> int:
        return len(next(iter(self.values.values())))


def samples(inputs: Inputs) -> Iterator[Sample]:
    for row, length in enumerate(inputs.lengths.tolist()):
        yield Sample(
            {name: x[row, :length] for name, x in inputs.values.items()},
            {name: x[row, :length] for name, x in inputs.steps.items()},
            {name: bool(x[row]) for name, x in inputs.present.items()},
            inputs[torch.tensor([row])],
        )


def literally(reference: Callable[..., Tensor], module: nn.Module, inputs: Inputs) -> Tensor:
    """Return the states of all samples, ``(n, size)``, one after the other."""
    return torch.stack([reference(module, sample) for sample in samples(inputs)])


def softmax(scores: Tensor) -> Tensor:
    powers = torch.exp(scores)
    return powers / powers.sum(dim=-1, keepdim=True)


def deep_fusion(module: DeepFusion, sample: Sample) -> Tensor:
    """DF: every layer relu(W x + b)."""
    found = []
    for name, network in module.networks.items():
        if not sample.present[name]:
            found.append(torch.zeros_like(network[3].bias))
            continue
        state = module.statistics[name](sample.alone)[0]
        for layer in (network[0], network[3]):
            state = torch.relu(layer.weight @ state + layer.bias)
        found.append(state)
    layer = module.fusion[0]
    return torch.relu(layer.weight @ torch.cat(found) + layer.bias)


def tensor_fusion(module: TensorFusionNetwork, sample: Sample) -> Tensor:
    """TFN: every product of one entry of each [z, 1]; two layers over them."""
    longer = []
    for name, encoder in module.encoders.items():
        state = encoder(sample.alone)[0]
        for layer in (module.embeddings[name][0], module.embeddings[name][3]):
            state = torch.relu(layer.weight @ state + layer.bias)
        if not sample.present[name]:
            state = torch.zeros_like(state)
        longer.append(torch.cat([state, torch.ones(1, dtype=state.dtype)]))
    state = torch.stack([torch.stack(entries).prod() for entries in product(*longer)])
    for layer in (module.layers[0], module.layers[3]):
        state = torch.relu(layer.weight @ state + layer.bias)
    return state


def multi_attention(module: MultiAttentionRecurrentNetwork, sample: Sample) -> Tensor:
    """MARN: LSTHMs, K attentions over all hidden states, the code."""
    bias = module.merge[0].bias
    code = bias.new_zeros(module.code)
    h = {name: bias.new_zeros(size) for name, size in module.units.items()}
    c = dict(h)
    for t in range(sample.length):
        for name in h:
            into = module.inputs[name]
            gates = sample.values[name][t] @ into.weight.T + into.bias
            gates = gates + h[name] @ module.hidden_weights[name].T
            gates = gates + code @ module.code_weights[name].T
            i, f, o, g = gates.chunk(4, dim=-1)
            c[name] = torch.sigmoid(f) * c[name] + torch.sigmoid(i) * torch.tanh(g)
            h[name] = torch.sigmoid(o) * torch.tanh(c[name])
            if not sample.present[name]:
                h[name] = torch.zeros_like(h[name])
        everything = torch.cat(list(h.values()), dim=-1)
        weights = module.attention.weight.chunk(module.attentions)
        biases = module.attention.bias.chunk(module.attentions)
        found: dict[str, list[Tensor]] = {name: [] for name in h}
        for weight, b in zip(weights, biases, strict=True):
            attended = softmax(everything @ weight.T + b) * everything
            parts = attended.split(list(module.units.values()), dim=-1)
            for name, part in zip(h, parts, strict=True):
                found[name].append(part)
        reduced = []
        for name, parts in found.items():
            layer = module.reduce[name]
            reduced.append(torch.relu(torch.cat(parts, dim=-1) @ layer.weight.T + layer.bias))
        first, last = module.merge[0], module.merge[3]
        inner = torch.relu(torch.cat(reduced, dim=-1) @ first.weight.T + first.bias)
        code = torch.tanh(inner @ last.weight.T + last.bias)
    return torch.cat([*h.values(), code], dim=-1)


def multi_view(module: MultiViewLSTM, sample: Sample, alpha: float, beta: float) -> Tensor:
    """MV-LSTM: unit by unit, each from the connections it has.

    Its weights are taken in order: gate by gate, unit by unit, from what it is connected to.
    """
    names, units = list(module.units), list(module.units.values())
    cells = [(view, unit) for view, size in enumerate(units) for unit in range(size)]
    inputs, recurrent = iter(module.weight_ih), iter(module.weight_hh)
    into, between, bias = {}, {}, {}
    for k, (gate, (view, unit)) in enumerate(product("ifgo", cells)):
        key = gate, view, unit
        features = sample.values[names[view]].shape[1]
        into[key] = torch.stack([next(inputs) for _ in range(features)])
        between[key] = []
        for column, (other, _) in enumerate(cells):
            size = units[view]
            own = other == view and unit < math.ceil(alpha * size)
            across = other != view and unit >= size - math.ceil(beta * size)
            if own or across:
                between[key].append((column, next(recurrent)))
        bias[key] = module.bias[k]
    assert next(inputs, None) is None
    assert next(recurrent, None) is None
    zero = module.bias.new_zeros(())
    h = c = [zero] * len(cells)
    for t in range(sample.length):
        new_h, new_c = [], []
        for k, (view, unit) in enumerate(cells):
            gates = {}
            for gate in "ifgo":
                key = gate, view, unit
                pre = bias[key] + into[key] @ sample.values[names[view]][t]
                gates[gate] = pre + sum(w * h[column] for column, w in between[key])
            i, f, o = (torch.sigmoid(gates[gate]) for gate in "ifo")
            new_c.append(f * c[k] + i * torch.tanh(gates["g"]))
            new_h.append(o * torch.tanh(new_c[k]))
        h, c = new_h, new_c
    return torch.stack(
        [
            one if sample.present[names[view]] else zero
            for one, (view, _) in zip(h, cells, strict=True)
        ]
    )


def stacked_lstms(module: DeepEarlyFusionLSTM, sample: Sample) -> Tensor:
    """EF-SLSTM, EF-BLSTM, EF-SBLSTM: layer by layer, direction by direction, step by step."""
    if sample.length == 0:
        return module.layers[0][0].bias_ih.new_zeros(module.size)
    sequence = list(torch.cat([sample.values[name] for name in module.modalities], dim=-1))
    for layer in module.layers:
        ways = []
        for backwards, lstm in enumerate(layer):
            h = c = lstm.bias_ih.new_zeros(lstm.size)
            states = []
            for x in reversed(sequence) if backwards else sequence:
                gates = x @ lstm.weight_ih.T + lstm.bias_ih + h @ lstm.weight_hh.T + lstm.bias_hh
                i, f, g, o = gates.chunk(4, dim=-1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                states.append(h)
            last = h
            ways.append((states[::-1] if backwards else states, last))
        sequence = [
            torch.cat(step, dim=-1) for step in zip(*(states for states, _ in ways), strict=True)
        ]
    return torch.cat([last for _, last in ways], dim=-1)


def normalised(norm: Norms, which: int, x: Tensor) -> Tensor:
    centred = x - x.mean()
    spread = torch.sqrt(centred.square().mean() + 1e-5)
    return norm.weight[which, 0, 0] * centred / spread + norm.bias[which, 0, 0]


def attention_block(
    blocks: AttentionBlocks, which: int, target: list[Tensor], source: list[Tensor]
) -> list[Tensor]:
    """Softmax(Q K' / sqrt(d)) V, head by head and step by step, and a dense layer."""

    def through(layer: GroupedLinear, x: Tensor) -> Tensor:
        return x @ layer.weight[which] + layer.bias[which, 0]

    keys, values = [], []
    for x in source:
        key, value = through(blocks.key_value, normalised(blocks.norm, which, x)).chunk(2)
        keys.append(key)
        values.append(value)
    size = len(target[0]) // blocks.heads
    result = []
    for x in target:
        query = through(blocks.query, normalised(blocks.norm, which, x))
        found = []
        for head in range(blocks.heads):
            at = slice(head * size, (head + 1) * size)
            weights = softmax(torch.stack([query[at] @ key[at] for key in keys]) / math.sqrt(size))
            found.append(sum(w * value[at] for w, value in zip(weights, values, strict=True)))
        state = x + through(blocks.output, torch.cat(found))
        inner = torch.relu(through(blocks.inner, normalised(blocks.dense_norm, which, state)))
        result.append(state + through(blocks.outer, inner))
    return result


def crossmodal(module: CrossmodalTransformer, sample: Sample) -> Tensor:
    """MulT over the steps that were observed, and no others."""
    steps: dict[str, list[Tensor]] = {}
    for name, project in module.project.items():
        width = project.out_features
        steps[name] = []
        for t in range(sample.length):
            if not (sample.present[name] and sample.steps[name][t]):
                continue
            place = [
                (math.cos if k % 2 else math.sin)(t / 10000 ** (k // 2 * 2 / width))
                for k in range(width)
            ]
            values = project.weight @ sample.values[name][t] + project.bias
            steps[name].append(values + torch.tensor(place, dtype=values.dtype))
    names = list(module.project)
    wide = width * (len(names) - 1)
    pairs = [(target, source) for target in names for source in names if source != target]
    means = []
    for k, target in enumerate(names):
        if not steps[target]:
            means.append(torch.zeros(wide, dtype=module.project[target].bias.dtype))
            continue
        found = []
        for which, (one, source) in enumerate(pairs):
            if one != target:
                continue
            state = steps[target]
            if not steps[source]:
                found.append([torch.zeros_like(x) for x in state])
                continue
            for blocks in module.cross:
                state = attention_block(blocks, which, state, steps[source])
            found.append(state)
        state = [torch.cat(parts) for parts in zip(*found, strict=True)]
        for blocks in module.itself:
            state = attention_block(blocks, k, state, state)
        means.append(torch.stack(state).mean(dim=0))
    return torch.cat(means)
