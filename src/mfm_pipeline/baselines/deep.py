"""Deep discriminative models: a fusion encoder, and the label from its state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from mfm_pipeline.baselines.base import Choice, Family, Range, Session, Space
from mfm_pipeline.baselines.trained import Trained, TrainedOptions, train
from mfm_pipeline.data import Corpus
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.per_modality import Probability, Size

LEARNING: Space = {
    "learning_rate": Range(low=0.001, high=0.02, log=True),
    "batch_size": Choice(of=(32, 64, 128)),
    "dropout": Choice(of=(0.0, 0.2, 0.5, 0.7)),
}
"""What every deep model searches of training, as published with the paper."""

SIZES = Choice(of=(32, 64, 128, 256))


class DeepOptions(TrainedOptions):
    """What every deep model has."""

    family: ClassVar[Family] = "deep"
    fusion: ClassVar[str]
    """Name of the fusion encoder."""

    dropout: Probability = Field(0.2, description="Between the two layers to the label.")

    @abstractmethod
    def fusion_options(self) -> Mapping[str, Any]:
        """Return the options of the fusion encoder."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, session: Session) -> Trained:
        """Train the encoder and a head over its state, on the label alone."""
        model = ModelOptions.model_validate(
            {
                "fusion": self.fusion,
                "fusion_options": {self.fusion: self.fusion_options()},
                "generates": (),
                "predicts_from": "fused",
                "prior_weight": 0.0,
                "discriminative": {"head_dropout": self.dropout},
            }
        )
        return train(corpus, model, self.changed(session))


