"""Nodes that predict new data by a trained model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mfm_pipeline import evaluation
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.corpus import read_corpus
from mfm_pipeline.datasets.npz import read_arrays
from mfm_pipeline.datasets.raw_folder import RawFolder, list_folder
from mfm_pipeline.errors import DataError
from mfm_pipeline.evaluation import EvaluationOptions, predictions_of
from mfm_pipeline.features.preparation import Preparation
from mfm_pipeline.ingestion.arrays import split_of_arrays
from mfm_pipeline.ingestion.options import IngestionOptions
from mfm_pipeline.ingestion.parts import Parts
from mfm_pipeline.ingestion.raw import NEW, ingest_new, vectors_of_words
from mfm_pipeline.pipelines.predict.options import PredictionOptions
from mfm_pipeline.serving import Predictor
from mfm_pipeline.serving.location import load_state
from mfm_pipeline.serving.predictor import is_surrogate

log = logging.getLogger(__name__)

State = dict[str, Any]


def choose_model(prediction: PredictionOptions, last_model: Path, last_surrogate: Path) -> State:
    """Load the model that predicts.

    Parameters
    ----------
    prediction : PredictionOptions
    last_model, last_surrogate : Path
        The last that were trained on the corpus. Without a model named, the surrogates
        predict if they are those of the last model.

    Raises
    ------
    DataError
        If there is no such model.
    """
    if prediction.model is not None:
        return _told(load_state(prediction.model), prediction.model)
    if not last_model.exists():
        raise DataError(
            f"{last_model}: found no model; expected one that train_mfm left, or a run, URI or "
            "folder as prediction.model"
        )
    model = load_state(last_model)
    if last_surrogate.exists():
        if _is_of(surrogate := load_state(last_surrogate), model):
            return _told(surrogate, str(last_surrogate))
        log.warning(
            "%s is not used: its full model is another than %s, by another training or "
            "missing.protocol=train_and_test; prediction.model=%s uses it",
            last_surrogate, last_model, last_surrogate,
        )  # fmt: skip
    return _told(model, str(last_model))


def prepare_data(
    prediction_model: State,
    prediction: PredictionOptions,
    last_aligned: Path,
    last_raw: RawFolder,
    shared_vectors: RawFolder,
    parts: Path,
    ingestion: IngestionOptions,
) -> Corpus:
    """Bring new data to what the model sees, by what was fitted in its training alone.

    Parameters
    ----------
    prediction_model : dict
    prediction : PredictionOptions
    last_aligned : Path
        The corpus's own aligned features, taken where no other data is named.
    last_raw, shared_vectors : RawFolder
        Where word vectors lie, for new raw files.
    parts : Path
        Folder of what is known of each video of new raw files.
    ingestion : IngestionOptions

    Returns
    -------
    Corpus
        Of the splits that are predicted, selected and scaled.

    Raises
    ------
    DataError
        If there is no such data, or its features are not those of the model.
    """
    predictor = Predictor.from_state(prediction_model)
    source = Path(prediction.raw or prediction.data or last_aligned)
    if prediction.raw is not None:
        raw = list_folder(Path(prediction.raw))
        known = Parts(parts, ingestion.workers)
        vectors = vectors_of_words(raw, (raw, last_raw, shared_vectors), known, ingestion)
        widths = {name: shape[0] for name, shape in predictor.shapes.items() if len(shape) == 1}
        stored = predictor.blueprint.preparation or {}
        corpus = ingest_new(raw, vectors, known, ingestion, widths, stored).corpus
        for reason, count in corpus.counts.items():
            log.warning("%s: %d %s", raw.path, count, reason)
    else:
        corpus = _read(source, predictor.shapes)
    whole = prediction.data is not None or prediction.raw is not None
    corpus = _choose_split(corpus, prediction.split or (None if whole else "test"))
    splits = {}
    for name, split in corpus.splits.items():
        try:
            predictor.check(split, corpus.features)
        except DataError as error:
            raise DataError(f"{source}: {error}") from error
        splits[name] = predictor.prepare(split)
    features = corpus.features
    if predictor.preparation is not None:
        features = predictor.preparation.selection.narrow(features)
    preparation = predictor.blueprint.preparation or {}
    return replace(corpus, splits=splits, features=features, preparation=preparation)


def predict_data(
    prediction_model: State, prediction_corpus: Corpus, prediction: PredictionOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict every sample; return the table for each of the two files.

    Returns
    -------
    DataFrame
        As `mfm_pipeline.evaluation.predict.predict_split` returns it; where there are
        several splits, with ``split`` behind ``id``.
    """
    predictor = Predictor.from_state(prediction_model)
    tables = {
        name: predictor.predict(split, prediction.batch_size)
        for name, split in prediction_corpus.splits.items()
    }
    table = pd.concat(tables.values(), ignore_index=True)
    if len(tables) > 1:
        table.insert(1, "split", [name for name, part in tables.items() for _ in range(len(part))])
    return table, table


