"""The `generate` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.config import DIGITS
from mfm_pipeline.pipelines.generate.nodes import (
    fit_samplers,
    match_posterior,
    plot_images,
    report_scores,
    score_images,
    train_judges,
    train_surrogates,
)


def create_pipeline() -> Pipeline:
    """Generate images by the model that `train_mfm_digits` trained, and score them."""
    generation = Pipeline(
        [
            Node(
                train_judges,
                inputs=["corpus", "params:judge", "judge_states"],
                outputs="judges",
                name="train_judges",
            ),
            Node(
                train_surrogates,
                inputs=[
                    "model",
                    "corpus",
                    "params:surrogate",
                    "params:training",
                    "surrogate_states",
                ],
                outputs="surrogate",
                name="train_surrogates",
            ),
            Node(
                fit_samplers,
                inputs=["model", "corpus", "params:generation"],
                outputs="samplers",
                name="fit_samplers",
            ),
            Node(
                match_posterior,
                inputs=["model", "samplers", "corpus", "params:generation"],
                outputs="posterior_match",
                name="match_posterior",
            ),
            Node(
                score_images,
                inputs=["model", "surrogate", "samplers", "judges", "corpus", "params:generation"],
                outputs="generation_scores",
                name="score_images",
            ),
            Node(
                report_scores,
                inputs=["generation_scores", "corpus", "params:generation"],
                outputs="generation_metrics",
                name="report_scores",
            ),
            Node(
                plot_images,
                inputs=["model", "surrogate", "samplers", "corpus", "params:generation"],
                outputs="generated_images",
                name="plot_images",
            ),
        ],
        namespace="generation",
        prefix_datasets_with_namespace=False,
    )
    return Pipeline(generation, namespace=DIGITS)
