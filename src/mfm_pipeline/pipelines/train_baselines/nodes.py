"""Nodes that search every model's setting by equal budgets, and fit the best with several seeds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from math import ceil
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import optuna
import pandas as pd
from optuna.storages import BaseStorage, get_storage
from tqdm import tqdm

from mfm_pipeline.baselines import BASELINES
from mfm_pipeline.baselines.adapt import obstacle
from mfm_pipeline.baselines.criterion import criterion_of
from mfm_pipeline.data import Corpus
from mfm_pipeline.datasets.atomic import replacing
from mfm_pipeline.errors import ParameterError, TrainingError
from mfm_pipeline.evaluation import EvaluationOptions
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.options import key_of, without_password
from mfm_pipeline.pipelines.provenance import stated
from mfm_pipeline.pipelines.tags import tag_run
from mfm_pipeline.pipelines.train_baselines.comparison import NOT_APPLICABLE
from mfm_pipeline.pipelines.train_baselines.options import BaselineSearchOptions
from mfm_pipeline.pipelines.train_baselines.tracking import FitLog
from mfm_pipeline.pipelines.trials import fingerprint, remove_folders
from mfm_pipeline.search.engine import ATTEMPTS, PATIENCE_S, Engine, engine, error_of, first_line
from mfm_pipeline.search.results import ResultStore
from mfm_pipeline.search.study import Budget, Fit, ModelSearch
from mfm_pipeline.search.work import Result, Work, decided, scores
from mfm_pipeline.training import TrainingOptions

log = logging.getLogger(__name__)

STUDIES, NAME = "studies.db", "name"


def search(
    corpus: Corpus,
    model: ModelOptions,
    training: TrainingOptions,
    evaluation: EvaluationOptions,
    options: BaselineSearchOptions,
    place: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let every model search its setting on valid, and fit its best one with every seed.

    With ``training.resume`` a search that was broken off goes on: studies and results lie
    in `place`.

    Returns
    -------
    trials : DataFrame
        A row a fit: ``model``, ``label``, ``family``, ``state`` (``complete``, ``pruned``,
        ``failed``; ``n/a`` for a model that cannot learn the task), ``final`` (a seed of the
        best setting), ``trial`` (-1 for further seeds), ``seed``, ``setting`` (JSON),
        ``parameters``, ``seconds``, ``error``, ``valid/<metric>``, and of final ones
        ``test/<metric>``; stated, see `provenance.stated`.
    predictions : DataFrame
        Of final fits on test: ``model``, ``seed``, ``id``, ``target`` (empty for classes),
        ``true`` and ``predicted`` values, class indices, or 0 and 1.

    Raises
    ------
    ParameterError
        If a parameter names what is not there, or only models that cannot learn the task.
    TrainingError
        If no model could be fitted.
    """
    tag_run(corpus)
    model.check_modalities((*corpus.train.modalities, *corpus.left_out))
    targets, sentiment = corpus.train.targets, evaluation.sentiment
    if training.monitor == "valid/error":
        # Not every model has it, and all are to be chosen alike.
        training = training.model_copy(update={"monitor": "valid/task"})
    obstacles = {name: obstacle(BASELINES[name], targets, sentiment) for name in options.models}
    chosen = [name for name, why in obstacles.items() if not why]
    if not chosen:
        reasons = "; ".join(f"{name} {why}" for name, why in obstacles.items())
        raise ParameterError(
            f"baselines.models: none can learn what corpus {corpus.name} has: {reasons}"
        )
    data = fingerprint(corpus)
    results = ResultStore(place, data)
    searches = {}
    with engine(corpus, options.machines, training) as workers:
        database, storage = _database(options.storage, place, training.resume)
        own = _own_name(place)
        for name in chosen:
            template = Work(
                name, {}, training.model_copy(update={"resume": False}), model, sentiment
            )
            default, space = options.default_of(name), options.space_of(name)
            criterion = criterion_of(BASELINES[name], targets, sentiment)
            content: list[Any] = [data, criterion.metrics, dict(criterion.units)]
            content += [one.model_dump(mode="json") for one in (template.training, model, default)]
            content += [{field: one.model_dump() for field, one in space.items()}]
            searches[name] = ModelSearch(
                template,
                default,
                space,
                Budget(options.trials, options.minutes, options.seeds, options.pruning),
                criterion=criterion,
                study=_study(
                    database, f"{corpus.name}/{name}/{own}/{key_of(content)}", training.resume
                ),
                storage=storage,
                results=results,
            )
        _run(searches, workers, results)
    rows = [
        row
        for name, why in obstacles.items()
        for row in _rows(name, searches.get(name), corpus, why)
    ]
    if not any(row["final"] for row in rows):
        errors = "; ".join(f"{row['model']}: {row['error']}" for row in rows if row["error"])
        raise TrainingError(f"no model could be fitted to corpus {corpus.name}: {errors}")
    table = stated(
        pd.DataFrame(rows),
        corpus,
        seeds=range(training.seed, training.seed + options.seeds),
        settings={"model": model, "training": training, "baselines": options},
    )
    return table, _predictions(searches, corpus)


def _own_name(place: Path) -> str:
    """Return what tells the studies of this folder from those of others in one database."""
    path = place / NAME
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(uuid4().hex[:16])
    return path.read_text()


def _study(database: BaseStorage, name: str, resume: bool) -> optuna.Study:
    if not resume and name in optuna.get_all_study_names(database):
        optuna.delete_study(study_name=name, storage=database)
    return optuna.create_study(
        storage=database, study_name=name, direction="maximize", load_if_exists=True
    )


