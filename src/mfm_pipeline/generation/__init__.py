"""Generation from the factorized latents, and numbers for what is generated."""

from mfm_pipeline.generation.conditional import (
    generate,
    generate_given,
    generate_missing,
    infer_latents,
    interpolate,
    transfer_style,
)
from mfm_pipeline.generation.discrepancy import posterior_match
from mfm_pipeline.generation.observations import as_inputs, observing
from mfm_pipeline.generation.report import ScoreOptions, score_generation
from mfm_pipeline.generation.samplers import (
    SAMPLERS,
    Sampler,
    SamplerOptions,
    fit_samplers,
    from_arrays,
    to_arrays,
)
from mfm_pipeline.generation.scores import Judge

__all__ = [
    "SAMPLERS",
    "Judge",
    "Sampler",
    "SamplerOptions",
    "ScoreOptions",
    "as_inputs",
    "fit_samplers",
    "from_arrays",
    "generate",
    "generate_given",
    "generate_missing",
    "infer_latents",
    "interpolate",
    "observing",
    "posterior_match",
    "score_generation",
    "to_arrays",
    "transfer_style",
]
