"""Where latents are drawn from when they are not inferred: P(Z), or a fit to train's.

Drawing from the prior is right as far as the aggregated posterior matches it; the
fitted samplers draw from what the encoders really yield. All of them are Gaussian
mixtures: the prior and the fitted Gaussian have one component.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from mfm_pipeline.errors import DataError
from mfm_pipeline.models.per_modality import (
    DEFAULT,
    NamePerModality,
    SizePerModality,
    value_for,
)
from mfm_pipeline.options import Options

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sampler:
    """A Gaussian mixture over one latent variable of size z.

    Parameters
    ----------
    weights : ndarray of float64, shape (k,)
        Of the components; they sum to 1.
    means : ndarray of float64, shape (k, z)
    covariances : ndarray of float64, shape (k, z, z)
        Positive semi-definite; a direction without variance stays constant.
    """

    weights: Floats
    means: Floats
    covariances: Floats

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n latents, ``(n, z)`` float32, on the device of `generator`."""
        device = generator.device
        weights = torch.from_numpy(self.weights).to(device)
        means = torch.from_numpy(self.means).to(device)
        component = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(
            n, means.shape[1], dtype=means.dtype, device=device, generator=generator
        )
        for k, root in enumerate(_square_roots(self.covariances)):
            drawn = component == k
            noise[drawn] = means[k] + noise[drawn] @ torch.from_numpy(root).to(device)
        return noise.float()


def to_arrays(samplers: Mapping[str, Sampler]) -> dict[str, Floats]:
    """Return the state of samplers as arrays by ``<latent>.<field>``."""
    return {
        f"{name}.{field}": array
        for name, sampler in samplers.items()
        for field, array in asdict(sampler).items()
    }


def from_arrays(arrays: Mapping[str, NDArray[np.floating]]) -> dict[str, Sampler]:
    """Return the samplers whose state `to_arrays` gave."""
    fields: dict[str, dict[str, Floats]] = {}
    for key, array in arrays.items():
        name, field = key.rsplit(".", 1)
        fields.setdefault(name, {})[field] = np.asarray(array, np.float64)
    return {name: Sampler(**state) for name, state in fields.items()}


def _prior(latents: Floats, components: int, seed: int) -> Sampler:
    size = latents.shape[1]
    return Sampler(np.ones(1), np.zeros((1, size)), np.eye(size)[None])


def _gaussian(latents: Floats, components: int, seed: int) -> Sampler:
    covariance = np.atleast_2d(np.cov(latents, rowvar=False))
    return Sampler(np.ones(1), latents.mean(axis=0, keepdims=True), covariance[None])


def _mixture(latents: Floats, components: int, seed: int) -> Sampler:
    mixture = GaussianMixture(components, max_iter=500, random_state=seed)
    with warnings.catch_warnings():
        # A density is had either way; the log says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(latents)
    if not mixture.converged_:
        log.info("Gaussian mixture still improves after %d iterations", mixture.n_iter_)
    return Sampler(mixture.weights_, mixture.means_, mixture.covariances_)


SAMPLERS: dict[str, Callable[[Floats, int, int], Sampler]] = {
    "prior": _prior,
    "gaussian": _gaussian,
    "mixture": _mixture,
}
"""From latents ``(n, z)``, number of components and seed to a fitted sampler, by name."""


class SamplerOptions(Options):
    """What latents are drawn from; one value, or one a latent.

    Latents are called ``discriminative`` (Zy) and by their modality (Zai).
    """

    sampler: NamePerModality = Field(
        default={DEFAULT: "prior"},
        description="N(0, I), or a Gaussian or a Gaussian mixture fitted to train's latents.",
    )
    components: SizePerModality = Field(
        default={DEFAULT: 10}, description="Components of each mixture."
    )

    @field_validator("sampler")
    @classmethod
    def _known_sampler(cls, sampler: dict[str, str]) -> dict[str, str]:
        for name in sampler.values():
            if name not in SAMPLERS:
                raise ValueError(f"unknown sampler '{name}'; expected one of {', '.join(SAMPLERS)}")
        return sampler


def fit_samplers(
    latents: Mapping[str, Tensor], options: SamplerOptions, *, seed: int = 0
) -> dict[str, Sampler]:
    """Fit the sampler that `options` choose for each latent.

    Parameters
    ----------
    latents : mapping of str to Tensor, shape (n, z)
        Of the training split, inferred from samples that have what the latent
        is inferred from.
    options : SamplerOptions
    seed : int
        Of the mixtures' initial components.

    Raises
    ------
    DataError
        If latents are not finite, all alike, or too few for the sampler.
    ParameterError
        If options have no value for a latent.
    """
    samplers = {}
    for name, values in latents.items():
        chosen = value_for(name, options.sampler, "sampler")
        components = value_for(name, options.components, "components")
        array = values.detach().cpu().numpy().astype(np.float64)
        if chosen != "prior":
            needed = array.shape[1] + 1
            _check(name, array, chosen, needed * components if chosen == "mixture" else needed)
        samplers[name] = SAMPLERS[chosen](array, components, seed)
    return samplers


def _check(name: str, latents: Floats, sampler: str, needed: int) -> None:
    if len(latents) < needed:
        raise DataError(
            f"sampler '{sampler}' of latent '{name}': found {len(latents)} samples; expected "
            f"{needed} or more to fit {latents.shape[1]} dimensions, or the sampler 'prior'"
        )
    if not np.isfinite(latents).all():
        bad = int((~np.isfinite(latents)).any(axis=1).sum())
        raise DataError(f"latent '{name}' of {bad} sample(s) is not finite")
    if (np.ptp(latents, axis=0) == 0).all():
        raise DataError(
            f"sampler '{sampler}' of latent '{name}': all {len(latents)} samples have the same "
            "latent; expected some spread, or the sampler 'prior'"
        )


def _square_roots(covariances: Floats) -> Floats:
    """Return symmetric square roots, ``(k, z, z)``, which exist without full rank too."""
    values, vectors = np.linalg.eigh(covariances)
    scaled = vectors * np.sqrt(values.clip(min=0))[:, None, :]
    return np.asarray(scaled @ vectors.swapaxes(1, 2))
