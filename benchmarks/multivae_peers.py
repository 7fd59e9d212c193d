"""Train one of MultiVae's models on exported pairs: what `compare_multivae.py` starts.

Runs in MultiVae's environment, which that script says how to make. The networks are the
project's own (`mfm_pipeline.models`, found by PYTHONPATH): the very encoders, factor networks
and decoders that MFM has, dense layers and channels multiplied by one number, such that the
peer has as many parameters as MFM.

    python benchmarks/multivae_peers.py FOLDER

reads `trial.json` in the folder, and writes `generated.npz` and `result.json` there.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import multivae.models
import numpy as np
import torch
from multivae.data import MultimodalBaseDataset
from multivae.models.nn import BaseMultilatentEncoder
from multivae.samplers import GaussianMixtureSampler, GaussianMixtureSamplerConfig
from multivae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder
from torch import Tensor, nn

from mfm_pipeline.models.factors import Factor
from mfm_pipeline.models.modality import KINDS
from mfm_pipeline.models.options import ModelOptions
from mfm_pipeline.models.per_modality import value_for

LIKELIHOODS: dict[str, tuple[str, dict[str, float], bool]] = {
    # MultiVae's default.
    "normal": ("normal", {"scale": 1.0}, False),
    # What its authors published their models of MNIST and SVHN with: all modalities count
    # the same, however many pixels they have.
    "laplace": ("laplace", {"scale": 0.75}, True),
    # Reconstruction weighs a hundred times as much as by default; without it, ten epochs of
    # 20,000 pairs left the peers little but the mean image.
    "sharp": ("normal", {"scale": 0.1}, True),
}
"""What pixels are distributed as about the decoder's output, and whether that is rescaled."""

BATCH = 500
GRANULE = 8
"""Channels are a multiple of it, as MFM's are."""
TOLERANCE = 0.1

Trial = dict[str, Any]
Data = dict[str, MultimodalBaseDataset]


class Sizes(NamedTuple):
    """Of the networks that MFM has for a modality."""

    modality: str
    shape: tuple[int, ...]
    own: int
    hidden: int
    channels: Sequence[int]
    own_hidden: int
    own_channels: Sequence[int]
    decoder: int | None
    factors: int

    @classmethod
    def of(cls, modality: str, shape: Sequence[int], options: ModelOptions) -> Sizes:
        """Read them from the options of an MFM with late fusion."""
        if options.fusion != "late_fusion":
            raise SystemExit(f"fusion is {options.fusion}; expected late_fusion")
        fusion, generative = options.fusion_options.late_fusion, options.generative

        def own(name: str) -> Any:
            setting = getattr(generative, name)
            return None if setting is None else value_for(modality, setting, name)

        return cls(
            modality=modality,
            shape=tuple(shape),
            own=own("latent"),
            hidden=value_for(modality, fusion.hidden, "hidden"),
            channels=value_for(modality, fusion.channels, "channels"),
            own_hidden=own("hidden") or own("latent"),
            own_channels=own("channels"),
            decoder=own("decoder"),
            factors=options.discriminative.factor + own("factor"),
        )


class Encoder(BaseMultilatentEncoder):  # type: ignore[misc]
    """Q(Z | Xi): MFM's encoder for Zy; for a latent of the modality's own, that for Zai."""

    def __init__(self, sizes: Sizes, latent: int, own: int, width: float) -> None:
        super().__init__()
        self.latent_dim, self.style_dim = latent, own
        self.towers, self.means, self.log_variances = (nn.ModuleDict() for _ in range(3))
        for name, size, hidden, channels in (
            ("shared", latent, sizes.hidden, sizes.channels),
            ("own", own, sizes.own_hidden, sizes.own_channels),
        ):
            if size:
                tower = KINDS["image"].encoder(
                    "convolution",
                    modality=sizes.modality,
                    shape=sizes.shape,
                    hidden=_wide(hidden, width),
                    channels=_channels(channels, width),
                )
                self.towers[name] = tower.network
                self.means[name] = nn.Linear(tower.size, size)
                self.log_variances[name] = nn.Linear(tower.size, size)

    def forward(self, x: Tensor) -> ModelOutput:
        """Return means and logarithms of variances, of the shared latent and the own one."""
        output = ModelOutput()
        for name, tower in self.towers.items():
            state = tower(x)
            prefix = "style_" if name == "own" else ""
            output[f"{prefix}embedding"] = self.means[name](state)
            output[f"{prefix}log_covariance"] = self.log_variances[name](state)
        return output


class Decoder(BaseDecoder):  # type: ignore[misc]
    """P(Xi | Z): a factor network and the decoder, as MFM has them."""

    def __init__(self, sizes: Sizes, latent: int, width: float) -> None:
        super().__init__()
        factors = _wide(sizes.factors, width)
        decoder = KINDS["image"].decoder(
            modality=sizes.modality,
            factors=factors,
            shape=sizes.shape,
            hidden=None if sizes.decoder is None else _wide(sizes.decoder, width),
            channels=_channels(sizes.own_channels, width),
        )
        self.network = nn.Sequential(Factor(latent_size=latent, size=factors), decoder.network)

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the image, from 0 to 1."""
        return ModelOutput(reconstruction=self.network(z))


def _wide(size: int, width: float) -> int:
    return max(1, round(size * width))


def _channels(channels: Sequence[int], width: float) -> list[int]:
    return [max(1, round(each * width / GRANULE)) * GRANULE for each in channels]


def build(trial: Trial) -> tuple[nn.Module, float]:
    """Return a peer as large as the trial says, and how wide it is beside MFM's networks."""
    wanted = trial["parameters"]
    low, high = 0.1, 10.0
    sizes: dict[float, int] = {}
    for _ in range(24):
        width = (low * high) ** 0.5
        sizes[width] = parameters(_assemble(trial, width))
        low, high = (width, high) if sizes[width] < wanted else (low, width)
    width = min(sizes, key=lambda each: abs(sizes[each] - wanted))
    if abs(sizes[width] - wanted) > TOLERANCE * wanted:
        raise SystemExit(f"{trial['model']}: {sizes[width]} parameters; expected about {wanted}")
    torch.manual_seed(trial["seed"])
    return _assemble(trial, width), width


