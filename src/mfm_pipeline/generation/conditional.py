"""Conditional generation, Figure 2(c): some latents given, the others drawn.

Everything here is by name: latents are ``discriminative`` (Zy) and one a modality
(Zai). Nothing but the result grows with the number of samples; results are on the CPU.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.generation.observations import observing
from mfm_pipeline.generation.samplers import Sampler
from mfm_pipeline.models import MFM, Inputs
from mfm_pipeline.models.completed import Complete, complete
from mfm_pipeline.models.mfm import DISCRIMINATIVE

BATCH_SIZE = 256


def infer_latents(
    model: MFM,
    inputs: Inputs,
    *,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Tensor]:
    """Infer every latent, Equation 3.

    Parameters
    ----------
    model : MFM
    inputs : Inputs
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (n, z)
        A Zai of a sample without the modality says nothing.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in model.latents}
    with _generating(model) as device:
        for batch in inputs.batches(batch_size):
            for name, latent in model.encode(batch.to(device)).items():
                parts[name].append(latent.sample.cpu())
    return {name: torch.cat(tensors) for name, tensors in parts.items()}


def generate(
    model: MFM, latents: Mapping[str, Tensor], *, batch_size: int = BATCH_SIZE
) -> dict[str, Tensor]:
    """Generate the modalities whose Zai are in `latents`, Equation 2.

    Parameters
    ----------
    model : MFM
    latents : mapping of str to Tensor, shape (n, z)
        Zy, and the Zai of one or more modalities.
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (n, T, d) or (n, C, H, W)

    Raises
    ------
    ParameterError
        If Zy is missing, there is no Zai, or a latent is not one of the model's.
    """
    _check_known(model, latents)
    if DISCRIMINATIVE not in latents or len(latents) < 2:
        raise ParameterError(
            f"latents are {', '.join(latents) or 'none'}; "
            f"expected '{DISCRIMINATIVE}' and one or more modalities"
        )
    n = len(latents[DISCRIMINATIVE])
    generated: dict[str, Tensor] = {}
    with _generating(model) as device:
        for positions in torch.split(torch.arange(n), batch_size):
            batch = {name: latent[positions].to(device) for name, latent in latents.items()}
            for name, values in model.decode(model.factorize(batch)).items():
                if name not in generated:
                    generated[name] = torch.empty(n, *values.shape[1:], dtype=values.dtype)
                generated[name][positions] = values.cpu()
    return generated


def generate_given(
    model: MFM,
    given: Mapping[str, Tensor],
    samplers: Mapping[str, Sampler],
    draws: int,
    *,
    generator: torch.Generator,
    modalities: Collection[str] | None = None,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Tensor]:
    """Fix some latents and draw the others.

    Parameters
    ----------
    model : MFM
    given : mapping of str to Tensor, shape (m, z)
        The fixed ones. If there are none, all modalities are drawn jointly, with
        m = 1.
    samplers : mapping of str to Sampler
        Of the latents that are drawn.
    draws : int
        Draws r for each of the m.
    generator : torch.Generator
    modalities : collection of str, optional
        What to generate; all by default.
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (m, r, ...)

    Raises
    ------
    ParameterError
        If a latent is not one of the model's, has no sampler, or `given` differ in
        length.
    """
    names = model.modalities if modalities is None else tuple(modalities)
    _check_known(model, (*given, *names))
    lengths = {len(latent) for latent in given.values()} or {1}
    if len(lengths) > 1:
        found = ", ".join(f"{len(latent)} of '{name}'" for name, latent in given.items())
        raise ParameterError(f"given latents: {found}; expected as many of each")
    (m,) = lengths
    latents = {}
    for name in (DISCRIMINATIVE, *names):
        if name in given:
            latents[name] = given[name].repeat_interleave(draws, dim=0)
        elif name in samplers:
            latents[name] = samplers[name].sample(m * draws, generator)
        else:
            raise ParameterError(f"latent '{name}' is neither given nor has it a sampler")
    return _grid(generate(model, latents, batch_size=batch_size), m, draws)


