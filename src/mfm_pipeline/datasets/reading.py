"""One error for a file that is missing or damaged, whatever library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mfm_pipeline.errors import DataError, MfmError


def check_file(path: Path, expected: str) -> None:
    """Check that `path` is a file with something in it.

    Parameters
    ----------
    path : Path
    expected : str
        What it should be, for the message: ``an HDF5 file``.

    Raises
    ------
    DataError
        If it is missing or empty.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {expected}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: found an empty file (0 bytes); expected {expected}")


@contextmanager
def reading(path: Path, field: str, expected: str = "an intact HDF5 file") -> Iterator[None]:
    """Turn any failure to read `field` of `path` into a `DataError`.

    Libraries raise OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError
    and others for damaged files, hence the broad clause.
    """
    try:
        yield
    except MfmError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: {field}: found damaged data ({reason}); expected {expected}"
        ) from error
