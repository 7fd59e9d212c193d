"""Ratios ``r_i = MI(Fy, X̂i) / MI(Fai, X̂i)``, Table 6: whose information a modality is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import Split
from mfm_pipeline.errors import DataError
from mfm_pipeline.interpretation.evaluating import evaluating
from mfm_pipeline.interpretation.gak import alignment_kernel, median_step_distance
from mfm_pipeline.interpretation.hsic import (
    FEWEST,
    Dependence,
    centre,
    distance_kernel,
    median_distance,
    normalised_hsic,
    normalised_hsic_of,
)
from mfm_pipeline.interpretation.options import InformationOptions, KernelOptions
from mfm_pipeline.interpretation.resampling import (
    bootstrap_ratios,
    interval,
    permutation_p_value,
)
from mfm_pipeline.models import MFM, Inputs

Array = NDArray[np.float64]

MOSTLY_DIAGONAL = 0.5
"""Share of a Gram matrix's norm on its diagonal from which on the table says so."""


class Observations(NamedTuple):
    """What HSIC compares, of the samples that have a modality.

    Attributes
    ----------
    discriminative : ndarray, shape (n, fy)
        Fy.
    generative : ndarray, shape (n, fa)
        Fai of the modality.
    reconstruction : ndarray, shape (n, T, d) or (n, p)
        X̂i: a sequence, left-justified, or an image's pixels.
    lengths : ndarray of int64, shape (n,)
        Steps of each sequence; 1 of images.
    """

    discriminative: NDArray[np.float32]
    generative: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    lengths: NDArray[np.int64]

    @property
    def summary(self) -> NDArray[np.float32]:
        """X̂i without time, ``(n, p)``: the mean over a sample's own steps, Equation 11.

        The paper divides the sum over T steps by n, the letter of its samples; T is meant.
        """
        values = self.reconstruction
        if values.ndim == 2:
            return values
        steps = np.arange(values.shape[1]) < self.lengths[:, None]
        total = np.einsum("nt,ntd->nd", steps.astype(np.float32), values)
        return np.asarray(total / self.lengths[:, None], np.float32)


def observe(model: MFM, split: Split, *, batch_size: int = 256) -> dict[str, Observations]:
    """Infer the factors of a split and generate its modalities from them.

    Returns
    -------
    dict of str to Observations
        By modality that the model generates, in its order.
    """
    parts: dict[str, list[Observations]] = {name: [] for name in model.modalities}
    with evaluating(model), torch.inference_mode():
        for batch in Inputs.from_split(split).batches(batch_size):
            output = model(batch)
            for name, values in output.reconstructions.items():
                kept = batch.present[name]
                lengths = batch.lengths
                if values.dim() == 3:
                    kept = kept & (lengths > 0)
                else:
                    values, lengths = values.flatten(1), torch.ones_like(lengths)
                tensors = (
                    output.factors.discriminative,
                    output.factors.generative[name],
                    values,
                    lengths,
                )
                parts[name].append(Observations(*(tensor[kept].numpy() for tensor in tensors)))
    return {
        name: Observations(*(np.concatenate(values) for values in zip(*found, strict=True)))
        for name, found in parts.items()
    }


def information(
    observed: dict[str, Observations], options: InformationOptions, *, seed: int = 0
) -> pd.DataFrame:
    """Measure what Fy, and what its own Fai, has to do with each generated modality.

    Parameters
    ----------
    observed : dict of str to Observations
    options : InformationOptions
    seed : int
        Of subsamples, permutations and resamples.

    Returns
    -------
    DataFrame
        One row a kernel and modality: ``modality``, ``mi_discriminative`` and
        ``mi_generative`` (Equation 10), ``ratio`` with its interval ``ratio_low`` to
        ``ratio_high``, ``p_discriminative`` and ``p_generative`` (of independence),
        ``samples``, ``kernel``, ``bandwidth``, ``scale``, ``estimator``, ``time``,
        ``note``. Where HSIC is
        not defined, its number is missing and the note says why.

    Raises
    ------
    DataError
        If a modality has too few samples.
    """
    for name, found in observed.items():
        if len(found.lengths) < FEWEST:
            raise DataError(
                f"modality '{name}': found {len(found.lengths)} samples that have it; expected "
                f"at least {FEWEST} for HSIC"
            )
    rows = [
        {"modality": name, **_row(found, kernel, options, np.random.default_rng([seed, k]))}
        for kernel in options.kernels
        for k, (name, found) in enumerate(observed.items())
    ]
    return pd.DataFrame(rows)


class _Compared(NamedTuple):
    """Both dependences of a modality, and the centred Gram matrices of a subsample."""

    discriminative: Dependence
    generative: Dependence
    grams: tuple[Tensor, Tensor, Tensor]
    samples: int


