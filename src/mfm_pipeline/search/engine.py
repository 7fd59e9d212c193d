"""Where fits are done: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, Protocol

import joblib
import torch

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.search.work import Result, Work, do
from mfm_pipeline.training import TrainingOptions

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Times that work is given to a process before it is held to be what kills it."""


class Engine(Protocol):
    """Does work elsewhere."""

    @property
    def workers(self) -> int:
        """How many pieces of work are done at once."""

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work."""

    def lost(self, error: BaseException) -> bool:
        """Return whether an error says that a process died, rather than what it did."""


@dataclass(frozen=True)
class Machines:
    """Where to work.

    Parameters
    ----------
    workers : int, optional
        Processes; by default one a core, or one a GPU.
    threads : int
        Of each process.
    cluster : str, optional
        Address of a Dask scheduler, in place of processes.
    """

    workers: int | None = None
    threads: int = 1
    cluster: str | None = None


def engine(
    corpus: Corpus, machines: Machines, training: TrainingOptions
) -> AbstractContextManager[Engine]:
    """Open a cluster, or processes of this machine.

    Raises
    ------
    ParameterError
        If there is no cluster at the address, or Dask is not installed.
    """
    if machines.cluster is not None:
        return _on_cluster(corpus, machines.cluster, machines.threads)
    return _on_this_machine(corpus, machines, training)


class _Processes:
    """Processes that read the corpus from one file, which they share in memory.

    Each is a pool of its own: one that dies takes no other's work with it.
    """

    def __init__(self, workers: int, corpus: Path, threads: int, gpus: int) -> None:
        self.workers = workers
        self._corpus, self._threads, self._gpus = corpus, threads, gpus
        self._pools: dict[int, Executor] = {}
        self._work: dict[int, Future[Result]] = {}

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work in a process that has none."""
        number = next(n for n in range(self.workers) if n not in self._work or self._ended(n))
        last = self._work.get(number)
        if last is not None and (error := last.exception()) and self.lost(error):
            self._pools.pop(number).shutdown()
        if number not in self._pools:
            self._pools[number] = ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._corpus, self._threads, number % self._gpus if self._gpus else None),
            )
        self._work[number] = self._pools[number].submit(_do_here, work)
        return self._work[number]

    def lost(self, error: BaseException) -> bool:
        """Return whether a process died."""
        return isinstance(error, BrokenProcessPool)

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def _ended(self, number: int) -> bool:
        return self._work[number].done()


@contextmanager
def _on_this_machine(
    corpus: Corpus, machines: Machines, training: TrainingOptions
) -> Iterator[Engine]:
    gpus = torch.cuda.device_count() if training.accelerator in ("auto", "gpu", "cuda") else 0
    workers = machines.workers or gpus or max(1, (os.cpu_count() or 1) // machines.threads)
    with tempfile.TemporaryDirectory(prefix="mfm_corpus_") as folder:
        path = Path(folder) / "corpus"
        joblib.dump(corpus, path)
        processes = _Processes(workers, path, machines.threads, gpus)
        try:
            yield processes
        finally:
            processes.close()


_CORPUS: Corpus


def _begin(corpus: Path, threads: int, gpu: int | None) -> None:
    """Set a new process up: its device, its threads, its data."""
    global _CORPUS
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    _quieten(threads)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # Copied on write: what nobody changes is in memory once.
    _CORPUS = joblib.load(corpus, mmap_mode="c")


def _quieten(threads: int) -> None:
    """Use so many threads, and say nothing: what matters is in each result."""
    torch.set_num_threads(threads)
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")


def _end_with(parent: int) -> None:
    """End this process when the one that began it is gone, however it went."""
    while os.getppid() == parent:
        sleep(1)
    os._exit(1)


def _do_here(work: Work) -> Result:
    return do(work, _CORPUS)


class _Cluster:
    """A Dask cluster, whose workers hold a copy of the corpus each."""

    def __init__(self, client: Any, corpus: Corpus, threads: int) -> None:
        self._client, self._corpus, self._threads = client, corpus, threads
        self._executor: Executor = client.get_executor(pure=False)
        self._scattered = self._scatter()

    @property
    def workers(self) -> int:
        """Threads of all workers that are there now, one at least."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work; Dask gives it to another worker if one dies."""
        if self._scattered.status in ("lost", "cancelled", "error"):
            self._scattered = self._scatter()
        return self._executor.submit(_do_there, work, self._scattered, self._threads)

    def lost(self, error: BaseException) -> bool:
        """Return whether workers died with it, or the data on them."""
        from distributed import CancelledError, KilledWorker

        return isinstance(error, CancelledError | KilledWorker)

    def _scatter(self) -> Any:
        return self._client.scatter(self._corpus, broadcast=True)


@contextmanager
def _on_cluster(corpus: Corpus, address: str, threads: int) -> Iterator[Engine]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ParameterError(
            f"baselines.cluster is {address}, and Dask is not installed; expected the extra: "
            'pip install "mfm_pipeline[cluster]"'
        ) from error
    try:
        # Dask has no types.
        connect: Any = Client
        client = connect(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"baselines.cluster is {address}: no Dask scheduler answers there; expected an "
            "address as dask scheduler prints it, tcp://host:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=60)
        log.info("Dask: %d worker(s) at %s", len(client.nthreads()), address)
        yield _Cluster(client, corpus, threads)
    except TimeoutError as error:
        raise ParameterError(
            f"baselines.cluster is {address}: the scheduler there has no workers; expected one "
            "or more: dask worker ADDRESS"
        ) from error
    finally:
        client.close()


def _do_there(work: Work, corpus: Corpus, threads: int) -> Result:
    _quieten(threads)
    return do(work, corpus)


def first_line(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
