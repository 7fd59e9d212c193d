"""Wiring of what is evaluated about missing modalities."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.train_surrogate import baselines, evaluation


def create_evaluation_pipeline(corpus: str, trials: str) -> Pipeline:
    """Return Table 2 with its baselines, its figures and curves.

    Parameters
    ----------
    corpus : str
        Name of the corpus that `surrogates` were trained on.
    trials : str
        Name of the folder in which trainings are kept.
    """
    both = ["params:missing", "params:evaluation"]
    all_three = ["params:missing", "params:training", "params:evaluation"]
    training = Pipeline(
        [
            Node(
                baselines.train_baselines,
                ["surrogates", corpus, "params:training", "params:missing", trials],
                "missing_baselines",
                name="train_baselines",
            ),
        ],
        namespace="training",
        prefix_datasets_with_namespace=False,
    )
    tables = Pipeline(
        [
            Node(
                evaluation.choose_neighbours,
                ["surrogates", corpus, *both],
                "missing_neighbours",
                name="choose_neighbours",
            ),
            Node(
                evaluation.score_patterns,
                ["surrogates", "missing_baselines", "missing_neighbours", corpus, *all_three],
                "missing_scores",
                name="score_patterns",
            ),
            Node(
                evaluation.summarise,
                ["missing_scores", corpus],
                "missing_modalities",
                name="summarise",
            ),
            Node(
                evaluation.score_holes,
                ["surrogates", "missing_neighbours", corpus, *all_three],
                "holes",
                name="score_holes",
            ),
            Node(
                evaluation.score_noise,
                ["surrogates", corpus, *all_three],
                "noise",
                name="score_noise",
            ),
            Node(
                evaluation.score_natural,
                ["surrogates", corpus, *all_three],
                "naturally_missing",
                name="score_natural",
            ),
            Node(
                evaluation.plot_patterns,
                ["missing_modalities", corpus],
                "missing_modalities_plot",
                name="plot_patterns",
            ),
            Node(evaluation.plot_holes, ["holes", corpus], "holes_plot", name="plot_holes"),
            Node(evaluation.plot_noise, ["noise", corpus], "noise_plot", name="plot_noise"),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
    return training + tables
