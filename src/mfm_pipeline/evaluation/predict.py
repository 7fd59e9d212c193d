"""Predictions and reconstruction errors of a trained model, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from torch import Tensor

from mfm_pipeline.data import BoolArray, Corpus, Modality, Split, Targets, Task
from mfm_pipeline.data.patterns import observed_patterns
from mfm_pipeline.models import MFM, Inputs, MfmOutput
from mfm_pipeline.models.completed import NOTHING, Complete, Completed, complete

_BLOCK = 4096
"""Images that are summed at once."""


class Outcome(NamedTuple):
    """What is predicted.

    Attributes
    ----------
    names : tuple of str
        Of targets, labels or classes.
    task : {"regression", "multiclass", "multilabel"}
    typical : array-like of float, shape (k,), or None
        What a sample is predicted of which nothing is known, see `Targets.typical`;
        missing values where that is not known.
    """

    names: tuple[str, ...]
    task: Task
    typical: ArrayLike | None

    @classmethod
    def of(cls, train: Targets) -> Outcome:
        """Return what a model is trained to predict."""
        return cls(train.names, train.task, train.typical)


def predict_corpus(model: MFM, corpus: Corpus, batch_size: int) -> pd.DataFrame:
    """Predict every sample of every split.

    Returns
    -------
    DataFrame
        As `predict_split` returns it, with ``split`` behind ``id``. A sample without any
        modality that the model reads is predicted by what is ``trivial``.
    """
    outcome = Outcome.of(corpus.train.targets)
    infer = partial(complete, model.eval())
    tables = [
        predict_split(model, infer, split, outcome, batch_size).assign(split=name)
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
    return _decided(np.where(known[:, None], predicted, train.typical), train.task)


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


def predict_split(
    model: MFM, infer: Complete, split: Split, outcome: Outcome, batch_size: int
) -> pd.DataFrame:
    """Predict samples, whatever they lack.

    Parameters
    ----------
    model : MFM
        Whose units predictions are in.
    infer : callable
        From `Inputs` to `Completed`.
    split : Split
        As the model was trained on; its targets may be unknown.
    outcome : Outcome
    batch_size : int

    Returns
    -------
    DataFrame
        One row a sample: ``id``; ``predicted_by``, see `Completed.inferred_by`;
        ``observed``, the modalities that it has (``language+acoustic``); and by task, the
        true ones only where they are known:

        * regression: ``true/<target>``, ``predicted/<target>``, and of a model with
          several heads ``sd/<target>``, the standard deviation of what they predict;
        * multiclass: ``true``, ``predicted``, ``probability/<class>``, and ``entropy`` of
          those, in nats;
        * multilabel: ``true/<label>``, ``predicted/<label>``, ``probability/<label>``,
          and ``entropy/<label>`` of yes against no, in nats.
    """
    found = [done for _, done in completed_batches(infer, split, batch_size)]
    predicted = torch.cat([done.prediction for done in found]).numpy()
    by = np.concatenate([done.inferred_by for done in found])
    nothing = (by == NOTHING)[:, None]
    typical = np.full(len(outcome.names), np.nan) if outcome.typical is None else outcome.typical
    values = np.where(nothing, np.asarray(typical, dtype=predicted.dtype), predicted)
    present = {name: modality.present for name, modality in split.modalities.items()}
    table: dict[str, Any] = {
        "id": split.ids,
        "predicted_by": by,
        "observed": observed_patterns(present),
    }
    known = len(split.targets.names) > 0
    if outcome.task == "regression":
        heads = model.to_target_units(torch.cat([done.heads for done in found]))
        if heads.shape[1] > 1:
            spread = np.where(nothing, np.float32(np.nan), heads.std(dim=1).numpy())
            sd = _columns("sd", outcome.names, spread)
        else:
            sd = {}
        return pd.DataFrame(table | _true(split.targets) | _predicted(outcome, values) | sd)
    probability = _columns("probability", outcome.names, values)
    if outcome.task == "multilabel":
        labels = np.where(np.isnan(values), np.float32(np.nan), _decided(values, outcome.task))
        entropy = _columns("entropy", outcome.names, _entropy(values) + _entropy(1 - values))
        return pd.DataFrame(
            table | _true(split.targets) | _predicted(outcome, labels) | probability | entropy
        )
    classes = np.array(outcome.names, dtype=object)
    if known:
        table["true"] = classes[split.targets.values]
    choice = classes[_decided(values, outcome.task)]
    choice[np.isnan(values).any(axis=1)] = None
    return pd.DataFrame(
        table | {"predicted": choice} | probability | {"entropy": _entropy(values).sum(axis=1)}
    )


def completed_batches(
    infer: Complete, split: Split, batch_size: int
) -> Iterator[tuple[Inputs, Completed]]:
    """Infer what the samples of a split lack, batch by batch in their order."""
    with torch.inference_mode():
        for batch in Inputs.from_split(split).batches(batch_size):
            yield batch, infer(batch)


def _batches(model: MFM, split: Split, batch_size: int) -> Iterator[tuple[Inputs, MfmOutput]]:
    model.eval()
    with torch.inference_mode():
        for batch in Inputs.from_split(split).batches(batch_size):
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


def _decided(values: NDArray[Any], task: Task) -> NDArray[Any]:
    """Return the class of probabilities, yes or no of each label, or the values."""
    if task == "multiclass":
        return np.asarray(values.argmax(axis=1))
    return np.asarray(values > 0.5 if task == "multilabel" else values, dtype=np.float32)


def _true(targets: Targets) -> dict[str, NDArray[Any]]:
    return _columns("true", targets.names, targets.values)


def _predicted(outcome: Outcome, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return _columns("predicted", outcome.names, values)


def _columns(kind: str, names: tuple[str, ...], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {f"{kind}/{name}": values[:, column] for column, name in enumerate(names)}


def _entropy(probability: NDArray[Any]) -> NDArray[Any]:
    """Return ``-p ln p`` of each probability; 0 where it is 0."""
    return np.asarray(entr(probability))
