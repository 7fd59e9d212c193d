"""What is interpreted; checked before any node runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mfm_pipeline.interpretation import InformationOptions
from mfm_pipeline.options import Options

SplitName = Literal["train", "valid", "test"]


class FlowOptions(Options):
    """Gradient flow, Equation 13."""

    samples: Annotated[int, Field(ge=0)] | tuple[str, ...] = Field(
        3, description="Samples that have a figure: so many, or those with these ids."
    )
    page_samples: int = Field(2000, ge=1, description="Samples on the page, at most.")
    batch_size: int = Field(64, ge=1, description="Samples at once.")


class InterpretationOptions(Options):
    """What is interpreted."""

    seed: int = Field(0, ge=0, lt=2**31, description="Of subsamples, permutations, resamples.")
    split: SplitName = Field("test", description="The samples that are looked at.")
    information: InformationOptions = Field(InformationOptions(), description="Table 6.")
    flow: FlowOptions = Field(FlowOptions(), description="Figure 4.")
