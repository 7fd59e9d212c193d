"""Sums over all paths of hidden states of a chain, batched, with exact gradients.

Of a chain with potentials u_t(i) of being in state i at step t and v(i, j) of going from
state i to state j, the log partition is

    log Z = log sum_{h_1 .. h_L} exp(sum_t u_t(h_t) + sum_t v(h_t, h_{t+1})).

Its derivatives are the posteriors p(h_t = i), by u, and the expected numbers of transitions,
by v. The forward recursion runs on probabilities that are scaled at every step (Rabiner,
A Tutorial on Hidden Markov Models, 1989, Section V.A): one product of matrices a step for
all samples and chains, and no logarithm inside of the loop. The backward pass is the backward
recursion, and the expected transitions of all steps are one product. Where potentials are so
far apart that scaled probabilities could vanish, the recursion is done on logarithms.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mfm_pipeline.models.recurrent.dispatch import full_precision


def log_partition(unary: Tensor, transition: Tensor, lengths: Tensor) -> Tensor:
    """Return log Z of every sample and chain.

    Parameters
    ----------
    unary : Tensor, shape (T, C, n, S)
        u_t(i) of C chains over n samples of at most T steps; what lies behind a
        sample's last step is not read.
    transition : Tensor, shape (C, S, S)
        v(i, j) of each chain.
    lengths : Tensor of int64, shape (n,)
        Steps L of each sample.

    Returns
    -------
    Tensor, shape (C, n)
        0 where a sample has no steps.
    """
    behind = torch.arange(len(unary), device=unary.device)[:, None] >= lengths
    unary = unary.masked_fill(behind[:, None, :, None], 0)
    unary, transition = full_precision(unary, transition)
    with torch.autocast(unary.device.type, enabled=False):
        low, peak = unary.detach().aminmax(dim=3, keepdim=True)
        if not _can_be_scaled(peak - low, transition):
            return _on_logarithms(unary, transition, lengths)
        result: Tensor = _LogPartition.apply(unary, transition, lengths, peak)  # type: ignore[no-untyped-call]
        return result


class Posterior(NamedTuple):
    """What is known of the hidden states, given the observations.

    Attributes
    ----------
    log_partition : Tensor, shape (C, n)
    states : Tensor, shape (T, C, n, S)
        p(h_t = i); 0 behind a sample's last step.
    transitions : Tensor, shape (C, S, S)
        Expected number of transitions from i to j, over all samples.
    """

    log_partition: Tensor
    states: Tensor
    transitions: Tensor


def posterior(unary: Tensor, transition: Tensor, lengths: Tensor) -> Posterior:
    """Return the posterior of the hidden states; no gradient flows through it.

    Parameters are those of `log_partition`.
    """
    # Tensors that were made in inference mode take no part in autograd: copies do.
    with torch.inference_mode(False), torch.enable_grad():
        potentials = tuple(p.detach().clone().requires_grad_() for p in (unary, transition))
        value = log_partition(potentials[0], potentials[1], lengths.clone())
        states, transitions = torch.autograd.grad(value.sum(), potentials, materialize_grads=True)
    return Posterior(value.detach(), states, transitions)


def log_partition_and_states(
    unary: Tensor, transition: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return log Z, ``(C, n)``, and p(h_t = i), ``(T, C, n, S)``, by one forward recursion.

    Gradients flow through the first alone. Parameters are those of `log_partition`.
    """
    if not (torch.is_grad_enabled() and unary.requires_grad):
        return posterior(unary, transition, lengths)[:2]
    value = log_partition(unary, transition, lengths)
    (states,) = torch.autograd.grad(value.sum(), unary, retain_graph=True)
    return value, states


def _can_be_scaled(spread: Tensor, transition: Tensor) -> bool:
    """Return whether no scaled probability can vanish that counts.

    Probabilities of the states at one step are at most exp(U + V) apart, where U and V
    are the largest spreads of u_t over states and of v. Every term that is summed is such a
    probability, times exponential potentials that are as far apart.

    Parameters
    ----------
    spread : Tensor
        Of u_t, for every step.
    transition : Tensor, shape (C, S, S)
    """
    low, high = transition.aminmax()
    room = -math.log(torch.finfo(transition.dtype).tiny) - math.log(transition.shape[2]) - 1
    return bool(2 * (spread.amax() + high - low) < room)


def _on_logarithms(unary: Tensor, transition: Tensor, lengths: Tensor) -> Tensor:
    """Return log Z by `torch.logsumexp` at every step, for autograd to go back over."""
    forward = unary[0]
    for t in range(1, len(unary)):
        ahead = torch.logsumexp(forward[..., None] + transition[:, None], dim=2) + unary[t]
        forward = torch.where((t < lengths)[:, None], ahead, forward)
    return torch.logsumexp(forward, dim=2).masked_fill(lengths == 0, 0)


class _LogPartition(torch.autograd.Function):
    """The fast path: scaled forward probabilities, then the backward recursion."""

    @staticmethod
    def forward(
        ctx: Any, unary: Tensor, transition: Tensor, lengths: Tensor, peak: Tensor
    ) -> Tensor:
        steps = len(unary)
        emission = (unary - peak).exp_()
        top = transition.amax(dim=(1, 2))[:, None]
        matrix = (transition - top[:, :, None]).exp_()
        forward = torch.empty_like(emission)
        scale = emission.new_empty(*emission.shape[:3], 1)
        for t in range(steps):
            ahead = emission[t] if t == 0 else torch.bmm(forward[t - 1], matrix).mul_(emission[t])
            torch.sum(ahead, dim=2, keepdim=True, out=scale[t])
            torch.div(ahead, scale[t], out=forward[t])
        inside = torch.arange(steps, device=unary.device)[:, None] < lengths
        logs = (scale.log() + peak)[..., 0].masked_fill_(~inside[:, None], 0)
        ctx.save_for_backward(emission, matrix, forward, scale, inside)
        return logs.sum(dim=0) + top * (lengths - 1).clamp(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        emission, matrix, forward, scale, inside = ctx.saved_tensors
        within = inside[:, None, :, None].to(emission.dtype)
        outside = 1 - within
        back = emission * within / scale
        messages = torch.empty_like(back)
        messages[-1] = 1
        transposed = matrix.transpose(1, 2).contiguous()
        for t in range(len(emission) - 1, 0, -1):
            back[t] *= messages[t]
            # Behind a sample's last step the message is 1, as it is at the last.
            expected = outside[t].expand_as(back[t])
            torch.baddbmm(expected, back[t], transposed, out=messages[t - 1])
        weight = grad[:, :, None]
        states = (messages.mul_(forward)).mul_(within).mul_(weight)
        chains, size = matrix.shape[:2]
        left = forward[:-1].transpose(0, 1).reshape(chains, -1, size)
        right = (back[1:].mul_(weight)).transpose(0, 1).reshape(chains, -1, size)
        return states, torch.bmm(left.transpose(1, 2), right).mul_(matrix), None, None
