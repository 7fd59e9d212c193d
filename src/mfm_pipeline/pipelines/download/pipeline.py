"""Wiring of the downloads."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.pipelines.download.nodes import download_files


def create_pipeline() -> Pipeline:
    """Fetch public files into the folder of raw data."""
    return Pipeline(
        [
            Node(
                download_files,
                inputs=["raw_root", "params:download"],
                outputs="downloads",
                name="download_files",
            )
        ]
    )
