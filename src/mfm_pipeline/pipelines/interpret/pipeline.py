"""Wiring of interpretation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.interpret import nodes


def create_pipeline() -> Pipeline:
    """Interpret the model that `train_mfm` trained: Table 6 and Figure 4."""
    return Pipeline(
        [
            Node(
                nodes.measure_information,
                ["model", "corpus", "params:interpretation"],
                "information",
                name="measure_information",
            ),
            Node(
                nodes.report_information,
                ["information", "corpus", "params:interpretation"],
                "information_plot",
                name="report_information",
            ),
            Node(
                nodes.measure_flow,
                ["model", "corpus", "params:interpretation"],
                "gradient_flow",
                name="measure_flow",
            ),
            Node(
                nodes.plot_flow,
                ["gradient_flow", "predictions", "corpus", "params:interpretation"],
                "gradient_flow_plots",
                name="plot_flow",
            ),
            Node(
                nodes.write_page,
                ["gradient_flow", "predictions", "corpus", "params:interpretation"],
                "gradient_flow_page",
                name="write_page",
            ),
            Node(
                nodes.compare_planted_words,
                ["gradient_flow", "corpus", "params:sample", "params:interpretation"],
                "planted_words",
                name="compare_planted_words",
            ),
        ],
        namespace="interpretation",
        prefix_datasets_with_namespace=False,
    )
