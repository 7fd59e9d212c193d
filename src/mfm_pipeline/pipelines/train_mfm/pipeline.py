"""Wiring of training and evaluation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_mfm import nodes


def create_pipeline() -> Pipeline:
    """Return training and evaluation of one model on one corpus."""
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
                ["metrics", "planted_metrics", "corpus"],
                "comparison",
                name="report",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
    return training + evaluation
