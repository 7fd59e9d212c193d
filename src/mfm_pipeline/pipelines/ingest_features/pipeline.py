"""The `ingest_features` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.ingest_features.nodes import (
    align_features,
    fit_scaling,
    scale_features,
)


def create_pipeline() -> Pipeline:
    """Align raw features, fit the scaling on the training split, apply it to all."""
    return Pipeline(
        [
            Node(
                align_features,
                inputs=["raw@folder", "params:ingestion"],
                outputs="aligned_corpus",
                name="align_features",
            ),
            Node(
                fit_scaling,
                inputs=["aligned_corpus", "params:scaling"],
                outputs="scaling_statistics",
                name="fit_scaling",
            ),
            Node(
                scale_features,
                inputs=["aligned_corpus", "scaling_statistics"],
                outputs="corpus",
                name="scale_features",
            ),
        ],
        namespace="ingestion",
        prefix_datasets_with_namespace=False,
    )
