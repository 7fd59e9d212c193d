"""The `train_surrogate` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_surrogate import evaluation, nodes


def create_pipeline() -> Pipeline:
    """Train surrogate inference and its baselines, and evaluate them where modalities lack."""
    training = Pipeline(
        [
            Node(
                nodes.prepare_corpus,
                [
                    "aligned_corpus",
                    "feature_selection",
                    "scaling_statistics",
                    "params:missing",
                    "params:training",
                    "params:selection",
                    "params:scaling",
                ],
                ["surrogate_corpus", "surrogate_selection", "surrogate_scaling"],
                name="prepare_corpus",
            ),
            Node(
                nodes.train_models,
                ["model", "surrogate_corpus", "params:training", "params:missing",
                 "surrogate.trials"],
                "full_models",
                name="train_models",
            ),
            Node(
                nodes.train_surrogates,
                ["full_models", "surrogate_corpus", "params:surrogate", "params:training",
                 "params:missing", "surrogate.trials"],
                ["surrogate", "surrogates"],
                name="train_surrogates",
            ),
            Node(
                nodes.train_baselines,
                ["model", "surrogate_corpus", "params:surrogate", "params:training",
                 "params:missing", "baselines.trials"],
                "baselines",
                name="train_baselines",
            ),
        ],
        namespace="surrogate",
        prefix_datasets_with_namespace=False,
    )  # fmt: skip
    models = ["surrogates", "baselines", "surrogate_corpus"]
    evaluating = Pipeline(
        [
            Node(
                evaluation.score_patterns,
                [*models, "params:missing", "params:evaluation"],
                "missing_scores",
                name="score_patterns",
            ),
            Node(
                evaluation.summarise,
                ["missing_scores", "surrogate_corpus"],
                "missing_modalities",
                name="summarise",
            ),
            Node(
                evaluation.score_holes,
                ["surrogates", "surrogate_corpus", "params:missing", "params:evaluation"],
                "holes",
                name="score_holes",
            ),
            Node(
                evaluation.score_noise,
                ["surrogates", "surrogate_corpus", "params:missing", "params:evaluation"],
                "noise",
                name="score_noise",
            ),
            Node(
                evaluation.score_natural,
                ["surrogates", "surrogate_corpus", "params:evaluation"],
                "naturally_missing",
                name="score_natural",
            ),
            Node(
                evaluation.plot_patterns,
                ["missing_modalities", "surrogate_corpus"],
                "missing_plot",
                name="plot_patterns",
            ),
            Node(
                evaluation.plot_holes,
                ["holes", "surrogate_corpus"],
                "holes_plot",
                name="plot_holes",
            ),
            Node(
                evaluation.plot_noise,
                ["noise", "surrogate_corpus"],
                "noise_plot",
                name="plot_noise",
            ),
        ],
        namespace="missing",
        prefix_datasets_with_namespace=False,
    )
    return training + evaluating
