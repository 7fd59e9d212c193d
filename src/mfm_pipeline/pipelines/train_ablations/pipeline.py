"""The `train_ablations` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_ablations.nodes import compare, plot_ablations, summarise


def create_pipeline() -> Pipeline:
    """Train the models of Figure 3 on the corpus, and compare them."""
    return Pipeline(
        [
            Node(
                compare,
                inputs=[
                    "corpus",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:ablations",
                    "ablation_checkpoints",
                ],
                outputs="ablation_trials",
                name="compare",
            ),
            Node(
                summarise,
                inputs=["ablation_trials", "corpus"],
                outputs="ablations",
                name="summarise",
            ),
            Node(
                plot_ablations,
                inputs=["ablation_trials", "corpus"],
                outputs="ablation_plot",
                name="plot",
            ),
        ],
        namespace="ablations",
        prefix_datasets_with_namespace=False,
    )
