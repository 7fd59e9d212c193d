"""Configuration: environments, the corpus they stand for, checked parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from mfm_pipeline.errors import ParameterError

BASE = "base"
SAMPLE_CORPUS = "sample"

#: Of the parameters and datasets of digits: a corpus of their own in every environment.
DIGITS = "digits"
NAMESPACES = (DIGITS,)

# What may be said shortly on the command line, and what it stands for: of training in every
# namespace.
TRAINING = "training"
SHORT_NAMES = {
    "seed": f"{TRAINING}.seed",
    "resume": f"{TRAINING}.resume",
    "models": "baselines.models",
    "cluster": "baselines.cluster",
}
# Read by the catalog, not by nodes.
CATALOG_NAMES = {"raw_root"}


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with one corpus an environment and no unknown names.

    ``${corpus:}`` in any configuration file is the environment's name
    (``sample`` in ``base``), so that no environment reads another's files.

    A catalog entry serves a pipeline that is reused in a namespace, too: what lies in
    ``data/06_models/<corpus>/mfm`` as ``model`` lies in
    ``data/06_models/<corpus>/digits/mfm`` as ``digits.model``.

    Raises
    ------
    ParameterError
        If the environment, or a parameter set by it or at run time, is not
        known: ``conf/base`` holds every name that there is.
    """

    def __init__(self, conf_source: str | Path, env: str | None = None, **kwargs: Any) -> None:
        environment = env or BASE
        _check_environment(Path(conf_source), environment)
        corpus = SAMPLE_CORPUS if environment == BASE else environment
        self._corpus = corpus
        OmegaConf.register_new_resolver("corpus", lambda: corpus, replace=True)
        kwargs["runtime_params"] = _expand_short_names(kwargs.get("runtime_params") or {})
        super().__init__(conf_source, env, **kwargs)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the merged configuration of one kind, checked."""
        if key == "parameters" and key not in self.data:
            self._check_parameters()
        result: dict[str, Any] = super().__getitem__(key)
        return _in_namespaces(result, self._corpus) | result if key == "catalog" else result

    def _check_parameters(self) -> None:
        base, environment, *_ = self._read_raw_config("parameters")
        known = _names(base.values())
        for path, config in environment.items():
            _check_names(known, _names([config]), f"{path}: ")
        given = {k: v for k, v in self.runtime_params.items() if k not in CATALOG_NAMES}
        _check_names(known, _names([given]), "")


def _check_environment(conf_source: Path, environment: str) -> None:
    if (conf_source / environment).is_dir() or not conf_source.is_dir():
        return
    known = sorted(path.name for path in conf_source.iterdir() if path.is_dir())
    raise ParameterError(f"unknown environment '{environment}'; there are {', '.join(known)}")


def _in_namespaces(catalog: Mapping[str, Any], corpus: str) -> dict[str, Any]:
    """Return a pattern for each entry with a folder of the corpus, in any namespace."""
    return {
        f"{{namespace}}.{name}": placed
        for name, entry in catalog.items()
        if not set(name) & set(".@{") and (placed := _in_subfolder(entry, corpus)) != entry
    }


def _in_subfolder(entry: Any, corpus: str) -> Any:
    """Return a catalog entry whose files lie in a folder of the namespace."""
    if isinstance(entry, Mapping):
        return {key: _in_subfolder(value, corpus) for key, value in entry.items()}
    if isinstance(entry, str) and (parts := entry.split("/"))[2:3] == [corpus]:
        return "/".join([*parts[:3], "{namespace}", *parts[3:]])
    return entry


def _expand_short_names(given: Mapping[str, Any]) -> dict[str, Any]:
    expanded: dict[str, Any] = {k: v for k, v in given.items() if k not in SHORT_NAMES}
    for short in SHORT_NAMES.keys() & given.keys():
        path = SHORT_NAMES[short].split(".")
        places = ("", *NAMESPACES) if path[0] == TRAINING else ("",)
        for namespace in places:
            expanded = _with(expanded, [*filter(None, [namespace]), *path], given[short])
    return expanded


def _with(block: Any, path: list[str], value: Any) -> Any:
    """Return a block with a value at `path`; what is no block stays, to be refused later."""
    if not path:
        return value
    if not isinstance(block, Mapping):
        return block
    return {**block, path[0]: _with(block.get(path[0], {}), path[1:], value)}


def _names(configs: Iterable[Mapping[Any, Any]]) -> list[str]:
    """Return the names of all blocks, those inside a namespace with its name in front."""
    names = []
    for config in configs:
        for name, block in config.items():
            if name in NAMESPACES and isinstance(block, Mapping):
                names += [f"{name}.{inner}" for inner in block]
            else:
                names.append(str(name))
    return names


def _check_names(known: Iterable[str], given: Iterable[str], where: str) -> None:
    """Refuse blocks that ``conf/base`` lacks; inside one, its model refuses."""
    for name in given:
        if name in known:
            continue
        allowed = sorted({*known, *SHORT_NAMES, *CATALOG_NAMES})
        close = get_close_matches(name, allowed, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(allowed)}"
        raise ParameterError(f"{where}unknown parameter '{name}'; {hint}")
