"""Run the project without Kedro's command: ``python -m mfm_pipeline``."""

from __future__ import annotations

import sys
from pathlib import Path

from kedro.framework.startup import bootstrap_project

from mfm_pipeline.cli import run
from mfm_pipeline.logs import leave_out_plugin_talk


def main() -> None:
    """Run a pipeline of the project in the current folder."""
    leave_out_plugin_talk()
    bootstrap_project(Path.cwd())
    run(args=sys.argv[1:], prog_name="mfm-pipeline")


if __name__ == "__main__":
    main()
