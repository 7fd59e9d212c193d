"""``kedro run`` with one-line errors."""

from __future__ import annotations

import re
import sys
from typing import Any

import click
import mlflow
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.validation import ParameterValidationError

from mfm_pipeline.errors import MfmError, ParameterError


@click.group(name="kedro")
def cli() -> None:
    """Commands of the project."""


def _run(*, verbose: bool, pipeline: str | None, **options: Any) -> None:
    if pipeline:
        # Kedro deprecates --pipeline for --pipelines; here both are welcome.
        options["pipelines"] = [*options["pipelines"], pipeline]
    try:
        _check_pipelines(options["pipelines"])
        kedro_run.callback(pipeline=None, **options)  # type: ignore[misc]
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        # At the end of the process, MLflow would take it for finished.
        mlflow.end_run("KILLED")
        raise
    except Exception as error:
        if verbose:
            raise
        click.secho(f"Error: {describe(error)}", fg="red", err=True)
        if not isinstance(_root(error), MfmError | ParameterValidationError):
            click.echo("Run again with --verbose for the traceback.", err=True)
        sys.exit(1)


def _check_pipelines(names: list[str]) -> None:
    known = sorted(set(pipelines.keys()) - {"__default__"})
    for name in names:
        if name not in {*known, "__default__"}:
            raise ParameterError(f"unknown pipeline '{name}'; there are {', '.join(known)}")


run = click.Command(
    "run",
    callback=_run,
    help=kedro_run.help,
    params=[
        *kedro_run.params,
        click.Option(["--verbose", "-v"], is_flag=True, help="Show the traceback of an error."),
    ],
)
cli.add_command(run)


def describe(error: BaseException) -> str:
    """Return one line for what went wrong.

    Kedro wraps what a dataset raises, and its parameter errors carry every
    wrapper's words: the project's own sentence is what a user can act on.
    """
    root = _root(error)
    if isinstance(root, MfmError):
        return str(root)
    if isinstance(root, ParameterValidationError):
        lines = str(root).splitlines()[1:]
        return "; ".join(_PARAMETER_LINE.sub(r"\1: ", line) for line in lines)
    text = " ".join(str(root).split())
    return f"{type(root).__name__}: {text}" if text else type(root).__name__


_PARAMETER_LINE = re.compile(
    r"^- Parameter '([^']+)': (?:Failed to instantiate \w+ for parameter '[^']+': )?"
)


def _root(error: BaseException) -> BaseException:
    """Return the project's error in the chain of causes, or else the error itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MfmError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error
