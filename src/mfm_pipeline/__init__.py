"""Learning factorized multimodal representations: a Kedro project."""

import os

# Threads that wait for each other by spinning starve on a busy machine: beside
# one other busy process on two cores, training was 16 times slower. Has to be
# said before PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
