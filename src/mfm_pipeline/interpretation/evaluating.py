"""A model as it predicts: without dropout and noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mfm_pipeline.models import MFM


@contextmanager
def evaluating(model: MFM) -> Iterator[None]:
    """Put a model into evaluation mode, and back as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