class DeepFusionOptions(DeepOptions):
    """DF: a dense network a modality over its statistics, then one over all of them."""

    label: ClassVar[str] = "DF"
    fusion: ClassVar[str] = "df"
    space: ClassVar[Space] = {**LEARNING, "hidden": SIZES, "fused": SIZES}

    hidden: Size = Field(64, description="Size of each modality's layers.")
    fused: Size = Field(64, description="Size of the layer over all modalities.")
    layer_dropout: Probability = Field(0.2, description="Behind every layer.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return sizes and dropout."""
        return {"hidden": self.hidden, "fused": self.fused, "dropout": self.layer_dropout}


class EarlyFusionOptions(DeepOptions):
    """EF-LSTM: one LSTM (Hochreiter and Schmidhuber 1997) over all modalities side by side."""

    label: ClassVar[str] = "EF-LSTM"
    fusion: ClassVar[str] = "ef_lstm"
    space: ClassVar[Space] = {**LEARNING, "hidden": SIZES}
    layers: ClassVar[int] = 1
    bidirectional: ClassVar[bool] = False

    hidden: Size = Field(128, description="Size of each LSTM.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return size and shape."""
        return {
            "hidden": self.hidden,
            "layers": self.layers,
            "bidirectional": self.bidirectional,
        }


class EarlyFusionStackedOptions(EarlyFusionOptions):
    """EF-SLSTM: two LSTMs on top of each other (Graves et al. 2013)."""

    label: ClassVar[str] = "EF-SLSTM"
    layers: ClassVar[int] = 2


class EarlyFusionBothWaysOptions(EarlyFusionOptions):
    """EF-BLSTM: an LSTM in each direction (Schuster and Paliwal 1997)."""

    label: ClassVar[str] = "EF-BLSTM"
    bidirectional: ClassVar[bool] = True

    hidden: Size = Field(64, description="Size of each LSTM.")


class EarlyFusionStackedBothWaysOptions(EarlyFusionBothWaysOptions):
    """EF-SBLSTM: two layers of LSTMs in each direction."""

    label: ClassVar[str] = "EF-SBLSTM"
    layers: ClassVar[int] = 2


class MultiViewOptions(DeepOptions):
    """MV-LSTM: an LSTM whose memory is divided by modality (Rajagopalan et al. 2016)."""

    label: ClassVar[str] = "MV-LSTM"
    fusion: ClassVar[str] = "mv_lstm"
    space: ClassVar[Space] = {
        **LEARNING,
        "hidden": Choice(of=(16, 32, 64, 128)),
        "alpha": Choice(of=(0.33, 0.67, 1.0)),
        "beta": Choice(of=(0.0, 0.33, 0.67, 1.0)),
    }

    hidden: Size = Field(32, description="Units of each modality.")
    alpha: float = Field(0.67, ge=0, le=1, description="Share that see their own modality.")
    beta: float = Field(0.33, ge=0, le=1, description="Share that see the others.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return size and connections."""
        return {"hidden": self.hidden, "alpha": self.alpha, "beta": self.beta}


class TensorFusionOptions(DeepOptions):
    """TFN: the outer product of all modalities (Zadeh et al. 2017).

    As published an LSTM embeds the modality called ``language``, and statistics (there
    means) the others.
    """

    label: ClassVar[str] = "TFN"
    fusion: ClassVar[str] = "tfn"
    space: ClassVar[Space] = {
        **LEARNING,
        "embedding": Choice(of=(4, 8, 16)),
        "layer": Choice(of=(32, 64, 128)),
    }

    embedding: Size = Field(8, description="Size of each modality's embedding.")
    layer: Size = Field(64, description="Size of the layers over the tensor.")
    layer_dropout: Probability = Field(0.2, description="Behind every layer.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return sizes."""
        return {
            "embedding": self.embedding,
            "layer": self.layer,
            "dropout": self.layer_dropout,
        }


class MultiAttentionOptions(DeepOptions):
    """MARN: multi-attention recurrent network (Zadeh et al. 2018)."""

    label: ClassVar[str] = "MARN"
    fusion: ClassVar[str] = "marn"
    space: ClassVar[Space] = {
        **LEARNING,
        "hidden": Choice(of=(16, 32, 64)),
        "attentions": Range(low=1, high=6),
        "code": Choice(of=(16, 32, 64)),
    }

    hidden: Size = Field(32, description="Size of each modality's LSTHM.")
    attentions: Size = Field(4, description="Attentions K.")
    code: Size = Field(32, description="Size of the code z.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return the sizes."""
        return {"hidden": self.hidden, "attentions": self.attentions, "code": self.code}


class MemoryFusionOptions(DeepOptions):
    """MFN: memory fusion network (Zadeh et al. 2018), with its published sizes."""

    label: ClassVar[str] = "MFN"
    fusion: ClassVar[str] = "mfn"
    space: ClassVar[Space] = {
        **LEARNING,
        "hidden": Choice(of=(32, 64, 88, 128)),
        "memory": Choice(of=(64, 128, 256)),
        "attention": SIZES,
    }

    hidden: Size = Field(64, description="Size of each modality's LSTM.")
    memory: Size = Field(64, description="Size of the memory.")
    attention: Size = Field(128, description="Hidden layers of attention and gates.")
    window: Size = Field(2, description="Steps that are attended over at once.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return the sizes."""
        layer = {"hidden": self.attention}
        return {
            "hidden": self.hidden,
            "memory": self.memory,
            "window": self.window,
            "attention": layer,
            "proposal": layer,
            "gates": layer,
        }


class TransformerOptions(DeepOptions):
    """Crossmodal Transformer (MulT; Tsai et al. 2019), which the paper does not have."""

    label: ClassVar[str] = "MulT"
    fusion: ClassVar[str] = "transformer"
    space: ClassVar[Space] = {
        **LEARNING,
        "width": Choice(of=(16, 32, 64)),
        "layers": Range(low=1, high=3),
    }

    width: Size = Field(32, description="Of a step; a multiple of heads.")
    heads: Size = Field(4, description="Of each attention.")
    layers: Size = Field(1, description="Of each block.")

    def fusion_options(self) -> Mapping[str, Any]:
        """Return the sizes."""
        return {"width": self.width, "heads": self.heads, "layers": self.layers}
