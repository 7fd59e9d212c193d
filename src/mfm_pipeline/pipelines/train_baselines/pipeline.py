"""The `train_baselines` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_baselines.comparison import compare, plot_ranks, plot_scores
from mfm_pipeline.pipelines.train_baselines.nodes import search


def create_pipeline() -> Pipeline:
    """Search and fit every model on the corpus, and compare MFM with each."""
    return Pipeline(
        [
            Node(
                search,
                inputs=[
                    "corpus",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:baselines",
                    "baseline_checkpoints",
                ],
                outputs=["baseline_trials", "baseline_predictions"],
                name="search",
            ),
            Node(
                compare,
                inputs=[
                    "baseline_trials",
                    "baseline_predictions",
                    "corpus",
                    "params:evaluation",
                    "params:baseline_comparison",
                ],
                outputs="baselines",
                name="compare",
            ),
            Node(
                plot_scores,
                inputs=["baselines", "corpus"],
                outputs="baseline_scores_plot",
                name="plot_scores",
            ),
            Node(
                plot_ranks,
                inputs=[
                    "baselines",
                    "baseline_predictions",
                    "corpus",
                    "params:evaluation",
                    "params:baseline_comparison",
                ],
                outputs="baseline_ranks_plot",
                name="plot_ranks",
            ),
        ],
        namespace="baselines",
        prefix_datasets_with_namespace=False,
    )
