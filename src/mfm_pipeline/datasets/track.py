"""One stream of one video: what every reader of frames and of words gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray

from mfm_pipeline.errors import DataError

Kind = Literal["numbers", "words"]

#: Features of one frame. Six thousand (openSMILE's largest set) are in use.
MAX_FEATURES = 2**14

_SEGMENT_KEY = re.compile(r"(?P<video>.+)\[\d+\]", re.DOTALL)


class Track(NamedTuple):
    """One video of a sequence.

    Parameters
    ----------
    intervals : ndarray of float64, shape (N, 2)
        Start and end in seconds; neither sorted nor free of gaps.
    features : ndarray of float32, shape (N, D), or of str, shape (N,)
        One row an interval; str for words. May hold NaN and infinities.
    """

    intervals: NDArray[np.float64]
    features: NDArray[Any]


class TrackFormat(Protocol):
    """How one file becomes a `Track`; a small frozen dataclass of its options.

    Attributes
    ----------
    kind : {"numbers", "words"}
    """

    kind: ClassVar[Kind]

    def columns(self, path: Path) -> tuple[str, ...]:
        """Return the names of the D features, from the file's head alone; none for words.

        Raises
        ------
        DataError
            If the file is not of this format.
        """

    def read(self, path: Path) -> Track:
        """Read the file.

        Raises
        ------
        DataError
            If it is missing, empty, damaged or not of this format.
        """


class TrackDataset(AbstractDataset[None, Track]):
    """Base of the Kedro datasets of one file a video; these only read.

    Parameters
    ----------
    filepath : str
    metadata : dict, optional
        Ignored here; read by Kedro's plug-ins.
    **options
        Those of the format.
    """

    format: ClassVar[type[TrackFormat]]

    def __init__(
        self, *, filepath: str, metadata: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self._path = Path(filepath)
        self._format = self.format(**options)
        self.metadata = metadata

    def load(self) -> Track:
        """Read the file; see its format's `read` for the errors."""
        return self._format.read(self._path)

    def save(self, data: None) -> None:
        """Refuse: such files come from other programs."""
        raise DataError(f"{self._path}: is read only, never written")

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "format": self._format}


def video_of(key: str) -> str:
    """Return the video of a key: ``abc`` for ``abc`` and for the segment ``abc[3]``."""
    match = _SEGMENT_KEY.fullmatch(key)
    return match["video"] if match else key


def regular_intervals(count: int, rate: float) -> NDArray[np.float64]:
    """Return the intervals of `count` frames at `rate` frames a second, from 0 s on."""
    edges = np.arange(count + 1) / rate
    return np.stack([edges[:-1], edges[1:]], axis=1)
