"""Wiring of the embedded sample."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.sample.nodes import generate_sample, score_planted


def create_pipeline() -> Pipeline:
    """Write the raw files of the synthetic corpus; of any other corpus, nothing."""
    return Pipeline(
        [
            Node(
                generate_sample,
                inputs="params:sample",
                outputs="raw@sequences",
                name="generate_sample",
            )
        ]
    )


def create_scoring_pipeline() -> Pipeline:
    """Score what could be reached: a linear predictor on the true shared factor."""
    return Pipeline(
        [
            Node(
                score_planted,
                inputs=["raw@folder", "corpus"],
                outputs="planted_metrics",
                name="score_planted",
            )
        ]
    )
