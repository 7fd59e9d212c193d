"""A small corpus with structure, and the real data where it lies."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Beside other workers each keeps to one core; read when torch is first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from mfm_pipeline.cli import run
from mfm_pipeline.data import Corpus, Modality, Split, Targets, Task

# `pytest -m mutations --hypothesis-profile=mutations` runs over 5,000 mutations of files.
# The deadline is one for what hangs: each takes milliseconds.
settings.register_profile("quick", max_examples=25, deadline=timedelta(seconds=10))
settings.register_profile("mutations", max_examples=400, deadline=timedelta(seconds=10))
settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in two processes, a file in one of them; some files as they are."""
    # A worker is given the same arguments, and has no workers of its own.
    if "PYTEST_XDIST_WORKER" in os.environ or config.option.usepdb:
        return
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and config.getoption("numprocesses", None) is None:
        config.option.numprocesses = 2
        config.option.dist = "loadfile"


ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

MakeCorpus = Callable[..., Corpus]


@pytest.fixture(scope="session")
def make_corpus() -> MakeCorpus:
    """Return a maker of corpora whose label is a function of every modality's mean."""
    return _make_corpus


def _make_corpus(
    *,
    task: Task = "regression",
    sizes: tuple[int, int, int] = (48, 16, 20),
    steps: int = 6,
    features: dict[str, int] | None = None,
    targets: int = 1,
    seed: int = 0,
) -> Corpus:
    rng = np.random.default_rng(seed)
    features = features or {"language": 5, "acoustic": 3, "visual": 4}
    loadings = {name: rng.normal(size=(2, d)) for name, d in features.items()}

    def split(name: str, n: int) -> Split:
        factor = rng.normal(size=(n, 2))
        start = rng.integers(0, steps - 1, size=n)
        used = np.arange(steps) >= start[:, None]
        modalities = {}
        for modality, d in features.items():
            present = rng.random(n) > 0.1
            mask = used & present[:, None] & (rng.random((n, steps)) > 0.05)
            mask[:, -1] = present
            values = factor[:, None] @ loadings[modality] + 0.3 * rng.normal(size=(n, steps, d))
            values = np.where(mask[..., None], values, 0).astype(np.float32)
            modalities[modality] = Modality(values, present, mask)
        signal = factor @ rng.normal(size=(2, targets)) if targets > 1 else factor[:, :1]
        return Split(
            modalities, _targets(task, signal), np.array([f"{name}_{i}" for i in range(n)])
        )

    names = ("train", "valid", "test")
    splits = {name: split(name, n) for name, n in zip(names, sizes, strict=True)}
    return Corpus("toy", splits, synthetic=True)


def _targets(task: Task, signal: np.ndarray) -> Targets:
    k = signal.shape[1]
    names = tuple(f"target_{i}" for i in range(k))
    if task == "multiclass":
        classes = np.digitize(signal[:, 0], (-0.5, 0.5)).astype(np.int64)
        return Targets(classes, ("low", "middle", "high"), task)
    if task == "multilabel":
        return Targets((signal > 0).astype(np.float32), names, task)
    return Targets((2 * signal + 1).astype(np.float32), names, task)


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a maker of Kedro projects with this one's code and configuration, and no data."""

    def make() -> Path:
        project = tmp_path_factory.mktemp("project")
        shutil.copy(ROOT / "pyproject.toml", project)
        shutil.copytree(ROOT / "conf", project / "conf")
        (project / "src").mkdir()
        bootstrap_project(project)
        return project

    return make


EPOCHS = 3
QUICK = f"training.epochs={EPOCHS},model.discriminative.latent=16,model.discriminative.factor=16"


def kedro_run(*args: str) -> Result:
    """Run a pipeline of the project in the current folder, as the command does."""
    pipelines.set_requested(None)
    return CliRunner().invoke(run, list(args), catch_exceptions=False)


def start_run(project: Path, *args: str) -> subprocess.Popen[bytes]:
    """Begin `kedro run` in a process, and a session, of its own, to be killed."""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", *args],
        cwd=project,
        env=environment | {"DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def finished(make_project: Callable[[], Path]) -> Path:
    """Return a project in which the main command has run once, quickly."""
    project = make_project()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        result = kedro_run("--pipeline=train_mfm", f"--params={QUICK}")
    assert result.exit_code == 0, result.output
    return project
