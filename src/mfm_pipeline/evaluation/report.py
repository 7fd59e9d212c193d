"""What one training run comes to, as metrics and as a short table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mfm_pipeline.data import Corpus
from mfm_pipeline.evaluation.metrics import Metrics, score
from mfm_pipeline.evaluation.options import SentimentOptions
from mfm_pipeline.evaluation.predict import predictions_of
from mfm_pipeline.evaluation.trivial import trivial_prediction


def score_test(
    predictions: pd.DataFrame,
    errors: pd.DataFrame,
    corpus: Corpus,
    sentiment: SentimentOptions | None,
) -> Metrics:
    """Score the model and the trivial predictor on test.

    Returns
    -------
    dict of str to float
        ``test/<metric>``, ``trivial/<metric>``, and
        ``test/reconstruction/<modality>``, the mean square error.
    """
    targets = corpus.test.targets
    model = score(targets, predictions_of(predictions, "test", targets), sentiment)
    guess = trivial_prediction(corpus.train.targets, len(corpus.test))
    trivial = score(targets, guess, sentiment)
    mse = errors.groupby("modality", sort=False)["mse"].mean()
    return (
        {f"test/{key}": value for key, value in model.items()}
        | {f"trivial/{key}": value for key, value in trivial.items()}
        | {f"test/reconstruction/{name}": float(value) for name, value in mse.items()}
    )


def comparison(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Set each test metric beside those of the other predictors.

    Parameters
    ----------
    metrics : mapping of str to float
        ``<predictor>/<metric>``, ``test`` standing for the model.

    Returns
    -------
    DataFrame
        ``metric``, ``MFM``, ``trivial``, and ``planted`` where the corpus has
        a planted factor.
    """
    table: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        predictor, metric = key.split("/", 1)
        column = "MFM" if predictor == "test" else predictor
        table.setdefault(column, {})[metric] = value
    frame = pd.DataFrame(table)
    return frame.loc[list(table["MFM"])].rename_axis("metric").reset_index()