def parameters(model: nn.Module) -> int:
    """Return the number of weights that are trained."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def _assemble(trial: Trial, width: float) -> nn.Module:
    name, options = trial["model"], ModelOptions.model_validate(trial["options"])
    sizes = [Sizes.of(each, shape, options) for each, shape in trial["shapes"].items()]
    distribution, scale, rescaled = LIKELIHOODS[trial["likelihood"]]
    latent, own, further = options.discriminative.latent, 0, {}
    if name == "MMVAEPlus":
        own = max(each.own for each in sizes)
        further = {"modalities_specific_dim": own}
    else:
        # One latent, as large as all of MFM's together.
        latent += sum(each.own for each in sizes)
    config = getattr(multivae.models, f"{name}Config")(
        n_modalities=len(sizes),
        latent_dim=latent,
        input_dims={each.modality: each.shape for each in sizes},
        uses_likelihood_rescaling=rescaled,
        decoders_dist={each.modality: distribution for each in sizes},
        # Each its own: MultiVae takes the scale out.
        decoder_dist_params={each.modality: dict(scale) for each in sizes},
        **further,
    )
    model: nn.Module = getattr(multivae.models, name)(
        config,
        encoders={each.modality: Encoder(each, latent, own, width) for each in sizes},
        decoders={each.modality: Decoder(each, latent + own, width) for each in sizes},
    )
    return model


def train(model: nn.Module, trial: Trial, data: Data) -> nn.Module:
    """Train by MultiVae's own trainer, which keeps the epoch that is best on valid."""
    schedule: dict[str, Any] = {}
    if trial["schedule"] == "cosine":
        schedule = {
            "scheduler_cls": "CosineAnnealingLR",
            "scheduler_params": {"T_max": trial["epochs"]},
        }
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            model,
            train_dataset=data["train"],
            eval_dataset=data["valid"],
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=trial["epochs"],
                learning_rate=trial["learning_rate"],
                per_device_train_batch_size=trial["batch_size"],
                per_device_eval_batch_size=BATCH,
                seed=trial["seed"],
                no_cuda=True,
                **schedule,
            ),
        )
        trainer.train()
    best: nn.Module = trainer._best_model
    return best.eval()


@torch.no_grad()
def generate(model: Any, trial: Trial, data: Data) -> dict[str, np.ndarray]:
    """Return shared latents of every split, and images of valid and test.

    Drawn jointly, and conditionally on one modality, whose own latents are drawn: from the
    model's prior, and from mixtures that MultiVae fits to train's latents.
    """
    mixture = GaussianMixtureSampler(model, GaussianMixtureSamplerConfig(trial["components"]))
    mixture.fit(data["train"])
    made: dict[str, list[np.ndarray]] = defaultdict(list)
    for split, dataset in data.items():
        for batch in _batches(dataset):
            # Of the joint posterior, given all modalities.
            made[f"{split}/latent"].append(model.encode(batch, return_mean=True).z.numpy())
            if split == "train":
                continue
            for sampler, draw in (
                ("prior", model.generate_from_prior),
                ("mixture", mixture.sample),
            ):
                images = {"joint": model.decode(draw(len(batch)))}
                for observed in batch.data:
                    latents = model.encode(batch, observed)
                    if sampler == "mixture" and not latents.one_latent_space:
                        latents.modalities_z = draw(len(batch)).modalities_z
                    missing = [name for name in batch.data if name != observed]
                    images[f"from_{observed}"] = model.decode(latents, missing)
                for how, generated in images.items():
                    for name, values in generated.items():
                        made[f"{split}/{sampler}/{how}/{name}"].append(_bytes(values))
    return {key: np.concatenate(parts) for key, parts in made.items()}


def _batches(dataset: MultimodalBaseDataset) -> list[MultimodalBaseDataset]:
    count = math.ceil(len(dataset) / BATCH)
    parts = {name: torch.chunk(values, count) for name, values in dataset.data.items()}
    return [
        MultimodalBaseDataset(dict(zip(parts, batch, strict=True)))
        for batch in zip(*parts.values(), strict=True)
    ]


def _bytes(images: Tensor) -> np.ndarray:
    pixels: np.ndarray = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels


def main(folder: Path) -> None:
    """Train what `trial.json` describes, and write what it generates."""
    logging.disable(logging.INFO)
    trial = json.loads((folder / "trial.json").read_text())
    with np.load(trial["pairs"]) as pairs:
        data = {
            split: MultimodalBaseDataset(
                {
                    name: torch.from_numpy(pairs[f"{split}/{name}"]).float() / 255
                    for name in trial["shapes"]
                }
            )
            for split in ("train", "valid", "test")
        }
    model, width = build(trial)
    result = {"parameters": parameters(model), "width": width, "diverged": False}
    began = time.monotonic()
    try:
        model = train(model, trial, data)
    except (ArithmeticError, ValueError) as error:
        # A cost that is NaN, by MultiVae's trainer, or what leads to it, by PyTorch's
        # distributions: settings that score nothing.
        if isinstance(error, ValueError) and "found invalid values" not in str(error):
            raise
        result["diverged"] = True
    result["seconds"] = time.monotonic() - began
    if not result["diverged"]:
        np.savez(folder / "generated.npz", **generate(model, trial, data))
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
