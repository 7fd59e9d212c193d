"""Every fit as a nested MLflow run, written by the one process that leads."""

from __future__ import annotations

import time

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from mfm_pipeline.hooks import short
from mfm_pipeline.options import flatten
from mfm_pipeline.search.study import Fit
from mfm_pipeline.search.work import Result


def log_fit(fit: Fit, result: Result) -> None:
    """Write a finished fit into a run inside the active one, if there is one."""
    parent = mlflow.active_run()
    if parent is None:
        return
    client = mlflow.MlflowClient()
    work = fit.work
    end = int(time.time() * 1000)
    what = f"trial {fit.trial}" if fit.trial >= 0 else f"seed {work.training.seed}"
    run = client.create_run(
        parent.info.experiment_id,
        start_time=end - int(result.seconds * 1000),
        tags={
            MLFLOW_PARENT_RUN_ID: parent.info.run_id,
            MLFLOW_RUN_NAME: f"{work.name}, {what}",
        },
    )
    values = {"model": work.name, "seed": work.training.seed, "trial": fit.trial}
    parameters = [*values.items(), *flatten("setting", dict(work.setting))]
    numbers = {"seconds": result.seconds, "parameters": result.parameters}
    numbers |= {f"valid/{key}": value for key, value in result.valid.items()}
    client.log_batch(
        run.info.run_id,
        params=[Param(name, short(value)) for name, value in parameters],
        metrics=[Metric(name, float(value), end, 0) for name, value in numbers.items()],
        tags=[RunTag("state", result.state), RunTag("error", result.error)],
    )
    status = "FAILED" if result.state == "failed" else "FINISHED"
    client.set_terminated(run.info.run_id, status, end)
