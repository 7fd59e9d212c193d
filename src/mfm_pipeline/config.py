"""Configuration: environments, the corpus they stand for, checked parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from mfm_pipeline.errors import ParameterError

BASE = "base"
SAMPLE_CORPUS = "sample"
#: Namespace of what is about pairs of digits, in every environment.
DIGITS = "digits"

# What may be said shortly on the command line, and what it stands for.
SHORT_NAMES = {"seed": "training.seed", "resume": "training.resume"}
# Read by the catalog, not by nodes.
CATALOG_NAMES = {"raw_root"}


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with one corpus an environment and no unknown names.

    ``${corpus:}`` in any configuration file is the environment's name
    (``sample`` in ``base``), so that no environment reads another's files.

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
        OmegaConf.register_new_resolver("corpus", lambda: corpus, replace=True)
        kwargs["runtime_params"] = _expand_short_names(kwargs.get("runtime_params") or {})
        super().__init__(conf_source, env, **kwargs)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the merged configuration of one kind, checked."""
        if key == "parameters" and key not in self.data:
            self._check_parameters()
        result: dict[str, Any] = super().__getitem__(key)
        return result

    def _check_parameters(self) -> None:
        base, environment, *_ = self._read_raw_config("parameters")
        known = [name for config in base.values() for name in _names(config)]
        for path, config in environment.items():
            _check_names(known, _names(config), f"{path}: ")
        _check_names(known, set(_names(self.runtime_params)) - CATALOG_NAMES, "")


def _check_environment(conf_source: Path, environment: str) -> None:
    if (conf_source / environment).is_dir() or not conf_source.is_dir():
        return
    known = sorted(path.name for path in conf_source.iterdir() if path.is_dir())
    raise ParameterError(f"unknown environment '{environment}'; there are {', '.join(known)}")


def _expand_short_names(given: Mapping[str, Any]) -> dict[str, Any]:
    expanded: dict[str, Any] = {k: v for k, v in given.items() if k not in SHORT_NAMES}
    for short in SHORT_NAMES.keys() & given.keys():
        block, name = SHORT_NAMES[short].split(".")
        expanded[block] = {**expanded.get(block, {}), name: given[short]}
    return expanded


def _names(config: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the names of all blocks, and of those inside a namespace."""
    for name, block in config.items():
        yield str(name)
        if name == DIGITS and isinstance(block, Mapping):
            yield from (f"{name}.{inner}" for inner in block)


def _check_names(known: Iterable[str], given: Iterable[str], where: str) -> None:
    """Refuse blocks that ``conf/base`` lacks; inside one, its model refuses."""
    for name in given:
        if name in known:
            continue
        allowed = sorted({*known, *SHORT_NAMES, *CATALOG_NAMES})
        close = get_close_matches(name, allowed, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(allowed)}"
        raise ParameterError(f"{where}unknown parameter '{name}'; {hint}")
