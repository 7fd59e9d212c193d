"""Tests of the project; what has to be set before anything is imported."""

import os

os.environ["DO_NOT_TRACK"] = "1"
# Models of a few numbers: threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
