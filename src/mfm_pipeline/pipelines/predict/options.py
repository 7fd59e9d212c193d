"""Parameters of prediction."""

from __future__ import annotations

from pydantic import Field, model_validator

from mfm_pipeline.options import Options


class PredictionOptions(Options):
    """What predicts, and what of.

    Parameters
    ----------
    model : str, optional
        Id of the MLflow run that trained it, a URI (``runs:/ID/model``, ``models:/...``) or
        a folder; without, the last model trained on the corpus.
    data : str, optional
        A file of aligned features, before selection and scaling: ``.h5`` as ingestion
        writes it, or ``.npz`` of an array a modality. Without, and without `raw`, the
        corpus's own.
    raw : str, optional
        A folder of raw files, as the environment's, with or without labels.
    split : str, optional
        Of a file with several splits, the one that is predicted. Without, all of a file,
        and the test split of the corpus's own.
    fill : bool
        Whether what samples lack is generated and kept.
    batch_size : int
        Samples predicted at once.
    """

    model: str | None = Field(None, min_length=1)
    data: str | None = Field(None, min_length=1)
    raw: str | None = Field(None, min_length=1)
    split: str | None = Field(None, min_length=1)
    fill: bool = False
    batch_size: int = Field(256, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> PredictionOptions:
        if self.data is not None and self.raw is not None:
            raise ValueError(f"data is '{self.data}' and raw '{self.raw}'; expected one of them")
        return self
