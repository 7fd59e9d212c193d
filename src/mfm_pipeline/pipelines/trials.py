"""Work inside a pipeline's MLflow run, kept so that none is done twice: trained, scored models."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import mlflow
import numpy as np

from mfm_pipeline import evaluation
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets import WeightsDataset
from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.datasets.metrics import mlflow_keys
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import SentimentOptions, predictions_of, score
from mfm_pipeline.models import Blueprint, ModelOptions
from mfm_pipeline.options import key_of
from mfm_pipeline.pipelines.states import State
from mfm_pipeline.training import TrainingOptions, fit

RESULT, RUN = "result.json", "run.json"


@dataclass(frozen=True)
class Trial:
    """What is trained: a model by its name in the comparison, and its settings.

    Parameters
    ----------
    name : str
    model : ModelOptions
    training : TrainingOptions
        With ``resume``, a trial that is finished is read instead, and one that was
        broken off goes on.
    """

    name: str
    model: ModelOptions
    training: TrainingOptions

    def key(self, data: str) -> str:
        """Return a name for files, by everything that the result on this data depends on."""
        content = [
            data,
            self.name,
            self.model.model_dump(mode="json"),
            self.training.model_dump(mode="json", exclude={"resume"}),
        ]
        return key_of(content)


def fingerprint(corpus: Corpus) -> str:
    """Return a digest of everything in a corpus that models see."""
    digest = hashlib.sha256()
    shared: set[int] = set()
    for split in corpus.splits.values():
        arrays = [split.ids, split.targets.values]
        for modality in split.modalities.values():
            arrays += [
                a for a in (modality.present, modality.steps, modality.rows) if a is not None
            ]
            if id(modality.values) not in shared:
                shared.add(id(modality.values))
                arrays.append(modality.values)
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def check_same_data(blueprint: Blueprint, corpus: Corpus) -> None:
    """Check that a model was trained on a corpus, else test may hold what it has seen.

    Raises
    ------
    DataError
        That names both digests.
    """
    found = fingerprint(corpus)
    if blueprint.data not in (None, found):
        raise DataError(
            f"corpus {corpus.name}: found data {found[:12]}; expected {blueprint.data[:12]}, "
            "which the model was trained on: train it again on this data"
        )


def fingerprint_of_weights(state: State) -> str:
    """Return a digest of a model: its description and its weights."""
    digest = hashlib.sha256(json.dumps(state["description"], sort_keys=True).encode())
    for name, values in sorted(state["weights"].items()):
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.cpu().contiguous().numpy().reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def remove_folders(place: Path) -> None:
    """Remove what lies in the folders of a folder: earlier trials, or states of a finished one."""
    for folder in place.iterdir() if place.is_dir() else ():
        if folder.is_dir():
            shutil.rmtree(folder)


def run_trial(
    trial: Trial,
    corpus: Corpus,
    batch_size: int,
    place: Path,
    *,
    sentiment: SentimentOptions | None = None,
) -> dict[str, Any]:
    """Train and score a model, in an MLflow run inside the active one.

    Parameters
    ----------
    trial : Trial
    corpus : Corpus
    batch_size : int
        Samples evaluated at once.
    place : Path
        Folder of the trial alone: its state while it trains, then its result.
    sentiment : SentimentOptions, optional
        Reads a regression on one target as sentiment.

    Returns
    -------
    dict
        ``parameters`` (their number), ``epochs``, ``seconds``,
        ``<split>/<metric>`` of valid and test, and ``test/mse/<modality>`` of what is
        generated: the mean over samples of their reconstruction's mean square error.
    """
    return run_once(
        partial(_train_and_score, trial, corpus, batch_size, sentiment),
        place,
        name=trial.name,
        parameters=_flat(trial),
        resume=trial.training.resume,
    )


def train_once(
    trial: Trial, corpus: Corpus, place: Path, *, name: str, parameters: Mapping[str, Any]
) -> tuple[State, dict[str, Any]]:
    """Train a model, in an MLflow run inside the active one, and keep its state.

    Parameters
    ----------
    trial : Trial
    corpus : Corpus
    place : Path
        Folder of the trial alone.
    name, parameters
        Of the MLflow run.

    Returns
    -------
    state : dict
        As `Blueprint.to_state` gives it.
    result : dict
        ``parameters`` (their number), ``epochs``, ``seconds`` and the best ``valid/loss``.
    """
    result = run_once(
        partial(_train_and_keep, trial, corpus),
        place,
        name=name,
        parameters=parameters,
        resume=trial.training.resume,
    )
    return WeightsDataset(path=str(place)).load(), result


def run_once(
    work: Callable[[Path], dict[str, Any]],
    place: Path,
    *,
    name: str,
    parameters: Mapping[str, Any],
    resume: bool,
) -> dict[str, Any]:
    """Do a piece of work in an MLflow run inside the active one, and keep its result.

    Parameters
    ----------
    work : callable
        Given `place`, in a folder of which it may keep states to go on from; returns
        what JSON can hold: numbers, which are logged as metrics, and others.
    place : Path
        Folder of this work alone, named by everything that its result depends on.
    name : str
        Of the MLflow run.
    parameters : mapping of str to any
        Logged to that run.
    resume : bool
        Read the result instead if the work is finished; go on in the same MLflow run
        if it was broken off.

    Returns
    -------
    dict
        What `work` returned.
    """
    if resume and (place / RESULT).exists():
        finished: dict[str, Any] = json.loads((place / RESULT).read_text())
        remove_folders(place)
        return finished
    place.mkdir(parents=True, exist_ok=True)
    before = place / RUN
    run_id = json.loads(before.read_text())["run_id"] if resume and before.exists() else None
    with mlflow.start_run(run_id, nested=True, run_name=None if run_id else name) as run:
        with replacing(before) as path:
            path.write_text(json.dumps({"run_id": run.info.run_id}))
        mlflow.log_params(dict(parameters))
        result = work(place)
        numbers = {k: float(v) for k, v in result.items() if isinstance(v, int | float)}
        mlflow.log_metrics(mlflow_keys(numbers))
    with replacing(place / RESULT) as path:
        path.write_text(json.dumps(result, indent=2) + "\n")
    # The states that it could have gone on from.
    remove_folders(place)
    return result


def _train_and_keep(trial: Trial, corpus: Corpus, place: Path) -> dict[str, Any]:
    start = monotonic()
    trained = fit(corpus, trial.model, trial.training, place)
    WeightsDataset(path=str(place)).save(trained.blueprint.to_state(trained.model))
    return {
        "parameters": sum(weights.numel() for weights in trained.model.parameters()),
        "epochs": len(trained.history),
        "seconds": monotonic() - start,
        "valid/loss": float(trained.history["valid/loss"].min()),
    }


def _train_and_score(
    trial: Trial,
    corpus: Corpus,
    batch_size: int,
    sentiment: SentimentOptions | None,
    place: Path,
) -> dict[str, Any]:
    start = monotonic()
    trained = fit(corpus, trial.model, trial.training, place)
    seconds = monotonic() - start
    table = evaluation.predict_corpus(trained.model, corpus, batch_size)
    metrics = {
        f"{name}/{key}": value
        for name in ("valid", "test")
        for key, value in score(
            corpus.splits[name].targets,
            predictions_of(table, name, corpus.splits[name].targets),
            sentiment,
        ).items()
    }
    errors = evaluation.reconstruction_errors(trained.model, corpus, batch_size)
    for name, mse in errors.groupby("modality", sort=False)["mse"].mean().items():
        metrics[f"test/mse/{name}"] = float(mse)
    parameters = sum(weights.numel() for weights in trained.model.parameters())
    return {
        "parameters": parameters, "epochs": len(trained.history), "seconds": seconds, **metrics
    }  # fmt: skip


def _flat(trial: Trial) -> dict[str, Any]:
    return {
        "name": trial.name,
        "fusion": trial.model.fusion,
        "reads": trial.model.reads or "all",
        "generates": "all" if trial.model.generates is None else trial.model.generates or "none",
        "predicts_from": trial.model.predicts_from,
        "generates_from": trial.model.generates_from,
        "joint": trial.model.generative.joint,
        "seed": trial.training.seed,
        "learning_rate": trial.training.learning_rate,
        "weight_decay": trial.training.weight_decay,
        "batch_size": trial.training.batch_size,
        "epochs": trial.training.epochs,
    }