def _row(
    found: Observations,
    kernel: KernelOptions,
    options: InformationOptions,
    rng: np.random.Generator,
) -> dict[str, Any]:
    with_time = kernel.time == "gak" and found.reconstruction.ndim == 3
    compared = (_with_time if with_time else _without_time)(found, kernel, options, rng)
    fy, fa, xhat = compared.grams
    mi_y, mi_a = compared.discriminative.value, compared.generative.value
    row: dict[str, Any] = {
        "mi_discriminative": mi_y,
        "mi_generative": mi_a,
        "ratio": mi_y / mi_a,
        "ratio_low": np.nan,
        "ratio_high": np.nan,
        "p_discriminative": np.nan,
        "p_generative": np.nan,
    }
    if not np.isnan(mi_y):
        row["p_discriminative"] = permutation_p_value(fy, xhat, options.permutations, rng)
    if not np.isnan(mi_a):
        row["p_generative"] = permutation_p_value(fa, xhat, options.permutations, rng)
    if not np.isnan(row["ratio"]):
        draws = bootstrap_ratios(fy, fa, xhat, options.resamples, rng)
        # A subsample's ratio varies more than that of all samples.
        own = normalised_hsic_of(fy, xhat).value / normalised_hsic_of(fa, xhat).value
        spread = np.sqrt(len(fy) / compared.samples)
        row["ratio_low"], row["ratio_high"] = interval(
            row["ratio"] + spread * (draws - own), options.level
        )
    return row | {
        "samples": compared.samples,
        "kernel": "gak" if with_time else "rbf",
        "bandwidth": str(kernel.bandwidth),
        "scale": kernel.scale,
        "estimator": kernel.estimator,
        "time": kernel.time if found.reconstruction.ndim == 3 else "none",
        "note": _note(compared),
    }


def _without_time(
    found: Observations,
    kernel: KernelOptions,
    options: InformationOptions,
    rng: np.random.Generator,
) -> _Compared:
    """Compare by the RBF kernel: Equation 10 of all samples, chance of a subsample."""
    sides = [
        _scaled(values, kernel)
        for values in (found.discriminative, found.generative, found.summary)
    ]
    widths = [_bandwidth(values, kernel, rng) for values in sides]
    fy, fa, xhat = zip(sides, widths, strict=True)
    chosen = _subsample(len(found.lengths), options.subsample, rng)
    grams = [
        centre(distance_kernel(values[chosen], width), unbiased=kernel.unbiased)
        for values, width in zip(sides, widths, strict=True)
    ]
    return _Compared(
        normalised_hsic(fy[0], xhat[0], (fy[1], xhat[1]), unbiased=kernel.unbiased),
        normalised_hsic(fa[0], xhat[0], (fa[1], xhat[1]), unbiased=kernel.unbiased),
        (grams[0], grams[1], grams[2]),
        len(found.lengths),
    )


def _with_time(
    found: Observations,
    kernel: KernelOptions,
    options: InformationOptions,
    rng: np.random.Generator,
) -> _Compared:
    """Compare sequences by the Global Alignment Kernel, a subsample alone."""
    chosen = _subsample(len(found.lengths), options.subsample, rng)
    lengths = torch.from_numpy(found.lengths[chosen])
    sequences = found.reconstruction[chosen]
    if kernel.scale == "standard":
        steps = np.arange(sequences.shape[1]) < found.lengths[chosen][:, None]
        center, spread = _moments(sequences[steps])
        sequences = ((sequences - center) / spread).astype(np.float32)
    tensor = torch.from_numpy(sequences)
    if kernel.bandwidth == "median":
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        width = median_step_distance(tensor, lengths, generator)
    else:
        width = kernel.bandwidth
    xhat = centre(alignment_kernel(tensor, lengths, width), unbiased=kernel.unbiased)
    factors = []
    for values in (found.discriminative, found.generative):
        scaled = _scaled(values[chosen], kernel)
        gram = distance_kernel(scaled, _bandwidth(scaled, kernel, rng))
        factors.append(centre(gram, unbiased=kernel.unbiased))
    fy, fa = factors
    return _Compared(
        normalised_hsic_of(fy, xhat), normalised_hsic_of(fa, xhat), (fy, fa, xhat), len(chosen)
    )


def _scaled(values: NDArray[np.float32], kernel: KernelOptions) -> NDArray[np.float32]:
    """Return features of unit variance; those that do not vary become zero."""
    if kernel.scale == "none":
        return values
    center, spread = _moments(values)
    return ((values - center) / spread).astype(np.float32)


def _moments(values: NDArray[np.float32]) -> tuple[Array, Array]:
    center = values.mean(axis=0, dtype=np.float64)
    spread = values.std(axis=0, dtype=np.float64)
    constant = spread <= 1e-6 * np.maximum(np.abs(center), 1e-6)
    return center, np.where(constant, np.inf, spread)


def _bandwidth(
    values: NDArray[np.float32], kernel: KernelOptions, rng: np.random.Generator
) -> float:
    return median_distance(values, rng) if kernel.bandwidth == "median" else kernel.bandwidth


def _subsample(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))


def _note(compared: _Compared) -> str:
    """Say what a reader has to know before he takes a row for what it looks like."""
    found = {"Fy": compared.discriminative, "Fa": compared.generative}
    notes = [
        f"HSIC with {name} is not defined: it or the modality does not vary"
        for name, of in found.items()
        if np.isnan(of.value)
    ]
    narrow = [
        f"{of.diagonal:.0%} with {name}"
        for name, of in found.items()
        if of.diagonal > MOSTLY_DIAGONAL
    ]
    if narrow:
        notes.append(f"too narrow a kernel: HSIC is samples' likeness to themselves, {narrow[0]}")
        notes[-1] += "".join(f", {other}" for other in narrow[1:])
    return "; ".join(notes)
