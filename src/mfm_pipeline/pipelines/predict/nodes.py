"""Nodes that predict new data by a trained model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from mfm_pipeline import evaluation
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.corpus import read_corpus
from mfm_pipeline.datasets.npz import read_arrays
from mfm_pipeline.datasets.raw_folder import RawFolder, RawFolderDataset
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.evaluation.predict import predictions_of
from mfm_pipeline.ingestion.arrays import split_of_arrays
from mfm_pipeline.ingestion.embed import embed_tokens
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.raw import NEW, ingest_new
from mfm_pipeline.pipelines.predict.options import PredictionOptions
from mfm_pipeline.serving import Predictor
from mfm_pipeline.serving.location import load_state

log = logging.getLogger(__name__)

State = dict[str, Any]


def choose_model(
    prediction: PredictionOptions, last_model: Path, last_surrogate: Path
) -> State:
    """Load the model that predicts; without one named, the last that was trained."""
    if prediction.model is not None:
        return load_state(prediction.model)
    if not last_model.exists():
        raise DataError(
            f"{last_model}: found no model; expected one that train_mfm left, or a run, URI or "
            "folder as prediction.model"
        )
    return load_state(last_model)
