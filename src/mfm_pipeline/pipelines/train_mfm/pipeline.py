"""Wiring of training and evaluation."""

from __future__ import annotations

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_mfm import nodes


def create_pipeline(bounds: Iterable[str] = ()) -> Pipeline:
    """Return training and evaluation of one model on one corpus.

    Parameters
    ----------
    bounds : iterable of str
        Metrics of other predictors that the model is set beside.
    """
    training = Pipeline(
        [
            Node(
                nodes.train,
                ["corpus", "params:model", "params:training", "checkpoints"],
                ["model", "history"],
                name="train",
            ),
            Node(
                nodes.plot_training,
                ["history", "params:training", "corpus"],
                "training_curves",
                name="plot_training",
            ),
        ],
        namespace="training",
        prefix_datasets_with_namespace=False,
    )
    evaluation = Pipeline(
        [
            Node(
                nodes.predict_all,
                ["model", "corpus", "params:evaluation"],
                "predictions",
                name="predict",
            ),
            Node(
                nodes.reconstruct_test,
                ["model", "corpus", "params:evaluation"],
                "reconstruction_errors",
                name="reconstruct",
            ),
            Node(
                nodes.score,
                ["predictions", "reconstruction_errors", "corpus", "params:evaluation"],
                "metrics",
                name="score",
            ),
            Node(
                nodes.plot_predictions,
                ["predictions", "corpus"],
                "prediction_plot",
                name="plot_predictions",
            ),
            Node(
                nodes.plot_reconstruction,
                ["reconstruction_errors", "corpus"],
                "reconstruction_plot",
                name="plot_reconstruction",
            ),
            Node(
                nodes.report,
                ["metrics", "history", "corpus", *bounds],
                "comparison",
                name="report",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
    return training + evaluation
