"""What may not happen while damaged files are read, however they are damaged."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Any

import pytest

MAX_MEMORY = 2**30
_RUNS_SOMETHING = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
    | {"ctypes.dlopen", "pickle.find_class", "socket.connect"}
)
_events: list[str] = []


def _note(event: str, _: tuple[Any, ...]) -> None:
    if event in _RUNS_SOMETHING:
        _events.append(event)


# Never removed again, as Python has no way to; and it can't raise, as readers catch much.
sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def nothing_runs_and_memory_is_bounded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check each test of mutations, hypothesis' examples together."""
    if request.node.get_closest_marker("mutations") is None:
        yield
        return
    before = _peak_memory()
    _events.clear()
    yield
    assert _events == []
    assert _peak_memory() - before < MAX_MEMORY


def _peak_memory() -> int:
    """Return the most bytes that the process has had, of which HDF5's and zlib's are part."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
