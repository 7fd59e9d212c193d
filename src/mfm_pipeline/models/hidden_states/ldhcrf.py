"""LDHCRF and its variants of several views: hidden states that belong to one class each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfm_pipeline.models.hidden_states.chain import log_partition, posterior
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


class LDHCRF(nn.Module):
    """Latent-dynamic conditional random field: a label a step, each with hidden states.

    Every step has a label y_t, shared by all views, and every view v a state h_t^v that is
    one of the label's own H. With x_t^v what the view observes, the score of a sequence of
    labels and states is, summed over steps,

        theta[y_t, h_t^v] . x_t^v + theta[y_t, h_t^v] + theta[y_t, h_t^v, y_{t+1}, h_{t+1}^v]

    for each view, and for each pair of views v, w

        theta[y_t, h_t^v, h_t^w] (linked) or theta[y_t, h_t^v, y_{t+1}, h_{t+1}^w], v to w
        and w to v (coupled).

    From Morency, Quattoni and Darrell, Latent-Dynamic Discriminative Models for Continuous
    Gesture Recognition (CVPR 2007), and Song, Morency and Davis (CVPR 2012) for several
    views. With one state a label it is a linear-chain conditional random field.

    Here a whole sequence has a label. It is learned as that of every step: the cost is
    -log p(y, .., y | x), with all other sequences of labels in the normaliser. A class is
    predicted by the mean over steps of p(y_t | x).

    Parameters
    ----------
    views : Views
    states : int
        Hidden states H of each class and view.
    classes : int
    edges : {"linked", "coupled"}
        Between views.

    Raises
    ------
    ParameterError
        If there are more than `joint.LIMIT` joint states, of all classes together.
    """

    def __init__(self, *, views: Views, states: int, classes: int, edges: Edges = "linked") -> None:
        super().__init__()
        count = len(views.sizes)
        check_joint_states(states, count, classes)
        self.views, self.states, self.classes, self.edges = views, states, classes, edges
        self.pairs = view_pairs(count, edges)
        own, move = [classes, states], [classes, states, classes, states]
        self.observation = nn.ParameterList(weights(own, size) for size in views.sizes)
        self.label = nn.ParameterList(drawn(own, 0.1) for _ in views.sizes)
        self.within = nn.ParameterList(drawn(move, 0.1) for _ in views.sizes)
        pair = [classes, states, states] if edges == "linked" else move
        self.between = nn.ParameterList(drawn(pair, 0.1) for _ in self.pairs)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the logarithm of the mean over steps of p(y_t | x).

        No gradient flows through it: `cost` is what is learned from.

        Returns
        -------
        Tensor, shape (n, classes)
            Equal ones where there are no steps.
        """
        unary, transition = self.potentials(inputs)
        size = unary.shape[2] * unary.shape[3]
        states = posterior(
            unary.reshape(len(unary), 1, -1, size),
            transition.reshape(1, size, size),
            inputs.lengths,
        ).states
        mean = states.reshape(unary.shape).sum(dim=(0, 3)) / inputs.lengths.clamp(min=1)[:, None]
        uniform = (inputs.lengths == 0)[:, None]
        tiny = torch.finfo(mean.dtype).tiny
        return mean.masked_fill(uniform, 1 / self.classes).clamp(min=tiny).log()

    def cost(self, inputs: Inputs, labels: Tensor) -> Tensor:
        """Return -log p(y, .., y | x), the mean over samples.

        Parameters
        ----------
        inputs : Inputs
        labels : Tensor of int64, shape (n,)
        """
        return -self.log_likelihood(inputs, labels).mean()

    def log_likelihood(self, inputs: Inputs, labels: Tensor) -> Tensor:
        """Return log p(y, .., y | x) of each sample's label at all of its steps, ``(n,)``."""
        unary, transition = self.potentials(inputs)
        size = unary.shape[2] * unary.shape[3]
        anything = log_partition(
            unary.reshape(len(unary), 1, -1, size),
            transition.reshape(1, size, size),
            inputs.lengths,
        )[0]
        # Paths that stay with one label: a chain a class, of its own states alone.
        rows = torch.arange(self.classes, device=unary.device)
        own = log_partition(unary.transpose(1, 2), transition[rows, :, rows], inputs.lengths)
        return own[labels, torch.arange(len(labels), device=labels.device)] - anything

    def potentials(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the potentials of joint states and of transitions between them.

        Returns
        -------
        unary : Tensor, shape (T, n, classes, S)
        transition : Tensor, shape (classes, S, classes, S)
            S is H to the power of the views, the last view's state changing fastest.
        """
        values = self.views.read(inputs)
        views, steps, n = len(values), *values[0].shape[:2]
        joint = (self.states,) * views
        observed: list[Term] = [
            (torch.einsum("tnd,ykd->tnyk", value, weight), (0, 1, 2, 3 + v))
            for v, (value, weight) in enumerate(zip(values, self.observation, strict=True))
        ]
        static: list[Term] = [(label, (2, 3 + v)) for v, label in enumerate(self.label)]
        after = 2 + views
        moving: list[Term] = [
            (move, (0, 1 + v, after - 1, after + v)) for v, move in enumerate(self.within)
        ]
        for (v, w), term in zip(self.pairs, self.between, strict=True):
            if self.edges == "linked":
                static.append((term, (2, 3 + v, 3 + w)))
            else:
                moving.append((term, (0, 1 + v, after - 1, after + w)))
        size = self.states**views
        unary = spread_over(observed + static, (steps, n, self.classes, *joint))
        transition = spread_over(moving, (self.classes, *joint, self.classes, *joint))
        return (
            unary.reshape(steps, n, self.classes, size),
            transition.reshape(self.classes, size, self.classes, size),
        )
