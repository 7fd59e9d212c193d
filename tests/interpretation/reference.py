"""Equations 10 and 13, and the Global Alignment Kernel, as they are written."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from mfm_pipeline.models.modality import Decoder


def literal_gram(x: np.ndarray, bandwidth: float) -> np.ndarray:
    rows = x.reshape(len(x), -1).astype(np.float64)
    return np.array(
        [[math.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2)) for b in rows] for a in rows]
    )


def literal_hsic(gram: np.ndarray, other: np.ndarray) -> float:
    """Equation 10 with its centring matrix."""
    h = np.eye(len(gram)) - 1 / len(gram)
    trace = np.trace(gram @ h @ other @ h)
    return float(trace / (np.linalg.norm(h @ gram @ h) * np.linalg.norm(h @ other @ h)))


def literal_unbiased_hsic(gram: np.ndarray, other: np.ndarray) -> float:
    """The estimator of Song et al. (2012, Equation 5), normalised as Equation 10 is."""

    def estimate(a: np.ndarray, b: np.ndarray) -> float:
        n = len(a)
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        one = np.ones(n)
        middle = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
        last = 2 / (n - 2) * (one @ a @ b @ one)
        return float((np.trace(a @ b) + middle - last) / (n * (n - 3)))

    norms = estimate(gram, gram) * estimate(other, other)
    return estimate(gram, other) / math.sqrt(norms)


def literal_alignment(a: np.ndarray, b: np.ndarray, bandwidth: float) -> float:
    """The logarithm of the sum over alignments, by its recursion, without logarithms."""

    def local(i: int, j: int) -> float:
        e = math.exp(-float(((a[i] - b[j]) ** 2).sum()) / (2 * bandwidth**2))
        return e / (2 - e)

    @cache
    def sums(i: int, j: int) -> float:
        if i == 0 and j == 0:
            return 1.0
        if i == 0 or j == 0:
            return 0.0
        return local(i - 1, j - 1) * (sums(i - 1, j - 1) + sums(i - 1, j) + sums(i, j - 1))

    return math.log(sums(len(a), len(b)))


def literal_flow(
    decoder: Decoder, discriminative: Tensor, generative: Tensor, steps: int
) -> Tensor:
    """Equation 13 by a backward pass for each step and feature."""
    factor = discriminative.detach().clone().requires_grad_()
    generated = decoder(factor, generative, steps)
    if generated.dim() == 4:
        generated = generated.flatten(1)[:, None]
    flow = torch.zeros(generated.shape[:2], dtype=factor.dtype)
    for t in range(generated.shape[1]):
        for k in range(generated.shape[2]):
            (gradient,) = torch.autograd.grad(generated[:, t, k].sum(), factor, retain_graph=True)
            flow[:, t] += gradient.square().sum(dim=1)
    return flow
