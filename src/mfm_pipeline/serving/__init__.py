"""A trained model in use: loaded from MLflow or a folder, predicting on incomplete data.

`mlflow.pyfunc` loads a model that was logged by `log_model` through this module, without
unpickling anything.
"""

from mfm_pipeline.serving.location import load_predictor
from mfm_pipeline.serving.predictor import Predictor
from mfm_pipeline.serving.pyfunc import _load_pyfunc, log_model

__all__ = ["Predictor", "_load_pyfunc", "load_predictor", "log_model"]
