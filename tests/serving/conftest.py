"""A model with random weights, whose training data was selected and scaled."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mfm_pipeline.data import Corpus, Split
from mfm_pipeline.ingestion.options import ScalingOptions, SelectionOptions
from mfm_pipeline.models import Blueprint, ModelOptions
from mfm_pipeline.pipelines.ingest_features.nodes import (
    fit_scaling,
    fit_selection,
    scale_features,
)
from tests.conftest import MakeCorpus

OPTIONS = ModelOptions(
    discriminative={"heads": 4, "share": 0.5, "latent": 16, "factor": 16},
    generative={"latent": 8, "factor": 8, "decoder": 8},
)

Trained = tuple[dict[str, Any], Corpus, Corpus]


@pytest.fixture(scope="session")
def make_trained(make_corpus: MakeCorpus) -> Callable[..., Trained]:
    """Return a maker of a model's state, its corpus as aligned, and as it sees it."""

    def make(task: str = "regression", options: ModelOptions = OPTIONS) -> Trained:
        aligned = make_corpus(task=task, targets=2 if task == "multilabel" else 1)
        names = {"acoustic": ("pitch", "energy", "rate")}
        aligned = replace(aligned, features=names)
        # One acoustic feature of three goes, so that widths tell the two apart.
        selection = fit_selection(aligned, SelectionOptions(keep={"acoustic": 2}))
        scaling = fit_scaling(aligned, selection, ScalingOptions())
        scaled = scale_features(deepcopy(aligned), selection, scaling)
        torch.manual_seed(0)
        blueprint = Blueprint.of(scaled.train, options, scaled.preparation)
        model = blueprint.build().eval()
        if task == "regression":
            model.set_target_scale(1.0, 3.0)
        return blueprint.to_state(model), aligned, scaled

    return make


@pytest.fixture
def trained(make_trained: Callable[..., Trained]) -> Trained:
    return make_trained()


def records_of(split: Split) -> pd.DataFrame:
    """Write samples as nested lists, from their first step on."""
    mask = split.step_mask
    assert mask is not None
    rows: list[dict[str, Any]] = [
        {
            name: m.values[i][mask[i]].tolist() if m.present[i] else None
            for name, m in split.modalities.items()
        }
        for i in range(len(split))
    ]
    return pd.DataFrame(rows).assign(id=split.ids)


def numbers(table: pd.DataFrame) -> np.ndarray:
    """Return the numeric columns of predictions, null as NaN."""
    return table.filter(regex="^(predicted/|probability/|sd/|entropy)").to_numpy(dtype=np.float64)
