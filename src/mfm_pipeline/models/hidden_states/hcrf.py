"""HCRF and its variants of several views: one chain of hidden states a class."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from mfm_pipeline.models.hidden_states.chain import (
    log_partition,
    log_partition_and_states,
)
from mfm_pipeline.models.hidden_states.joint import (
    Edges,
    Term,
    check_joint_states,
    drawn,
    spread_over,
    view_pairs,
    weights,
)
from mfm_pipeline.models.hidden_states.views import Views
from mfm_pipeline.models.inputs import Inputs


class HiddenField(nn.Module):
    """The potentials of an HCRF on one chain a view, and their sums over hidden states.

    With h_t^v the state of view v at step t and x_t^v what it observes, the score of a
    class y and states h is, summed over steps,

        theta[h_t^v] . x_t^v + theta[y, h_t^v] + theta[y, h_t^v, h_{t+1}^v]

    for each view, and for each pair of views v, w

        theta[y, h_t^v, h_t^w] (linked) or theta[y, h_t^v, h_{t+1}^w], v to w and w to v
        (coupled).

    Inference is exact, over the joint state of all views.

    Parameters
    ----------
    sizes : sequence of int
        Size of what each view observes.
    states : int
        Hidden states H of each view.
    classes : int
    edges : {"linked", "coupled"}
        Between views; of a single one there are none.

    Raises
    ------
    ParameterError
        If there are more than `joint.LIMIT` joint states, H to the power of the views.
    """

    def __init__(self, *, sizes: Sequence[int], states: int, classes: int, edges: Edges) -> None:
        super().__init__()
        views = len(sizes)
        check_joint_states(states, views, 1)
        self.states, self.classes, self.edges = states, classes, edges
        self.pairs = view_pairs(views, edges)
        self.observation = nn.ParameterList(weights([states], size) for size in sizes)
        self.label = nn.ParameterList(drawn([classes, states], 0.1) for _ in sizes)
        self.within = nn.ParameterList(drawn([classes, states, states], 0.1) for _ in sizes)
        self.between = nn.ParameterList(drawn([classes, states, states], 0.1) for _ in self.pairs)

    def forward(self, values: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Return the logarithm of the sum of exponential scores over all hidden states.

        Parameters
        ----------
        values : sequence of Tensor, each (T, n, size)
            What each view observes; zeros contribute nothing.
        lengths : Tensor of int64, shape (n,)

        Returns
        -------
        Tensor, shape (n, classes)
            0 of every class where a sample has no steps.
        """
        return log_partition(*self.potentials(values), lengths).T

    def with_states(self, values: Sequence[Tensor], lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same, and the posterior of joint states given each class.

        Returns
        -------
        Tensor, shape (n, classes)
        Tensor, shape (T, classes, n, S)
            p(h_t | y, x); no gradient flows through it. 0 behind a sample's last step.
        """
        value, states = log_partition_and_states(*self.potentials(values), lengths)
        return value.T, states

    def potentials(self, values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the potentials of joint states and of transitions between them.

        Returns
        -------
        unary : Tensor, shape (T, classes, n, S)
        transition : Tensor, shape (classes, S, S)
            S is H to the power of the views, the last view's state changing fastest.
        """
        views, steps, n = len(values), *values[0].shape[:2]
        joint = (self.states,) * views
        size = self.states**views
        observed = spread_over(
            [
                (value @ weight.T, (0, 1, 2 + v))
                for v, (value, weight) in enumerate(zip(values, self.observation, strict=True))
            ],
            (steps, n, *joint),
        )
        static: list[Term] = [(label, (0, 1 + v)) for v, label in enumerate(self.label)]
        moving: list[Term] = [
            (move, (0, 1 + v, 1 + views + v)) for v, move in enumerate(self.within)
        ]
        for (v, w), term in zip(self.pairs, self.between, strict=True):
            if self.edges == "linked":
                static.append((term, (0, 1 + v, 1 + w)))
            else:
                moving.append((term, (0, 1 + v, 1 + views + w)))
        of_class = spread_over(static, (self.classes, *joint)).reshape(self.classes, 1, size)
        transition = spread_over(moving, (self.classes, *joint, *joint))
        unary = observed.reshape(steps, 1, n, size) + of_class
        return unary, transition.reshape(self.classes, size, size)


class HCRF(nn.Module):
    """Hidden conditional random field: p(y | x) from one hidden chain a view.

    The raw prediction of a class is the logarithm of the sum over hidden states of its
    exponential scores, see `HiddenField`; their softmax is p(y | x). With one view it is
    the HCRF of Quattoni et al., Hidden Conditional Random Fields (PAMI 2007); with one a
    modality the multi-view HCRF of Song, Morency and Davis, Multi-View Latent Variable
    Discriminative Models for Action Recognition (CVPR 2012), linked or coupled.

    Parameters
    ----------
    views : Views
    states : int
        Hidden states of each view.
    classes : int
    edges : {"linked", "coupled"}
        Between views.

    Raises
    ------
    ParameterError
        If there are too many joint states.
    """

    def __init__(self, *, views: Views, states: int, classes: int, edges: Edges = "linked") -> None:
        super().__init__()
        self.views = views
        self.field = HiddenField(sizes=views.sizes, states=states, classes=classes, edges=edges)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return raw predictions, ``(n, classes)``; equal ones where there are no steps."""
        raw: Tensor = self.field(self.views.read(inputs), inputs.lengths)
        return raw

    def cost(self, inputs: Inputs, labels: Tensor) -> Tensor:
        """Return -log p(y | x), the mean over samples.

        Parameters
        ----------
        inputs : Inputs
        labels : Tensor of int64, shape (n,)
        """
        return functional.cross_entropy(self(inputs), labels)
