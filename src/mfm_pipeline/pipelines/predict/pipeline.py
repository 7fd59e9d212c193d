"""Wiring of prediction."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.predict import nodes


def create_pipeline() -> Pipeline:
    """Choose a model, bring data to what it sees, predict, and fill in what is missing."""
    return Pipeline(
        [
            Node(
                nodes.choose_model,
                ["params:prediction", "last_model", "last_surrogate"],
                "prediction_model",
                name="choose_model",
            ),
            Node(
                nodes.prepare_data,
                [
                    "prediction_model",
                    "params:prediction",
                    "last_aligned",
                    "last_raw",
                    "shared_vectors",
                    "prediction_parts",
                    "params:ingestion",
                ],
                "prediction_corpus",
                name="prepare_data",
            ),
            Node(
                nodes.predict_data,
                ["prediction_model", "prediction_corpus", "params:prediction"],
                ["prediction", "prediction_parquet"],
                name="predict_data",
            ),
            Node(
                nodes.score_data,
                ["prediction", "prediction_corpus", "params:evaluation"],
                "prediction_metrics",
                name="score_data",
            ),
            Node(
                nodes.fill_data,
                ["prediction_model", "prediction_corpus", "params:prediction"],
                "filled_corpus",
                name="fill_data",
            ),
        ],
        namespace="prediction",
        prefix_datasets_with_namespace=False,
    )
