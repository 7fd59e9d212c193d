"""Work on one video at a time, on all cores, and never twice.

What a video comes to is kept in a file named by a digest of all that it depends on: what
the raw files hold of this video, and the parameters. So a changed file costs its own
videos alone, and a run that was killed goes on where it was.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from joblib import Parallel, cpu_count, delayed
from tqdm.auto import tqdm

from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.datasets.stream import Stream, stamp
from mfm_pipeline.ingestion.work import Arrays, Work, do_chunk, part_name, write_part

logger = logging.getLogger(__name__)

_INDEX = "index.json"
#: Bytes read by one task: enough to outweigh its start, few enough to show progress.
_CHUNK = 32 * 2**20
#: A process without work ends after so long.
_IDLE_SECONDS = 5
#: Below so many bytes, processes take longer to start than to work.
_WORTH_PROCESSES = 256 * 2**20


class Parts:
    """Results of `Work`, kept in a folder.

    Parameters
    ----------
    folder : Path
    workers : int, optional
        Processes; by default one a core where there is enough to do.
    """

    #: Of how many videos the work was done for the last results.
    done = 0

    def __init__(self, folder: Path, workers: int | None = None) -> None:
        self._folder = folder
        self._workers = workers
        self._index = _read_index(folder / _INDEX)
        self._used: set[str] = set()

    def results(
        self, stream: Stream, works: Mapping[str, Work], label: str
    ) -> Iterator[tuple[str, Arrays]]:
        """Do what is not done yet; give the results of all, in the order of `works`.

        Parameters
        ----------
        stream : Stream
        works : mapping of str to Work
            By video; each is one of the stream's.
        label : str
            Of the progress bar.

        Yields
        ------
        (str, dict of str to ndarray)
            Video, and its result.
        """
        names = {
            video: part_name(stream, known, works[video])
            for video in works
            if (known := self._known_digest(stream, video))
        }
        missing = [v for v in works if v not in names or not self._path(names[v]).exists()]
        self.done = 0
        if missing:
            there = {path.stem for path in self._folder.glob("*.npz")}
            names |= self._do(stream, {video: works[video] for video in missing}, label)
            self.done = sum(names[video] not in there for video in missing)
        for video, work in works.items():
            self._used.add(names[video])
            yield video, self._load(stream, video, work, names[video])

    def prune(self) -> None:
        """Remove the parts that nothing has asked for, and what a killed run left."""
        for path in [*self._folder.glob("*.npz"), *self._folder.glob(".*.tmp")]:
            if path.stem not in self._used:
                path.unlink(missing_ok=True)

    def _do(self, stream: Stream, works: Mapping[str, Work], label: str) -> dict[str, str]:
        """Do `works`; return the names of their parts."""
        chunks = list(_chunks(stream, list(works)))
        size = sum(stream.size_of(video) for video in works)
        workers = self._workers or (cpu_count() if size > _WORTH_PROCESSES else 1)
        workers = min(workers, len(chunks))
        tasks = (
            delayed(do_chunk)(
                stream.source(chunk), {video: works[video] for video in chunk}, self._folder
            )
            for chunk in chunks
        )
        # Silent where there is no terminal; elsewhere one line, redrawn.
        bar = tqdm(total=len(works), desc=label, unit="video", ncols=80, leave=False, disable=None)
        names = {}
        # Idle processes go: what comes after the frames needs the memory.
        pool = Parallel(
            n_jobs=workers, return_as="generator_unordered", idle_worker_timeout=_IDLE_SECONDS
        )
        with bar, pool as run:
            for digests in run(tasks):
                bar.update(len(digests))
                for video, digest in digests.items():
                    self._remember(stream, video, digest)
                    names[video] = part_name(stream, digest, works[video])
        with replacing(self._folder / _INDEX) as path:
            path.write_text(json.dumps(self._index))
        return names

    def _known_digest(self, stream: Stream, video: str) -> str | None:
        known = self._index.get(_index_key(stream, video))
        if known is None or known["stamps"] != _stamps(stream, video):
            return None
        return str(known["digest"])

    def _remember(self, stream: Stream, video: str, digest: str) -> None:
        entry = {"stamps": _stamps(stream, video), "digest": digest}
        self._index[_index_key(stream, video)] = entry

    def _load(self, stream: Stream, video: str, work: Work, name: str) -> Arrays:
        try:
            return _read_part(self._path(name))
        except (OSError, ValueError, EOFError, BadZipFile, KeyError):
            # Half of it survived a power cut, say.
            result = work(stream.read_video(video))
            write_part(self._path(name), result)
            self.done += 1
            return result

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"


def _chunks(stream: Stream, videos: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for video in videos:
        chunk.append(video)
        size += stream.size_of(video)
        if size > _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _index_key(stream: Stream, video: str) -> str:
    return f"{stream.path}\n{video}"


def _stamps(stream: Stream, video: str) -> list[list[int]]:
    return [list(stamp(path)) for path in stream.files_of(video)]


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        k: v for k, v in index.items() if isinstance(v, dict) and {"stamps", "digest"} <= v.keys()
    }


def _read_part(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)
