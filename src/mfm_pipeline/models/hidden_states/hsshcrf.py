"""HSSHCRF: layers of HCRFs, each of which reads a summary of what the one below has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mfm_pipeline.models.hidden_states.hcrf import HiddenField
from mfm_pipeline.models.hidden_states.summarisation import group_alike, group_means
from mfm_pipeline.models.hidden_states.views import Views
from mfm_pipeline.models.inputs import Inputs


class Sequences(NamedTuple):
    """What a layer reads.

    Attributes
    ----------
    values : list of Tensor, each (T, n, size)
        Super-observations of each view.
    observed : list of Tensor of bool, each (T, n)
        Those of which the view has observed something.
    lengths : Tensor of int64, shape (n,)
    """

    values: list[Tensor]
    observed: list[Tensor]
    lengths: Tensor


class Layer(nn.Module):
    """Gates over each view's super-observations, and an HCRF on the gates.

    Parameters
    ----------
    sizes : sequence of int
        Size of each view's super-observations.
    gates, states, classes : int
    """

    def __init__(self, *, sizes: Sequence[int], gates: int, states: int, classes: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(size, gates) for size in sizes)
        self.field = HiddenField(
            sizes=[gates] * len(sizes), states=states, classes=classes, edges="linked"
        )

    def forward(self, read: Sequences) -> Tensor:
        """Return raw scores of the classes, ``(n, classes)``."""
        raw: Tensor = self.field(self._gates(read), read.lengths)
        return raw

    def summarise(self, read: Sequences, threshold: float) -> tuple[Tensor, Sequences]:
        """Return raw scores, and what the layer above reads.

        Those are the means of the gates over groups of alike steps, without gradient.
        """
        gates = self._gates(read)
        raw, states = self.field.with_states(gates, read.lengths)
        groups = group_alike(self._distances(states, len(gates)), read.lengths, threshold)
        pairs = [
            group_means(gate.detach(), observed, groups)
            for gate, observed in zip(gates, read.observed, strict=True)
        ]
        return raw, Sequences([v for v, _ in pairs], [o for _, o in pairs], groups.lengths)

    def _gates(self, read: Sequences) -> list[Tensor]:
        return [
            torch.sigmoid(gate(value)).masked_fill(~observed[:, :, None], 0)
            for gate, value, observed in zip(self.gates, *read[:2], strict=True)
        ]

    def _distances(self, states: Tensor, views: int) -> Tensor:
        """Return how far each step's posteriors are from the next one's, ``(T - 1, n)``."""
        size = self.field.states
        # Whether a joint state has a view in a state of its own: a product sums over the others.
        of_view = torch.cartesian_prod(*[torch.arange(size)] * views).reshape(-1, views)
        member = functional.one_hot(of_view, size).flatten(1).to(states)
        return (states @ member).diff(dim=0).abs().amax(dim=(1, 3))


class HSSHCRF(nn.Module):
    """Hierarchical sequence summarisation by HCRFs.

    After Song, Morency and Davis, Action Recognition by Hierarchical Sequence
    Summarization (CVPR 2013). A layer l reads super-observations x^l_t, the steps
    themselves at first. Of each view it computes gates sigmoid(W x^l_t + b), of which an
    HCRF on one chain a view (`HiddenField`, linked) makes p(y | x^l), and posteriors
    p(h_t^v | y, x^l). Neighbours whose posteriors are alike become one super-observation of
    the layer above; how far two are apart is the largest difference of their posteriors,
    over classes, views and states, and what becomes one says `group_alike`. A class is
    predicted by the product over layers of p(y | x^l).

    What is minimised is the sum over layers of -log p(y | x^l), as in the paper, where each
    layer is learned given those below it. In these ways it is simpler, or other, here:

    * Layers are learned at the same time, not one after the other. A layer still takes what
      it reads as given: no gradient flows to the layers below, nor through the groups,
      which are drawn anew from the current weights whenever a batch is read.
    * A super-observation is the mean of the gates of its steps, not a sum of which a
      group's size would be part.
    * A step at which a view observes nothing has gates of zero, and is no part of a mean.

    Parameters
    ----------
    views : Views
    states : int
        Hidden states of each view, in every layer.
    gates : int
        Of each view, in every layer.
    layers : int
    threshold : float
        Of `group_alike`.
    classes : int

    Raises
    ------
    ParameterError
        If there are too many joint states.
    """

    def __init__(
        self,
        *,
        views: Views,
        states: int,
        gates: int,
        layers: int,
        threshold: float,
        classes: int,
    ) -> None:
        super().__init__()
        self.views, self.threshold = views, threshold
        above = [[gates] * len(views.sizes)] * (layers - 1)
        self.layers = nn.ModuleList(
            Layer(sizes=sizes, gates=gates, states=states, classes=classes)
            for sizes in (views.sizes, *above)
        )

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the sum over layers of log p(y | x^l), ``(n, classes)``.

        It is the same of all classes where there are no steps.
        """
        return self.by_layer(inputs).log_softmax(dim=2).sum(dim=0)

    def cost(self, inputs: Inputs, labels: Tensor) -> Tensor:
        """Return the sum over layers of -log p(y | x^l), the mean over samples.

        Parameters
        ----------
        inputs : Inputs
        labels : Tensor of int64, shape (n,)
        """
        return torch.stack(
            [functional.cross_entropy(raw, labels) for raw in self.by_layer(inputs)]
        ).sum()

    def by_layer(self, inputs: Inputs) -> Tensor:
        """Return the raw scores of each layer, ``(layers, n, classes)``."""
        read, scores = self.read(inputs), []
        for depth, layer in enumerate(self.layers, start=1):
            assert isinstance(layer, Layer)
            if depth < len(self.layers):
                raw, read = layer.summarise(read, self.threshold)
            else:
                raw = layer(read)
            scores.append(raw)
        return torch.stack(scores)

    def read(self, inputs: Inputs) -> Sequences:
        """Return what the first layer reads: the steps themselves."""
        return Sequences(self.views.read(inputs), self.views.observed(inputs), inputs.lengths)
