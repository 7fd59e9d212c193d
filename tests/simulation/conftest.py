"""The sample, made once."""

from __future__ import annotations

import numpy as np
import pytest

from mfm_pipeline.simulation import (
    SampleOptions,
    simulate,
)
from tests.simulation.measures import MODALITIES, Arrays, segment_means


@pytest.fixture(scope="session")
def corpus() -> Arrays:
    return simulate(SampleOptions())


@pytest.fixture(scope="session")
def means(corpus: Arrays) -> dict[str, np.ndarray]:
    return {name: segment_means(corpus, sequence) for name, sequence in MODALITIES.items()}
