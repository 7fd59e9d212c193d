"""A trained model as MLflow serves it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array

import mfm_pipeline
from mfm_pipeline.datasets.weights import WeightsDataset, read_state
from mfm_pipeline.serving.location import LOADER, NAME
from mfm_pipeline.serving.predictor import Predictor, says_preparation
from mfm_pipeline.serving.records import ID, split_of_records

log = logging.getLogger(__name__)

_BATCH = 256
"""Samples predicted at once."""


class PyfuncModel:
    """What `mlflow.pyfunc` calls.

    It takes aligned features, as ingestion leaves them before selection and scaling, which
    the model carries: see `predict`.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict one row a sample.

        Parameters
        ----------
        model_input : DataFrame
            A column a modality, of nested lists: steps × features, or channels × rows ×
            columns of an image, 0 to 255. A column may be missing, as may a modality of a
            sample (null, or an empty list) or a step of one (null, or all zero). Steps of
            the modalities of a sample are aligned, so it has as many of each; of more than
            the model was trained on, the last count. Optional: a column ``id``. As JSON,
            send ``dataframe_split`` or ``dataframe_records``; of ``instances`` MLflow makes
            arrays, which cannot be null.
        params : mapping, optional
            None are known.

        Returns
        -------
        DataFrame
            As `mfm_pipeline.evaluation.predict.predict_split` returns it.

        Raises
        ------
        DataError
            If features do not match those that the model was trained on.
        """
        split = split_of_records(model_input, self._predictor.shapes)
        self._predictor.check(split, {})
        table = self._predictor.predict(self._predictor.prepare(split), _BATCH)
        for name in table.columns[table.isna().any()]:
            # JSON knows no NaN.
            table[name] = table[name].astype(object).where(table[name].notna(), None)
        return table

    def example(self) -> pd.DataFrame:
        """Return two samples as `predict` takes them, of which one lacks a modality."""
        shapes = self._predictor.shapes
        ones = {
            name: np.ones((2, *shape)).tolist() if len(shape) == 1 else np.ones(shape, int).tolist()
            for name, shape in shapes.items()
        }
        rows = [ones, ones | {next(iter(shapes)): None}]
        return pd.DataFrame(rows).assign(id=["first", "second"])

    def signature(self, example: pd.DataFrame) -> ModelSignature:
        """Return which columns `predict` takes and gives; all that it takes are optional."""
        inputs: list[ColSpec | TensorSpec] = []
        for name, shape in self._predictor.shapes.items():
            nested: Any = Array(Array(DataType.double))
            if len(shape) == 3:  # Bytes of an image.
                nested = Array(Array(Array(DataType.long)))
            inputs.append(ColSpec(nested, name, required=False))
        table = self.predict(example)
        text = {ID, "predicted_by", "observed", "predicted"}
        outputs: list[ColSpec | TensorSpec] = [
            ColSpec(DataType.string if name in text else DataType.double, name, required=False)
            for name in map(str, table)
        ]
        inputs.append(ColSpec(DataType.string, ID, required=False))
        return ModelSignature(Schema(inputs), Schema(outputs))


def _load_pyfunc(path: str) -> PyfuncModel:
    """Return the model in a folder; `mlflow.pyfunc` calls this."""
    return PyfuncModel(Predictor.from_state(read_state(Path(path))))


def log_model(state: Mapping[str, Any], name: str = NAME) -> str | None:
    """Log a trained model to the active MLflow run, so that it can be served.

    Its weights are safetensors and its description JSON: `mlflow.pyfunc.load_model` and
    ``mlflow models serve --env-manager local`` unpickle nothing, and need this project to
    be installed.

    Parameters
    ----------
    state : mapping
        What a training left, as `WeightsDataset` takes it.
    name : str
        Of the model in its run.

    Returns
    -------
    str or None
        Its URI; None, and nothing is logged, without an active run, or of a model of before
        it was kept how features were scaled.
    """
    if mlflow.active_run() is None:
        return None
    if not says_preparation(state):
        log.warning("the model is not in MLflow: it does not say how its features were scaled")
        return None
    served = PyfuncModel(Predictor.from_state(dict(state)))
    example = served.example()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "mfm"
        WeightsDataset(path=str(folder)).save(dict(state))
        logged = mlflow.pyfunc.log_model(
            name=name,
            loader_module=LOADER,
            data_path=str(folder),
            signature=served.signature(example),
            input_example=example,
            pip_requirements=[f"{mfm_pipeline.__name__}=={mfm_pipeline.__version__}"],
        )
    return str(logged.model_uri)
