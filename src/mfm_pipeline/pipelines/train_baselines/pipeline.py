"""The `train_baselines` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_baselines.nodes import search


def create_pipeline() -> Pipeline:
    """Search and fit every model of the comparison on the corpus."""
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
        ],
        namespace="baselines",
        prefix_datasets_with_namespace=False,
    )
