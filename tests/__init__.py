"""Tests of the project; what has to be set before anything is imported."""

import os
import warnings

os.environ["DO_NOT_TRACK"] = "1"
# Models of a few numbers: threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

with warnings.catch_warnings(record=True):
    # Warns of its own model on import, past every filter: once, here, for nobody.
    import kedro_mlflow.mlflow  # noqa: F401
