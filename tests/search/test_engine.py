"""Work in other processes: as it would be done here, whatever becomes of the processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from mfm_pipeline.data import Corpus
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.search import engine as engines
from mfm_pipeline.search.engine import Machines, engine, error_of
from mfm_pipeline.search.work import Work, do
from mfm_pipeline.training import TrainingOptions
from tests.conftest import _make_corpus

LIMIT_S = 120
CORPUS = _make_corpus(sizes=(30, 16, 12))
TRAINING = TrainingOptions(seed=3, epochs=2, accelerator="cpu")


def work_of(name: str, seed: int = 3, **setting: Any) -> Work:
    training = TRAINING.model_copy(update={"seed": seed})
    return Work(name, setting, training, ModelOptions())


def children() -> set[int]:
    """Return the processes that this one began and that live."""
    return {process.pid for process in multiprocessing.active_children() if process.pid}


def test_processes_do_what_would_be_done_here_and_one_may_die(tmp_path: Path) -> None:
    """One session, as each process takes seconds to begin."""
    kept = list(Path(engines.tempfile.gettempdir()).glob("mfm_corpus_*"))
    with engine(CORPUS, Machines(workers=2), TRAINING) as workers:
        works = [work_of("ridge"), work_of("rf", trees=10)]
        futures = [workers.submit(work) for work in works]
        for work, future in zip(works, futures, strict=True):
            found, expected = future.result(LIMIT_S), do(work, CORPUS)
            assert found.state == "complete" and found.valid == expected.valid
            assert found.predictions is not None and expected.predictions is not None
            assert found.predictions.tobytes() == expected.predictions.tobytes()
            assert found.parameters == expected.parameters
        began = children()
        assert len(began) == 2
        # One is killed at its work: that is said to be lost, and the other goes on.
        long = workers.submit(work_of("rf", trees=20_000))
        short = workers.submit(work_of("ridge", seed=4))
        assert short.result(LIMIT_S).state == "complete" and not long.done()
        for pid in began:
            if _busy(pid):
                os.kill(pid, signal.SIGKILL)
        error = long.exception(LIMIT_S)
        assert error is not None and workers.lost(error)
        assert not workers.lost(ValueError("of the work itself"))
        # A new process takes its place.
        again = workers.submit(work_of("ridge", seed=5))
        assert again.result(LIMIT_S).state == "complete"
        assert len(children()) == 2
        # So it does for one that died while it had nothing to do.
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        while children():
            time.sleep(0.01)
        assert workers.submit(work_of("ridge", seed=6)).result(LIMIT_S).state == "complete"
        # Whatever they are at, they end with the block.
        unfinished = workers.submit(work_of("rf", trees=20_000))
        start = time.monotonic()
    assert time.monotonic() - start < 5 and unfinished.done()
    assert not children()
    assert list(Path(engines.tempfile.gettempdir()).glob("mfm_corpus_*")) == kept


def _busy(pid: int) -> bool:
    """Return whether a process has used the processor in the last instants."""
    before = _ticks(pid)
    time.sleep(0.3)
    return _ticks(pid) - before > 5


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_as_many_processes_as_cores_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(**machines: Any) -> int:
        with engine(CORPUS, Machines(**machines), TRAINING) as workers:
            return workers.workers

    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    assert (count(), count(threads=3), count(threads=16), count(workers=5)) == (8, 2, 1, 5)


THREADS = """
import json, threadpoolctl, torch
from mfm_pipeline.search.engine import _quieten
_quieten(1)
pools = {pool["user_api"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
print(json.dumps([torch.get_num_threads(), pools]))
"""


def test_every_library_of_a_process_keeps_to_its_threads() -> None:
    """In a new process, without the environment that bounds them in this one."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    found = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment, check=True
    )
    of_torch, pools = json.loads(found.stdout)
    assert of_torch == 1 and {"blas", "openmp"} <= set(pools)
    assert set(pools.values()) == {1}


@pytest.mark.parametrize(
    ("chosen", "expected"), [(None, ["0", "1"]), ("3,1", ["3", "1"]), ("GPU-a", ["GPU-a"])]
)
def test_one_process_a_gpu_among_those_that_were_chosen(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(expected))
    if chosen is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    with engine(CORPUS, Machines(), TrainingOptions()) as workers:
        assert workers.workers == len(expected)
        assert [workers._gpu(n) for n in range(4)] == (expected * 4)[:4]
    with engine(CORPUS, Machines(workers=3), TrainingOptions(accelerator="cpu")) as workers:
        assert workers.workers == 3 and workers._gpu(0) is None


def test_a_new_process_has_its_device_threads_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, but for the ways in which it would change it."""
    joblib.dump(CORPUS, tmp_path / "corpus")
    started: list[Any] = []
    monkeypatch.setattr(
        engines.threading,
        "Thread",
        lambda **made: SimpleNamespace(start=lambda: started.append(made)),
    )
    monkeypatch.setattr(engines, "_quieten", lambda threads: started.append(threads))
    monkeypatch.setattr(engines.tempfile, "tempdir", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(engines, "_CORPUS", None, raising=False)
    engines._begin(tmp_path / "corpus", 2, "3", "pipe")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3" and 2 in started
    assert engines.tempfile.gettempdir() == str(tmp_path)
    held = engines._CORPUS.train.modalities["language"].values
    assert isinstance(held, np.memmap)
    np.testing.assert_array_equal(held, CORPUS.train.modalities["language"].values)
    before = (tmp_path / "corpus").read_bytes()
    held[:] = 1  # What one process changes, no other sees.
    assert (tmp_path / "corpus").read_bytes() == before


# A cluster of separate processes.


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a starter of Dask's processes, which end with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*args: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        log = (tmp_path / f"{len(begun)}.log").open("wb")
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + args[0], *args[1:]],
                cwd=tmp_path, env=environment, stdout=log, stderr=log,
            )
        )  # fmt: skip
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def start_scheduler(spawned: Callable[..., subprocess.Popen[bytes]]) -> str:
    port = free_port()
    spawned("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return f"tcp://127.0.0.1:{port}"
        except OSError:
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.1)


def start_worker(
    spawned: Callable[..., subprocess.Popen[bytes]], address: str
) -> subprocess.Popen[bytes]:
    return spawned("dask_worker", address, "--no-nanny", "--nthreads", "2", "--no-dashboard")


def test_a_scheduler_with_two_workers_one_of_which_is_killed(
    spawned: Callable[..., subprocess.Popen[bytes]],
) -> None:
    address = start_scheduler(spawned)
    machines = Machines(cluster=address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "PATIENCE_S", 0.5)
        with (
            pytest.raises(ParameterError, match="has no workers; expected one or more"),
            engine(CORPUS, machines, TRAINING),
        ):
            pass
    first = start_worker(spawned, address)
    with engine(CORPUS, machines, TRAINING) as workers:
        works = [work_of("rf", seed, trees=300) for seed in range(4)]
        futures = [workers.submit(work) for work in works]
        wait(futures, LIMIT_S, return_when=FIRST_COMPLETED)
        # The data is on the first alone when it dies, and the second may not have it yet.
        start_worker(spawned, address)
        deadline = time.monotonic() + LIMIT_S
        while workers.workers < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        found = []
        for work, future in zip(works, futures, strict=True):
            for _ in range(engines.ATTEMPTS):
                assert wait([future], LIMIT_S).done, "no worker does it"
                error = error_of(future)
                if error is None:
                    break
                assert workers.lost(error), error
                future = workers.submit(work)
            found.append(future.result())
        assert workers.workers == 1
        unfinished = workers.submit(work_of("rf", trees=20_000))
        start = time.monotonic()
    # Whatever they are at, nobody waits for it.
    assert isinstance(unfinished.exception(LIMIT_S), CancelledError)
    assert time.monotonic() - start < 15
    # The same numbers, wherever and however often they were worked out: no two at once.
    for number in (0, 3):
        expected = do(works[number], CORPUS)
        assert found[number].valid == expected.valid
        assert found[number].predictions.tobytes() == expected.predictions.tobytes()


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "ANSWER_S", 1)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x", "tcp://"):
        with (
            pytest.raises(ParameterError) as caught,
            engine(CORPUS, Machines(cluster=address), TRAINING),
        ):
            pass
        assert "no Dask scheduler answers there" in str(caught.value)
        assert address in str(caught.value) and "\n" not in str(caught.value)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ParameterError, match=r"Dask is not installed; .*mfm_pipeline\[cluster\]"),
        engine(CORPUS, Machines(cluster="tcp://x:1"), TRAINING),
    ):
        pass


def test_work_on_one_process_of_a_cluster_is_done_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once, most = 0, 0

    def slow(work: Work, corpus: Corpus) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        at_once -= 1
        return "done"

    monkeypatch.setattr(engines, "do", slow)
    monkeypatch.setattr(engines, "_quieten", lambda threads: None)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(engines._do_there, work_of("ridge"), CORPUS, 1) for _ in range(4)]
    assert [future.result() for future in futures] == ["done"] * 4 and most == 1
