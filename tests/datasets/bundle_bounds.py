"""Reading a bundle, and all that is in it: within bounds of time and memory, or refused."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mfm_pipeline.datasets.bundle import Bundle
from mfm_pipeline.errors import DataError

MAX_SECONDS, MAX_MEMORY = 10, 2**29


@contextmanager
def within_bounds() -> Iterator[None]:
    """Check time, memory and warnings, of data as of an error."""
    start = time.process_time()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MAX_MEMORY
        assert time.process_time() - start < MAX_SECONDS


def read_bundle(read: Callable[[Path], Bundle], path: Path) -> None:
    try:
        with within_bounds():
            bundle = read(path)
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    use_all(bundle, path)


def use_all(bundle: Bundle, path: Path) -> None:
    assert list(bundle.splits) == ["train", "valid", "test"]
    for split, stored in bundle.splits.items():
        uses = [lambda split=split: bundle.text(split), lambda split=split: bundle.ids(split)]
        uses += [lambda split=split: bundle.groups(split)]
        for name in list(stored):
            uses += [
                lambda name=name, split=split: bundle.array(name, split),
                lambda name=name, split=split: bundle.lengths(name, split),
            ]
        for use in uses:
            _use(use, path)


def _use(use: Callable[[], Any], path: Path) -> None:
    try:
        with within_bounds():
            found = use()
    except DataError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return
    if isinstance(found, list):
        assert all(type(text) is str for text in found)
    elif found is not None:
        assert found.dtype.kind in "fiU" and found.dtype.isnative
