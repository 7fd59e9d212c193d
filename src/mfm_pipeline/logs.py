"""What is left off the console: plug-ins' talk that no user can act on."""

from __future__ import annotations

import logging

#: Columns that tables keep to.
CONSOLE_WIDTH = 80

UNACTIONABLE = (
    # A function that OmegaConf renames and Kedro calls.
    "register_new_resolver",
    # Type hints that MLflow wants of a plug-in's model.
    "Add type hints to the",
    # What Kedro-Viz will have to change, and that it records whole runs only.
    "ORJSONResponse is deprecated",
    "Workflow tracking is disabled",
    # The project says itself which run it is, and where.
    "Registering new custom resolver",
    "Mlflow run",
    "was closed because of an error",
)
LOGGERS = (
    "py.warnings",
    "kedro_mlflow.framework.hooks.mlflow_hook",
    "kedro_viz.integrations.kedro.run_hooks",
)


class PluginTalk(logging.Filter):
    """Drop records that hold one of these phrases."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is shown."""
        message = record.getMessage()
        return not any(phrase in message for phrase in UNACTIONABLE)


def leave_out_plugin_talk() -> None:
    """Filter the loggers that it comes from; Kedro calls this as it starts.

    In code, since Kedro allows no filter of a project's own in `logging.yml`.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, PluginTalk) for known in logger.filters):
            logger.addFilter(PluginTalk())
