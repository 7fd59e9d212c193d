"""Where fits are done: in processes on this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import joblib
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import ParameterError, TrainingError
from mfm_pipeline.search.work import Result, Work, do
from mfm_pipeline.training import TrainingOptions

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Times that work is given to a process before it is held to be what kills it."""
ANSWER_S = 10
"""How long a cluster may take to answer."""
MOST_WORKERS = 1024
"""Of a cluster, at once."""
PATIENCE_S = 60
"""How long a cluster may take to have its first worker."""


class Engine(Protocol):
    """Does work elsewhere."""

    @property
    def workers(self) -> int:
        """How many pieces of work are done at once."""

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work."""

    def lost(self, error: BaseException) -> bool:
        """Return whether an error says that a process died, rather than what it did."""

    def check(self) -> None:
        """Say what is in the way of work that takes long, if anything."""


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

    Each is a pool of its own: one that dies takes no other's work with it. None outlives this
    one, however it ends: each holds an end of a pipe, the other end of which is here alone.
    """

    def __init__(self, workers: int, corpus: Path, threads: int, gpus: Sequence[str]) -> None:
        self.workers = workers
        self._corpus, self._threads, self._gpus = corpus, threads, gpus
        self._context = multiprocessing.get_context("spawn")
        self._their_end, self._our_end = self._context.Pipe(duplex=False)
        self._pools: dict[int, Executor] = {}
        self._work: dict[int, Future[Result]] = {}

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work in a process that has none."""
        number = next(n for n in range(self.workers) if n not in self._work or self._ended(n))
        last = self._work.get(number)
        if last is not None and (error := last.exception()) and self.lost(error):
            self._pools.pop(number).shutdown()
        with _interrupts_held_back():
            try:
                self._work[number] = self._pool(number).submit(_do_here, work)
            except BrokenProcessPool:
                # It died while it had nothing to do.
                self._pools.pop(number).shutdown()
                self._work[number] = self._pool(number).submit(_do_here, work)
        return self._work[number]

    def lost(self, error: BaseException) -> bool:
        """Return whether a process died."""
        return isinstance(error, BrokenProcessPool)

    def check(self) -> None:
        """Say nothing: what dies here is seen at once."""

    def close(self) -> None:
        """End the processes, whatever they are at."""
        if not all(work.done() for work in self._work.values()):
            self._our_end.close()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._our_end.close()
        self._their_end.close()

    def _pool(self, number: int) -> Executor:
        """Return a process, which begins with its first work."""
        if number not in self._pools:
            self._pools[number] = ProcessPoolExecutor(
                1,
                mp_context=self._context,
                initializer=_begin,
                initargs=(self._corpus, self._threads, self._gpu(number), self._their_end),
            )
        return self._pools[number]

    def _gpu(self, number: int) -> str | None:
        return self._gpus[number % len(self._gpus)] if self._gpus else None

    def _ended(self, number: int) -> bool:
        return self._work[number].done()


@contextmanager
def _on_this_machine(
    corpus: Corpus, machines: Machines, training: TrainingOptions
) -> Iterator[Engine]:
    gpus = _gpus() if training.accelerator in ("auto", "gpu", "cuda") else []
    # Of the cores that this process may use.
    workers = machines.workers or len(gpus) or max(1, joblib.cpu_count() // machines.threads)
    with tempfile.TemporaryDirectory(prefix="mfm_corpus_", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "corpus"
        joblib.dump(corpus, path)
        processes = _Processes(workers, path, machines.threads, gpus)
        try:
            yield processes
        finally:
            processes.close()


def _gpus() -> list[str]:
    """Return the GPUs that there are, as CUDA_VISIBLE_DEVICES names them."""
    count = torch.cuda.device_count()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",")[:count] if chosen else [str(number) for number in range(count)]


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let processes that are begun here ignore Ctrl-C, which is for this one to act on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_CORPUS: Corpus


def _begin(corpus: Path, threads: int, gpu: str | None, parent: Connection) -> None:
    """Set a new process up: its device, its threads, its data."""
    global _CORPUS
    # Whatever is written meanwhile goes with the corpus.
    tempfile.tempdir = str(corpus.parent)
    threading.Thread(target=_end_with, args=(parent, corpus.parent), daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    _quieten(threads)
    # Copied on write: what nobody changes is in memory once.
    _CORPUS = joblib.load(corpus, mmap_mode="c")


def _quieten(threads: int) -> None:
    """Use so many threads, and say nothing: what matters is in each result."""
    torch.set_num_threads(threads)
    # Of linear algebra and of trees, for as long as the process lives.
    threadpool_limits(threads)
    # A lock among processes is never given back by one that is ended.
    tqdm.set_lock(threading.RLock())
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")


def _end_with(parent: Connection, folder: Path) -> None:
    """End this process when the one that began it is gone or wants no more."""
    # Nothing is ever sent: this is the end of the pipe.
    wait([parent])
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _do_here(work: Work) -> Result:
    return do(work, _CORPUS)


class _Cluster:
    """A Dask cluster, whose workers hold a copy of the corpus each.

    Each does one piece of work at a time, however many threads it has: what is drawn at
    random is drawn from one state a process.
    """

    def __init__(self, client: Any, address: str, corpus: Corpus, threads: int) -> None:
        self._client, self._address = client, address
        self._corpus, self._threads = corpus, threads
        # Dask's own executor leaves a future open for ever if the worker that holds its result
        # dies just as that is fetched.
        self._waiting = ThreadPoolExecutor(MOST_WORKERS, thread_name_prefix="fit")
        self._scattered: Any = None

    @property
    def workers(self) -> int:
        """How many workers there are now, one at least."""
        return max(1, len(self._client.nthreads()))

    def submit(self, work: Work) -> Future[Result]:
        """Begin a piece of work; Dask gives it to another worker if one dies.

        Raises
        ------
        TrainingError
            If the scheduler is gone.
        """
        if self._client.status != "running":
            raise TrainingError(
                f"baselines.cluster is {self._address}: the Dask scheduler there is gone; what is "
                "finished is kept: with resume=true the search goes on"
            )
        if self._scattered is None:
            self._scattered = self._scatter()
        task = self._client.submit(_do_there, work, self._scattered, self._threads, pure=False)
        return self._waiting.submit(task.result)

    def lost(self, error: BaseException) -> bool:
        """Return whether workers died with it, or the data on them, which is then sent anew."""
        from distributed import KilledWorker

        lost = isinstance(error, CancelledError | KilledWorker)
        if lost:
            self._scattered = None
        return lost

    def check(self) -> None:
        """Say if there is no worker."""
        if self._client.status == "running" and not self._client.nthreads():
            log.warning("Dask: no worker is left at %s; expected one to come", self._address)

    def close(self) -> None:
        """End what is being waited for, and forget the work."""
        self._client.close()
        self._waiting.shutdown(wait=False, cancel_futures=True)

    def _scatter(self) -> Any:
        self.check()
        self._client.wait_for_workers(1)
        # By a name of its own each time: one that was lost cannot be had again.
        return self._client.scatter(self._corpus, broadcast=True, hash=False)


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
        client = connect(address, timeout=f"{ANSWER_S}s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"baselines.cluster is {address}: no Dask scheduler answers there; expected an "
            "address as dask scheduler prints it, tcp://host:8786"
        ) from error
    cluster = _Cluster(client, address, corpus, threads)
    try:
        _wait_for_workers(client, address)
        yield cluster
    finally:
        cluster.close()


def _wait_for_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError as error:
        raise ParameterError(
            f"baselines.cluster is {address}: the scheduler there has no workers; expected one "
            "or more: dask worker ADDRESS"
        ) from error
    log.info("Dask: %d worker(s) at %s", len(client.nthreads()), address)


_ONE_AT_A_TIME = threading.Lock()


def _do_there(work: Work, corpus: Corpus, threads: int) -> Result:
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        _quieten(threads)
        try:
            return do(work, corpus)
        finally:
            # The worker has things of its own to say.
            logging.disable(logging.NOTSET)


def error_of(future: Future[Result]) -> BaseException | None:
    """Return what went wrong with the work itself or where it was done; None if nothing did."""
    try:
        return future.exception()
    except CancelledError as error:
        # By the cluster: the data that it needs is lost.
        return error


def first_line(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
