"""Where a trained model lies: an MLflow run, a model URI, or a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.pyfunc import DATA, FLAVOR_NAME, MAIN

from mfm_pipeline.datasets.weights import DESCRIPTION, read_state
from mfm_pipeline.errors import DataError
from mfm_pipeline.serving.predictor import Predictor

# Of a handful of small files.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

LOADER = "mfm_pipeline.serving"
"""Module that `mlflow.pyfunc` loads models of this project by."""

NAME = "model"
"""What a model is called in the MLflow run that trained it."""

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:/")
_EXPECTED = (
    "expected the id of an MLflow run that trained a model, a URI (runs:/ID/model, models:/...), "
    "or a folder with a model"
)


def load_predictor(where: str | Path) -> Predictor:
    """Load a trained model; nothing is unpickled.

    Parameters
    ----------
    where : str or Path
        Id of the MLflow run that trained it, a URI of MLflow, or a folder: one that
        training left, or one of MLflow's.

    Raises
    ------
    DataError
        If there is no such run, URI or folder, or no model of this project in it.
    """
    return Predictor.from_state(load_state(where))


def load_state(where: str | Path) -> dict[str, Any]:
    """Load description and weights of a model; see `load_predictor`."""
    text = str(where)
    if _URI.match(text):
        folder = _download(text, text)
    elif Path(text).is_dir():
        folder = Path(text)
    elif _RUN_ID.fullmatch(text):
        folder = _download(_uri_of(text), f"MLflow run {text}")
    else:
        raise DataError(f"model '{text}': found no such folder; {_EXPECTED}")
    if not (folder / DESCRIPTION).exists():
        folder = _data_of(folder, text)
    return read_state(folder)


def _uri_of(run_id: str) -> str:
    """Return the URI of the model that a run logged; the last, if it logged several."""
    at = mlflow.get_tracking_uri()
    try:
        run = mlflow.get_run(run_id)
    except MlflowException as error:
        raise DataError(f"MLflow run {run_id}: found no such run at {at}; {_EXPECTED}") from error
    models = run.outputs.model_outputs if run.outputs else []
    if not models:
        raise DataError(f"MLflow run {run_id}: found no model in it at {at}; {_EXPECTED}")
    return f"models:/{models[-1].model_id}"


def _download(uri: str, told: str) -> Path:
    try:
        return Path(mlflow.artifacts.download_artifacts(uri))
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"model '{told}': cannot be loaded from {mlflow.get_tracking_uri()}: {reason}; "
            f"{_EXPECTED}"
        ) from error


def _data_of(folder: Path, told: str) -> Path:
    """Return where a model of MLflow's keeps what is the project's own.

    Raises
    ------
    DataError
        If it is none, or not of this project; that names models in folders inside it.
    """
    if inside := sorted(str(path.parent) for path in folder.glob(f"*/{DESCRIPTION}")):
        raise DataError(
            f"model '{told}': found a folder of several; expected one model: {', '.join(inside)}"
        )
    try:
        flavor = Model.load(str(folder)).flavors.get(FLAVOR_NAME, {})
    except (MlflowException, OSError) as error:
        raise DataError(f"model '{told}': found no model in {folder}; {_EXPECTED}") from error
    if flavor.get(MAIN) != LOADER:
        raise DataError(
            f"model '{told}': found one that {flavor.get(MAIN) or 'something else'} loads; "
            f"expected one of this project, which {LOADER} does"
        )
    return folder / str(flavor[DATA])
