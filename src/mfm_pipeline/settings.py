"""Project settings, as Kedro reads them."""

# ruff: noqa: E402
from mfm_pipeline.logs import leave_out_plugin_talk

# Again, for notebooks and whatever else starts without Kedro's command; before the plug-ins
# that talk are imported.
leave_out_plugin_talk()

from omegaconf.resolvers import oc

from mfm_pipeline.config import BASE, ConfigLoader
from mfm_pipeline.hooks import TrackingHook

# Our hook is kedro-mlflow's with more in it: the plugin's own stays out.
HOOKS = (TrackingHook(),)
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-mlflow")

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": BASE,
    # A fresh clone has no conf/local.
    "default_run_env": BASE,
    # An environment says only what differs, down to single values.
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": oc.env},
}
