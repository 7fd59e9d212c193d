"""The `report` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.report.nodes import gather, make_page, tables


def create_pipeline() -> Pipeline:
    """Gather what the other pipelines left, beside the paper's figures."""
    return Pipeline(
        [
            Node(
                gather,
                inputs=["results", "params:ingestion.corpus"],
                outputs="report_sections",
                name="gather",
            ),
            Node(
                tables,
                inputs=["report_sections", "params:ingestion.corpus"],
                outputs="report_tables",
                name="tables",
            ),
            Node(
                make_page,
                inputs=["report_sections", "results", "params:ingestion.corpus"],
                outputs="report_page",
                name="make_page",
            ),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
    )
