"""Learning factorized multimodal representations: a Kedro project."""

__version__ = "0.1.0"
