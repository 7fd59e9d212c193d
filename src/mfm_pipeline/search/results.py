"""What was fitted, kept in a folder: metrics on valid, and predictions on test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.options import key_of
from mfm_pipeline.search.work import Result, Work

_NUMBERS, _PREDICTIONS = "result.json", "predictions.npy"


@dataclass(frozen=True)
class ResultStore:
    """Results by everything that they depend on.

    Parameters
    ----------
    folder : Path
    data : str
        Digest of the corpus.
    """

    folder: Path
    data: str

    def save(self, work: Work, result: Result) -> None:
        """Keep a result, if there is anything in it to be used again, and it is not there."""
        place = self.folder / self.key(work)
        if result.state != "complete" or result.predictions is None or (place / _NUMBERS).exists():
            return
        place.mkdir(parents=True, exist_ok=True)
        with replacing(place / _PREDICTIONS) as path, path.open("wb") as file:
            np.save(file, result.predictions)
        numbers = {
            "seconds": result.seconds,
            "parameters": result.parameters,
            "valid": dict(result.valid),
            "error": result.error,
        }
        # Last: it says that the other file is there.
        with replacing(place / _NUMBERS) as path:
            path.write_text(json.dumps(numbers, indent=2) + "\n")

    def load(self, work: Work) -> Result | None:
        """Return what came of the same work before; None if that is not known."""
        place = self.folder / self.key(work)
        if not (place / _NUMBERS).exists():
            return None
        numbers = json.loads((place / _NUMBERS).read_text())
        return Result("complete", **numbers, predictions=np.load(place / _PREDICTIONS))

    def key(self, work: Work) -> str:
        """Return a name of a piece of work, by everything that its result depends on."""
        content = [
            self.data,
            work.name,
            dict(work.setting),
            work.training.model_dump(mode="json", exclude={"resume"}),
            work.model.model_dump(mode="json"),
            None if work.sentiment is None else work.sentiment.model_dump(mode="json"),
        ]
        return key_of(content)
