"""The `train_surrogate` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_surrogate.evaluation_pipeline import create_evaluation_pipeline
from mfm_pipeline.pipelines.train_surrogate.nodes import (
    prepare_corpus,
    train_models,
    train_surrogates,
)


def create_pipeline() -> Pipeline:
    """Train surrogate inference, and evaluate it where modalities are missing."""
    training = Pipeline(
        [
            Node(
                prepare_corpus,
                inputs=[
                    "aligned_corpus",
                    "feature_selection",
                    "scaling_statistics",
                    "params:missing",
                    "params:training",
                    "params:selection",
                    "params:scaling",
                ],
                outputs="surrogate_corpus",
                name="prepare_corpus",
            ),
            Node(
                train_models,
                inputs=[
                    "model",
                    "surrogate_corpus",
                    "params:training",
                    "params:missing",
                    "surrogate_checkpoints",
                ],
                outputs="full_models",
                name="train_models",
            ),
            Node(
                train_surrogates,
                inputs=[
                    "full_models",
                    "surrogate_corpus",
                    "params:surrogate",
                    "params:training",
                    "params:missing",
                    "surrogate_checkpoints",
                ],
                outputs=["surrogate", "surrogates"],
                name="train_surrogates",
            ),
        ],
        namespace="training",
        prefix_datasets_with_namespace=False,
    )
    return training + create_evaluation_pipeline("surrogate_corpus", "surrogate_checkpoints")
