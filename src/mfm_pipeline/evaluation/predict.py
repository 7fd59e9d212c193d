"""Predictions and reconstruction errors of a trained model, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfm_pipeline.data import BoolArray, Corpus, Modality, Split, Targets
from mfm_pipeline.evaluation.trivial import trivial_prediction
from mfm_pipeline.models import MFM, Inputs, MfmOutput

MODEL, TRIVIAL = "model", "trivial"
"""What a prediction was made by: a sample with nothing that is read gets the trivial one."""


_BLOCK = 4096
"""Images that are summed at once."""


def predict_corpus(model: MFM, corpus: Corpus, batch_size: int) -> pd.DataFrame:
    """Predict every sample of every split.

    Returns
    -------
    DataFrame
        One row a sample: ``id``, ``split``, ``predicted_by`` (``model``, or
        ``trivial`` for a sample without any modality that the model reads), and by task:
        ``true/<target>`` and ``predicted/<target>`` (regression); those and
        ``probability/<label>`` (multilabel); ``true``, ``predicted`` and
        ``probability/<class>`` (multiclass).
    """
    tables = [
        _predict_split(model, split, corpus.train.targets, batch_size).assign(split=name)
        for name, split in corpus.splits.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[["id", "split", *(c for c in table if c not in ("id", "split"))]]


def predictions_of(table: pd.DataFrame, split: str, targets: Targets) -> NDArray[Any]:
    """Return a split's predictions from a table, as `score` takes them."""
    rows = table[table["split"] == split]
    if targets.task == "multiclass":
        classes = {name: index for index, name in enumerate(targets.names)}
        return rows["predicted"].map(classes).to_numpy(np.int64)
    return rows[[f"predicted/{name}" for name in targets.names]].to_numpy(np.float32)


def decide(predicted: NDArray[Any], known: BoolArray, train: Targets) -> NDArray[Any]:
    """Return values, classes or labels as `score` takes them.

    Parameters
    ----------
    predicted : ndarray, shape (n, outputs)
        In target units, or probabilities.
    known : ndarray of bool, shape (n,)
        Samples that have something to predict from; the others get the trivial prediction.
    train : Targets
        Of the training split.
    """
    trivial = trivial_prediction(train, len(predicted))
    if train.task == "multiclass":
        return np.asarray(np.where(known, predicted.argmax(axis=1), trivial))
    if train.task == "multilabel":
        predicted = predicted > 0.5
    return np.where(known[:, None], predicted, trivial).astype(np.float32)


def reconstruction_errors(model: MFM, corpus: Corpus, batch_size: int) -> pd.DataFrame:
    """Measure how well each modality of the test split is reconstructed, sample by sample.

    Returns
    -------
    DataFrame
        ``id``, ``modality``, ``mse`` of the reconstruction and
        ``mse_of_mean``, that of the training mean (0 for scaled features, the
        mean image for images); over the observed steps and features of samples
        that have the modality. Empty if the model generates nothing.
    """
    split = corpus.test
    means = {name: mean_image(modality) for name, modality in corpus.train.modalities.items()}
    errors: dict[str, list[pd.DataFrame]] = {name: [] for name in model.modalities}
    for batch, output in _batches(model, split, batch_size):
        for name, reconstruction in output.reconstructions.items():
            mask, values = batch.observed(name), batch.values[name]
            error = {
                "mse": mean_square(reconstruction - values, mask),
                "mse_of_mean": mean_square(values - means[name], mask),
            }
            errors[name].append(pd.DataFrame(error))
    tables = [
        pd.concat(parts, ignore_index=True)
        .assign(id=split.ids, modality=name)
        .loc[split.modalities[name].present, ["id", "modality", "mse", "mse_of_mean"]]
        for name, parts in errors.items()
    ]
    if not tables:
        return pd.DataFrame({"id": [], "modality": [], "mse": [], "mse_of_mean": []})
    return pd.concat(tables, ignore_index=True)


def _predict_split(model: MFM, split: Split, train: Targets, batch_size: int) -> pd.DataFrame:
    outputs = [
        model.to_target_units(output.prediction) for _, output in _batches(model, split, batch_size)
    ]
    predicted = torch.cat(outputs).numpy()
    known = split.has_any(model.reads)
    decided = decide(predicted, known, train)
    table: dict[str, Any] = {
        "id": split.ids,
        "predicted_by": np.where(known, MODEL, TRIVIAL),
    }
    if train.task == "regression":
        return pd.DataFrame(table | _columns(split.targets, decided))
    probability = np.where(known[:, None], predicted, _frequencies(train))
    names = {f"probability/{name}": probability[:, i] for i, name in enumerate(train.names)}
    if train.task == "multilabel":
        return pd.DataFrame(table | _columns(split.targets, decided) | names)
    classes = np.array(train.names)
    return pd.DataFrame(
        table | {"true": classes[split.targets.values], "predicted": classes[decided]} | names
    )


def _batches(model: MFM, split: Split, batch_size: int) -> Iterator[tuple[Inputs, MfmOutput]]:
    inputs = Inputs.from_split(split)
    model.eval()
    with torch.inference_mode():
        for positions in torch.split(torch.arange(len(split)), batch_size):
            batch = inputs[positions]
            yield batch, model(batch)


def mean_image(modality: Modality) -> Tensor:
    """Return the mean of the images that samples have, from 0 to 1; 0 for sequences."""
    if not modality.is_image or not modality.present.any():
        return torch.zeros(())
    rows = np.arange(len(modality)) if modality.rows is None else modality.rows
    times = np.bincount(rows[modality.present], minlength=len(modality.values))
    total = np.zeros(modality.shape)
    # In blocks: a float copy of all images would be eight times their size.
    for start in range(0, len(times), _BLOCK):
        block = slice(start, start + _BLOCK)
        total += np.tensordot(times[block], modality.values[block], axes=1)
    return torch.from_numpy((total / times.sum() / 255).astype(np.float32))


def mean_square(values: Tensor, mask: Tensor) -> NDArray[Any]:
    """Return the mean square of each sample over what was observed, ``(n,)``."""
    inner = values.dim() - mask.dim()
    hidden = ~mask.reshape(mask.shape + (1,) * inner)
    square = values.square().masked_fill(hidden, 0).flatten(1).sum(dim=1)
    observed = mask.reshape(len(mask), -1).sum(dim=1) * int(np.prod(values.shape[mask.dim() :]))
    return np.asarray((square / observed.clamp(min=1)).numpy())


def _columns(targets: Targets, predicted: NDArray[Any]) -> dict[str, NDArray[Any]]:
    true = {f"true/{name}": targets.values[:, i] for i, name in enumerate(targets.names)}
    return true | {f"predicted/{name}": predicted[:, i] for i, name in enumerate(targets.names)}


def _frequencies(train: Targets) -> NDArray[Any]:
    """Return how frequent each class or label is in train, ``(k,)``."""
    if train.task == "multiclass":
        counts = np.bincount(train.values, minlength=len(train.names))
        return np.asarray(counts / counts.sum())
    return np.asarray(train.values.mean(axis=0))
