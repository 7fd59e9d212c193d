"""The `compare_digits` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.config import DIGITS
from mfm_pipeline.pipelines.compare_digits.nodes import compare, plot_comparison, summarise


def create_pipeline() -> Pipeline:
    """Train unimodal, multimodal and factorized models on the pairs, and compare them."""
    comparison = Pipeline(
        [
            Node(
                compare,
                inputs=[
                    "corpus",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:comparison",
                    "trials",
                ],
                outputs="comparison_trials",
                name="compare",
            ),
            Node(
                summarise,
                inputs=["comparison_trials", "corpus"],
                outputs="model_comparison",
                name="summarise",
            ),
            Node(
                plot_comparison,
                inputs=["comparison_trials", "corpus"],
                outputs="comparison_plot",
                name="plot_comparison",
            ),
        ],
        namespace="comparison",
        prefix_datasets_with_namespace=False,
    )
    return Pipeline(comparison, namespace=DIGITS)
