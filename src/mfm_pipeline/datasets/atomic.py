"""Files appear whole or not at all, even if the process is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Hand out a temporary name and move what was written there to `path`.

    The temporary name begins with a dot and lies in the same folder, so the move
    is atomic and no listing of raw files shows it. If the block fails, the
    temporary file is removed and `path` stays as it was.

    Parameters
    ----------
    path : Path
        The file to be written; missing folders are created.

    Yields
    ------
    Path
        Where to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