def _database(storage: str | None, place: Path, resume: bool) -> tuple[BaseStorage, str]:
    """Return the database of the studies and its URL; without `resume` earlier work is removed.

    Last of all that may fail: a wrong address costs nobody what was finished.
    """
    if storage is None:
        storage = f"sqlite:///{(place / STUDIES).resolve()}"
        if not resume:
            (place / STUDIES).unlink(missing_ok=True)
    try:
        database = get_storage(storage)
    except Exception as error:
        found = without_password(f"baselines.storage is {storage}: {first_line(error)}")
        raise ParameterError(
            f"{found}; expected the URL of a database that can be reached, sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    if not resume:
        remove_folders(place)
    return database, storage


def _run(searches: Mapping[str, ModelSearch], workers: Engine, results: ResultStore) -> None:
    """Keep all workers busy until every search is finished."""
    pending: dict[Future[Result], tuple[ModelSearch, Fit, int]] = {}
    total = sum(search.planned for search in searches.values())
    tracked = FitLog(results)
    for search in searches.values():
        for fit, result in search.done:
            tracked.log(fit, result)
        if search.finished:
            _tell(search)
    with tqdm(total=total, desc="Baselines", unit="fit", leave=False, disable=None) as bar:

        def record(search: ModelSearch, fit: Fit, result: Result) -> None:
            search.record(fit, result)
            tracked.log(fit, result)
            bar.update()
            if search.finished:
                _tell(search)

        while True:
            found = False
            for search, fit in _give(searches, len(pending), workers.workers):
                known = results.load(fit.work)
                if known is None:
                    pending[workers.submit(fit.work)] = (search, fit, 1)
                else:
                    record(search, fit, known)
                    found = True
            if found:
                continue
            if not pending:
                return
            done = wait(pending, timeout=PATIENCE_S, return_when=FIRST_COMPLETED).done
            if not done:
                workers.check()
            for future in done:
                search, fit, attempt = pending.pop(future)
                error = error_of(future)
                if error is not None and workers.lost(error) and attempt < ATTEMPTS:
                    log.warning("%s: a process died; its work is done again", search.name)
                    pending[workers.submit(fit.work)] = (search, fit, attempt + 1)
                    continue
                result = _failed(error) if error is not None else future.result()
                record(search, fit, result)


def _give(
    searches: Mapping[str, ModelSearch], busy: int, workers: int
) -> Iterator[tuple[ModelSearch, Fit]]:
    """Yield what to do next: one fit a model at a time, unless there are workers to spare."""
    open_ones = [search for search in searches.values() if not search.finished]
    each = ceil(workers / max(1, len(open_ones)))
    for search in open_ones:
        while busy < workers and search.in_progress < each and (fit := search.next(each)):
            busy += 1
            yield search, fit


def _failed(error: BaseException) -> Result:
    return Result("failed", 0.0, error=first_line(error), lost=True)


def _tell(search: ModelSearch) -> None:
    """Say what came of a model."""
    best = search.best
    states = [result.state for fit, result in search.done if fit.trial >= 0]
    tried = f"{len(states)} trial(s)"
    for state in ("pruned", "failed"):
        if state in states:
            tried += f", {states.count(state)} {state}"
    if best is None:
        errors = [result.error for _, result in search.done if result.error]
        log.warning("%s: %s; %s", search.name, tried, errors[0] if errors else "none ended")
        return
    final = [result.valid for _, result in _final(search) if result.state == "complete"]
    found = ", ".join(
        f"{name} {np.mean([valid[name] for valid in final]):.3f}"
        for name in search.criterion.metrics
    )
    log.info("%s: %s on valid, mean of %d seed(s); %s", search.name, found, len(final), tried)


def _final(search: ModelSearch) -> list[tuple[Fit, Result]]:
    """Return the fits of the best setting, one a seed."""
    best = search.best
    return [(f, r) for f, r in search.done if best is not None and (f is best or f.trial < 0)]


def _rows(
    name: str, search: ModelSearch | None, corpus: Corpus, why: str
) -> Iterator[dict[str, Any]]:
    method = BASELINES[name]
    of_model = {"model": name, "label": method.label, "family": method.family}
    if search is None:
        yield {**of_model, "state": NOT_APPLICABLE, "final": False, "trial": -1, "error": why}
        return
    final = {fit for fit, _ in _final(search)}
    for fit, result in search.done:
        is_final = fit in final and result.state == "complete"
        test = {}
        if is_final and result.predictions is not None:
            test = scores(fit.work, corpus, "test", result.predictions)
        yield {
            **of_model,
            "state": result.state,
            "final": is_final,
            "trial": fit.trial,
            "seed": fit.work.training.seed,
            "setting": json.dumps(dict(fit.work.setting)),
            "parameters": result.parameters,
            "seconds": result.seconds,
            "error": result.error,
            **{f"valid/{key}": value for key, value in result.valid.items()},
            **{f"test/{key}": value for key, value in test.items()},
        }


def _predictions(searches: Mapping[str, ModelSearch], corpus: Corpus) -> pd.DataFrame:
    targets = corpus.test.targets
    names = ("",) if targets.task == "multiclass" else targets.names
    true = targets.values.reshape(len(corpus.test), -1)
    tables = []
    for name, search in searches.items():
        for fit, result in _final(search):
            if result.predictions is None:
                continue
            values = decided(corpus, "test", result.predictions).reshape(true.shape)
            tables += [
                pd.DataFrame(
                    {
                        "model": name,
                        "seed": fit.work.training.seed,
                        "id": corpus.test.ids,
                        "target": target,
                        "true": true[:, column].astype(np.float32),
                        "predicted": values[:, column].astype(np.float32),
                    }
                )
                for column, target in enumerate(names)
            ]
    columns = ["model", "seed", "id", "target", "true", "predicted"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