def fill_data(
    prediction_model: State, prediction_corpus: Corpus, prediction: PredictionOptions
) -> dict[str, Corpus]:
    """Generate what samples lack, if that is wished, in the units that the model sees.

    Returns
    -------
    dict of str to Corpus
        By file name; empty if nothing is wished.
    """
    if not prediction.fill:
        return {}
    predictor = Predictor.from_state(prediction_model)
    splits = {
        name: predictor.fill(split, prediction.batch_size)
        for name, split in prediction_corpus.splits.items()
    }
    return {"corpus": replace(prediction_corpus, splits=splits)}


def score_data(
    predictions: pd.DataFrame, prediction_corpus: Corpus, evaluate: EvaluationOptions
) -> dict[str, float]:
    """Say what was predicted by what; score it where the data has labels.

    Returns
    -------
    dict of str to float
        ``prediction/<metric>``, or with several splits ``prediction/<split>/<metric>``;
        empty without labels.
    """
    label = f"{prediction_corpus.label}, {len(predictions):,} samples"
    counts = predictions.groupby(["observed", "predicted_by"], sort=False, dropna=False).size()
    table = counts.rename("samples").reset_index()
    table["observed"] = table["observed"].replace("", "nothing")
    evaluation.print_table(table, f"Predictions, {label}")
    metrics: dict[str, float] = {}
    several = len(prediction_corpus.splits) > 1
    for name, split in prediction_corpus.splits.items():
        if not split.targets.names:
            continue
        rows = predictions if several else predictions.assign(split=name)
        predicted = predictions_of(rows, name, split.targets)
        found = evaluation.score(split.targets, predicted, evaluate.sentiment)
        place = f"prediction/{name}" if several else "prediction"
        metrics |= {f"{place}/{key}": value for key, value in found.items()}
    for key, value in metrics.items():
        log.info("%s: %.3f", key, value)
    return metrics


def _told(state: State, where: str) -> State:
    log.info("predicting by %s%s", where, ", surrogate inference" if is_surrogate(state) else "")
    return state


def _is_of(surrogate: State, model: State) -> bool:
    """Whether surrogates were trained on this very model."""
    if not is_surrogate(surrogate) or surrogate["description"]["model"] != model["description"]:
        return False
    weights = surrogate["weights"]
    return all(torch.equal(weights[f"full.{name}"], own) for name, own in model["weights"].items())


def _read(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Corpus:
    """Read aligned features, of either form."""
    if path.is_dir():
        raise DataError(
            f"prediction.data is {path}: found a folder; expected a file, .h5 or .npz, of aligned "
            "features; raw files are named by prediction.raw"
        )
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        try:
            return Corpus(path.stem, {NEW: split_of_arrays(arrays, shapes, str(path))})
        except DataError as error:
            if str(path) in str(error):
                raise
            raise DataError(f"{path}: {error}") from error
    corpus = read_corpus(path)
    if Preparation.load(corpus.preparation) is not None:
        raise DataError(
            f"{path}: found features that are scaled already; expected aligned ones, before "
            "selection and scaling, as the node align_features writes them"
        )
    return corpus


def _choose_split(corpus: Corpus, name: str | None) -> Corpus:
    if name is None:
        return corpus
    if name not in corpus.splits:
        raise DataError(
            f"corpus {corpus.name}: found splits {', '.join(corpus.splits)}; "
            f"expected '{name}', which prediction.split names"
        )
    return replace(corpus, splits={name: corpus.splits[name]})
