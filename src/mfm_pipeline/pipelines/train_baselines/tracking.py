"""What MLflow is told: every fit as a nested run, and how the models compare.

By the one process that leads.
"""

from __future__ import annotations

import time

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from mfm_pipeline.datasets.metrics import mlflow_keys
from mfm_pipeline.hooks import short
from mfm_pipeline.options import flatten
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.study import Fit
from mfm_pipeline.search.work import Result

FIT = "fit"
"""Tag that tells the fits of a run apart."""


class FitLog:
    """Runs inside the active one, if there is one; each fit once, though the run was broken off.

    A fit that was done again has the run of what came of it last.

    Parameters
    ----------
    results : ResultStore
    """

    def __init__(self, results: ResultStore) -> None:
        self._results, self._parent = results, mlflow.active_run()
        self._logged: dict[str, Run] = {}
        if self._parent is not None:
            runs = mlflow.search_runs(
                [self._parent.info.experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self._parent.info.run_id}'",
                output_format="list",
            )
            self._logged = {run.data.tags.get(FIT, ""): run for run in runs if _ended(run)}
            for run in runs:
                if not _ended(run):
                    mlflow.delete_run(run.info.run_id)

    def log(self, fit: Fit, result: Result) -> None:
        """Write a finished fit, unless it is there."""
        if self._parent is None:
            return
        name = f"{self._results.key(fit.work)}/{fit.trial}"
        tags = {FIT: name, "state": result.state, "error": result.error}
        if (before := self._logged.pop(name, None)) is not None:
            if all(before.data.tags.get(key, "") == value for key, value in tags.items()):
                return
            mlflow.delete_run(before.info.run_id)
        client, work = mlflow.MlflowClient(), fit.work
        end = int(time.time() * 1000)
        what = f"trial {fit.trial}" if fit.trial >= 0 else f"seed {work.training.seed}"
        run = client.create_run(
            self._parent.info.experiment_id,
            start_time=end - int(result.seconds * 1000),
            tags={
                MLFLOW_PARENT_RUN_ID: self._parent.info.run_id,
                MLFLOW_RUN_NAME: f"{work.name}, {what}",
            },
        )
        values = {"model": work.name, "seed": work.training.seed, "trial": fit.trial}
        parameters = [*values.items(), *flatten("setting", dict(work.setting))]
        numbers = {"seconds": result.seconds, "parameters": result.parameters}
        numbers |= {f"valid/{key}": value for key, value in result.valid.items()}
        client.log_batch(
            run.info.run_id,
            params=[Param(key, short(value)) for key, value in parameters],
            metrics=[
                Metric(key, float(value), end, 0) for key, value in mlflow_keys(numbers).items()
            ],
            tags=[RunTag(key, value) for key, value in tags.items() if value],
        )
        status = "FAILED" if result.state == "failed" else "FINISHED"
        client.set_terminated(run.info.run_id, status, end)


def _ended(run: Run) -> bool:
    """Return whether a run was written whole, rather than broken off."""
    return bool(run.info.status != "RUNNING")


def log_comparison(comparison: pd.DataFrame) -> None:
    """Write each model's score on test into the active run: ``test/r/rf``; without one, nothing.

    Parameters
    ----------
    comparison : DataFrame
        Rows as `compare` returns them.
    """
    if mlflow.active_run() is None:
        return
    rows = comparison[comparison["compared"] != ""].to_dict("records")
    mlflow.log_metrics(
        {f"test/{row['compared']}/{row['model']}": row[row["compared"]] for row in rows}
    )
