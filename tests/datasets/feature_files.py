"""Small feature files for tests, and what is asked of every reader of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfm_pipeline.datasets.track import Track, TrackFormat
from mfm_pipeline.errors import DataError

VALUES = np.array([[0.5, -2.0, np.nan], [np.inf, 1e-3, -np.inf], [3.0, 4.0, 7.0], [0, 0, 1]])

COMPLEX = np.ones((4, 3), dtype=complex)


OPENFACE = """frame, face_id, timestamp, confidence, success, AU01_r, x_0, X_0
1, 0, 0.000, 0.98, 1, 0.5, 10, 1
2, 0, 0.040, 0.00, 0, 0.0, 20, 2
3, 0, 0.080, 0.60, 1, 0.7, 30, 3
3, 1, 0.080, 0.90, 1, 0.8, 40, 4
4, 2, 0.120, 0.90, 1, 0.9, 50, 5
4, 1, 0.120, 0.90, 1, 1.0, 60, 6
4, 0, 0.120, 0.99, 0, 1.1, 70, 7
5, 0, 0.170, 0.30, 1, 1.2, 80, 8
"""


def check(track: Track, intervals: Any, features: Any) -> None:
    np.testing.assert_allclose(track.intervals, np.reshape(intervals, (-1, 2)), rtol=1e-12)
    np.testing.assert_array_equal(track.features, np.asarray(features, dtype=np.float32))
    assert track.intervals.dtype == np.float64 and track.features.dtype == np.float32
    assert track.features.flags.c_contiguous


def refuses(format: TrackFormat, path: Path, *fragments: str) -> None:
    with pytest.raises(DataError) as error:
        format.read(path)
    for fragment in (str(path), *fragments):
        assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
