"""One hidden state for several views: the states of all of them at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from typing import Literal

import torch
from torch import Tensor, nn

from mfm_pipeline.errors import ParameterError

Edges = Literal["linked", "coupled"]
"""Between views: of the same step, or from each step of one to the next of the other."""

Term = tuple[Tensor, Sequence[int]]
"""A part of a potential, and the axes of the potential that its own axes are, ascending."""

LIMIT = 1024
"""Joint states, whose square is what each step of a sample costs."""


def check_joint_states(states: int, views: int, classes: int) -> None:
    """Check that inference over the joint states of all views is feasible.

    Parameters
    ----------
    states : int
        Hidden states of each view.
    views : int
    classes : int
        Classes with states of their own; 1 where all share them.

    Raises
    ------
    ParameterError
    """
    joint = classes * states**views
    if joint > LIMIT:
        own = f", for each of {classes} classes" if classes > 1 else ""
        raise ParameterError(
            f"parameter 'states' is {states}: {states} in each of {views} view(s){own} make "
            f"{joint:,} joint states; expected {LIMIT:,} or fewer"
        )


def view_pairs(views: int, edges: Edges) -> list[tuple[int, int]]:
    """Return the pairs of different views that edges join; coupled ones have a direction."""
    pairs = combinations if edges == "linked" else permutations
    return list(pairs(range(views), 2))


def drawn(size: Sequence[int], spread: float) -> nn.Parameter:
    """Return a parameter, drawn from N(0, spread²)."""
    return nn.Parameter(spread * torch.randn(*size))


def weights(states: Sequence[int], features: int) -> nn.Parameter:
    """Return the weights of features in the potentials of states, drawn by fan-in."""
    return drawn((*states, features), 1 / math.sqrt(features))


def spread_over(terms: Iterable[Term], shape: Sequence[int]) -> Tensor:
    """Return the sum of terms that depend on some axes each, ``shape``.

    Parameters
    ----------
    terms : iterable of Term
    shape : sequence of int
    """
    total = None
    for term, axes in terms:
        sizes = dict(zip(axes, term.shape, strict=True))
        placed = term.reshape([sizes.get(axis, 1) for axis in range(len(shape))])
        total = placed if total is None else total + placed
    assert total is not None
    return total.expand(*shape)
