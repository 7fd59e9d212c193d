"""Parameters of an environment, as Kedro merges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.settings import CONFIG_LOADER_ARGS


def read_parameters(conf: Path, environment: str | None) -> dict[str, Any]:
    parameters: dict[str, Any] = ConfigLoader(conf, environment, **CONFIG_LOADER_ARGS)["parameters"]
    return parameters