def transfer_style(
    model: MFM,
    content: Tensor,
    styles: Mapping[str, Tensor],
    *,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Tensor]:
    """Cross the Zy of some samples with the Zai of others.

    Parameters
    ----------
    model : MFM
    content : Tensor, shape (m, z)
        Zy of each row.
    styles : mapping of str to Tensor, shape (s, z)
        Zai of each column, of one or more modalities.
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (m, s, ...)
    """
    m, s = len(content), len(next(iter(styles.values())))
    latents = {name: style.repeat(m, 1) for name, style in styles.items()}
    latents[DISCRIMINATIVE] = content.repeat_interleave(s, dim=0)
    return _grid(generate(model, latents, batch_size=batch_size), m, s)


def interpolate(
    model: MFM,
    start: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
    steps: int,
    *,
    along: Collection[str],
    batch_size: int = BATCH_SIZE,
) -> dict[str, Tensor]:
    """Go from one sample to another on a straight line in some latents.

    Parameters
    ----------
    model : MFM
    start, end : mapping of str to Tensor, shape (n, z)
        Latents of the samples at either end, as `infer_latents` gives them.
    steps : int
        Points on the way, with both ends.
    along : collection of str
        Latents that change; the others stay as they are in `start`.
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (n, steps, ...)

    Raises
    ------
    ParameterError
        If a latent is not one of the model's.
    """
    _check_known(model, along)
    n = len(start[DISCRIMINATIVE])
    way = torch.linspace(0, 1, steps)[:, None]
    latents = {
        name: torch.lerp(
            latent[:, None], (end[name] if name in along else latent)[:, None], way
        ).flatten(0, 1)
        for name, latent in start.items()
    }
    return _grid(generate(model, latents, batch_size=batch_size), n, steps)


def generate_missing(
    model: MFM,
    inputs: Inputs,
    observed: Collection[str],
    samplers: Mapping[str, Sampler],
    draws: int,
    *,
    generator: torch.Generator,
    infer: Complete | None = None,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Tensor]:
    """Generate the modalities that are not observed from those that are, through Zy.

    Zy is inferred as if the samples had nothing but the observed modalities; the Zai
    of the others are drawn.

    Parameters
    ----------
    model : MFM
    inputs : Inputs
        Samples that have the observed modalities; what else they have is not read.
    observed : collection of str
        One modality or more, but not all.
    samplers : mapping of str to Sampler
    draws : int
        Draws r for each sample.
    generator : torch.Generator
    infer : callable, optional
        What infers Zy of samples that lack modalities, as surrogate inference does
        (Section 2.3); by default the model itself, told what is absent.
    batch_size : int

    Returns
    -------
    dict of str to Tensor, shape (n, r, ...)
        The modalities that are not in `observed`.

    Raises
    ------
    ParameterError
        If `observed` are none or all of the modalities, or something else.
    """
    missing = [name for name in model.modalities if name not in observed]
    if not missing:
        raise ParameterError(
            f"observed modalities are all of {', '.join(observed)}; expected one to be missing"
        )
    parts: list[Tensor] = []
    with _generating(model) as device:
        for batch in inputs.batches(batch_size):
            seen = observing(batch, observed).to(device)
            inferred = complete(model, seen) if infer is None else infer(seen)
            parts.append(inferred.latents[DISCRIMINATIVE].cpu())
    return generate_given(
        model,
        {DISCRIMINATIVE: torch.cat(parts)},
        samplers,
        draws,
        generator=generator,
        modalities=missing,
        batch_size=batch_size,
    )


@contextmanager
def _generating(model: MFM) -> Iterator[torch.device]:
    """Turn dropout and gradients off, and yield the model's device."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield model.target_center.device
    finally:
        model.train(training)


def _grid(generated: Mapping[str, Tensor], rows: int, columns: int) -> dict[str, Tensor]:
    return {
        name: values.reshape(rows, columns, *values.shape[1:]) for name, values in generated.items()
    }


def _check_known(model: MFM, names: Collection[str]) -> None:
    for name in names:
        if name not in model.latents:
            raise ParameterError(
                f"'{name}' is not a latent; expected some of {', '.join(model.latents)}"
            )
