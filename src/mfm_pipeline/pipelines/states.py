"""Several models in one catalog entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

State = dict[str, Any]
"""A model as `Blueprint.to_state` gives it: ``description`` and ``weights``."""


def side_by_side(states: Mapping[str, State]) -> State:
    """Return the states of several models as one.

    Parameters
    ----------
    states : mapping of str to dict
        By names without a dot.

    Returns
    -------
    dict
        Descriptions by name, weights by ``<name>.<their own name>``.
    """
    return {
        "description": {name: state["description"] for name, state in states.items()},
        "weights": {
            f"{name}.{key}": values
            for name, state in states.items()
            for key, values in state["weights"].items()
        },
    }


def apart(state: State) -> dict[str, State]:
    """Return the states that `side_by_side` was given, by name."""
    states: dict[str, State] = {
        name: {"description": description, "weights": {}}
        for name, description in state["description"].items()
    }
    for key, values in state["weights"].items():
        name, _, own = key.partition(".")
        states[name]["weights"][own] = values
    return states
