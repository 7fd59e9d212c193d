"""The `ingest_features` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.ingest_features.nodes import (
    align_features,
    embed_words,
    fit_scaling,
    fit_selection,
    report_data,
    scale_features,
)


def create_pipeline() -> Pipeline:
    """Align raw features; fit selection and scaling on train, apply them to all; report."""
    return Pipeline(
        [
            Node(
                embed_words,
                inputs=["raw@folder", "shared_vectors", "video_parts", "params:ingestion"],
                outputs="word_vectors",
                name="embed_words",
            ),
            Node(
                align_features,
                inputs=["raw@folder", "word_vectors", "video_parts", "params:ingestion"],
                outputs=["aligned_corpus", "samples", "ingestion_counts"],
                name="align_features",
            ),
            Node(
                fit_selection,
                inputs=["aligned_corpus", "params:selection"],
                outputs="feature_selection",
                name="fit_selection",
            ),
            Node(
                fit_scaling,
                inputs=["aligned_corpus", "feature_selection", "params:scaling"],
                outputs="scaling_statistics",
                name="fit_scaling",
            ),
            Node(
                scale_features,
                inputs=["aligned_corpus", "feature_selection", "scaling_statistics"],
                outputs="corpus",
                name="scale_features",
            ),
            Node(
                report_data,
                inputs=[
                    "corpus",
                    "samples",
                    "ingestion_counts",
                    "scaling_statistics",
                    "params:ingestion",
                ],
                outputs=["data_report", "data_plot", "sample_plot"],
                name="report_data",
            ),
        ],
        namespace="ingestion",
        prefix_datasets_with_namespace=False,
    )
