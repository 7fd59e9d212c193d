"""One MLflow run a Kedro run: its parameters, its tags, and how it is resumed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock, Timeout
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from mfm_pipeline.config import DIGITS, SAMPLE_CORPUS
from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.errors import ParameterError
from mfm_pipeline.options import flatten

LONGEST_PARAMETER = 500
# Of a namespace, too: says what a run is, not what it does.
NOT_TRACKED = "training.resume"
# May differ between a run and its continuation: how much is done, and where.
CHANGEABLE = tuple(
    f"baselines.{name}"
    for name in ("models", "trials", "minutes", "seeds", "workers", "threads", "cluster")
) + tuple(f"baseline_comparison.{name}" for name in ("draw", "resamples", "level", "seed"))
# Blocks that may hold anything: what is added or left out is a change as well.
OPEN = ("baselines.settings", "baselines.spaces")
# Folders of states to go on from, by the last part of their names in the catalog, or its end.
TRIALS, CHECKPOINTS = "trials", "checkpoints"
RUN_FILE = "mlflow_run.json"
LOCK_FILE = ".lock"
STORE_LOCK_FILE = "mlflow.db.lock"

Catalog = CatalogProtocol[Any, Any]

log = logging.getLogger(__name__)
# MLflow talks of its database tables at every start.
logging.getLogger("mlflow").setLevel(logging.WARNING)


class TrackingHook(MlflowHook):  # type: ignore[misc]
    """kedro-mlflow's hook, with flat parameters and runs that can be resumed.

    A training pipeline has an input ``checkpoints`` (of several trainings ``trials``, or
    ``<name>_checkpoints``), a folder; the MLflow run it belongs to is written there, and
    ``resume=true`` opens that run again.

    Raises
    ------
    ParameterError
        If a run is resumed with parameters other than those it began with, or another run is
        at work in the same folder.
    """

    _lock: FileLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Open the store. The first run makes its tables, and others wait for them."""
        with FileLock(context.project_path / STORE_LOCK_FILE):
            super().after_context_created(context)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Catalog
    ) -> None:
        """Open the run (or the one to resume) and log every parameter of the pipeline."""
        name = _checkpoints(pipeline)
        folder: Path | None = catalog.load(name) if name else None
        self._release()
        if folder is not None:
            self._lock = _locked(folder)
        resumed = _run_to_resume(catalog, name, folder)
        self.mlflow_config.tracking.run.id = resumed
        parameters = _flat_parameters(pipeline, catalog)
        if resumed:
            _check_unchanged(resumed, parameters)
        super().before_pipeline_run(run_params, pipeline, catalog)
        if folder is not None:
            with replacing(folder / RUN_FILE) as path:
                path.write_text(json.dumps({"run_id": self.run_id}))
        mlflow.log_params({k: v for k, v in parameters.items() if k not in CHANGEABLE})
        mlflow.set_tags({k: v for k, v in parameters.items() if k in CHANGEABLE})
        mlflow.set_tag("corpus", _corpus(catalog, pipeline))

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: Catalog, inputs: dict[str, Any], is_async: bool
    ) -> None:
        """Open the run in the node's thread, unless it is; parameters are logged already."""
        active = mlflow.active_run()
        if active is None or active.info.run_id != self.run_id:
            super().before_node_run(node, catalog, {}, is_async)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Catalog
    ) -> None:
        """Close the run, and say where it is to be seen."""
        super().after_pipeline_run(run_params, pipeline, catalog)
        self._release()
        uri = self.mlflow_config.server.mlflow_tracking_uri
        log.info("MLflow run %s; to see it: mlflow ui --backend-store-uri %s", self.run_id, uri)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: Catalog
    ) -> None:
        """Mark the run as failed."""
        super().on_pipeline_error(error, run_params, pipeline, catalog)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release(force=True)
            self._lock = None


def _locked(folder: Path) -> FileLock:
    """Return a lock on a folder, which ends with this process at the latest."""
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ParameterError(
            f"{folder}: another run is at work there; expected one at a time: wait for its end"
        ) from error
    return lock


def _checkpoints(pipeline: Pipeline) -> str | None:
    """Return the name of the folder of checkpoints, in a namespace or not.

    None without the parameters of training, which say whether to resume.
    """
    for name in sorted(pipeline.inputs()):
        last = name.split(".")[-1]
        folder = last == TRIALS or last.endswith(CHECKPOINTS)
        if folder and _training_of(name) in pipeline.inputs():
            return name
    return None


def _training_of(folder: str) -> str:
    """Return the name of the parameters of training beside a folder of checkpoints."""
    return f"params:{folder.removesuffix(folder.split('.')[-1])}training"


def _corpus(catalog: Catalog, pipeline: Pipeline) -> str:
    """Return the name of the corpus; the digits of conf/base have one of their own."""
    corpus: str = catalog.load("params:ingestion.corpus")
    names = [name.removeprefix("params:") for name in pipeline.datasets()]
    digits = any(name.startswith(f"{DIGITS}.") for name in names)
    return DIGITS if digits and corpus == SAMPLE_CORPUS else corpus


def _run_to_resume(catalog: Catalog, name: str | None, folder: Path | None) -> str | None:
    if name is None or folder is None:
        return None
    if not catalog.load(_training_of(name)).resume:
        return None
    path = folder / RUN_FILE
    if not path.exists():
        log.warning("resume: there is no run to go on with; this one starts anew")
        return None
    run_id: str = json.loads(path.read_text())["run_id"]
    return run_id


def _flat_parameters(pipeline: Pipeline, catalog: Catalog) -> dict[str, str]:
    """Return the parameters of a pipeline's nodes, one entry a leaf."""
    flat: dict[str, str] = {}
    for name in sorted(pipeline.inputs()):
        if name.startswith("params:"):
            for key, value in flatten(name.removeprefix("params:"), catalog.load(name)):
                flat[key] = short(value)
    return {key: value for key, value in flat.items() if not key.endswith(NOT_TRACKED)}


def short(value: Any) -> str:
    """Return a parameter as MLflow may take it."""
    text = str(value)
    return text if len(text) <= LONGEST_PARAMETER else f"{len(value)} values"


def _check_unchanged(run_id: str, parameters: Mapping[str, str]) -> None:
    before = mlflow.get_run(run_id).data.params
    # Of other parts of a pipeline a run may have had more or fewer.
    names = parameters.keys() & before.keys()
    if any(name.startswith(OPEN) for name in parameters):
        names |= {name for name in {*parameters, *before} if name.startswith(OPEN)}
    for name in sorted(names):
        value, was = parameters.get(name, "not set"), before.get(name, "not set")
        if value != was:
            raise ParameterError(
                f"resume: {name} is {value}, but was {was} in the run to go on with; "
                "start without resume, or with the parameters it began with"
            )
