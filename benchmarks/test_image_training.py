"""Training on pairs of images beside a plain PyTorch loop, and what it keeps in memory.

The loop has the same network, objective and optimiser on the same pairs in the same run: each
batch's rows of the uint8 images become floats, forward, backward, AdamW, and the objective on
the validation pairs after each epoch, in batches of the same sizes. No Lightning, checkpoints,
schedule or log. The two take turns on two threads; the ratio is that of their fastest
turns. Memory is that of a process of its own, which pairs and trains on 100,000 pairs of
28 x 28 pixels, above what it held before there was any image. Nothing timed is asserted.

    pytest benchmarks/test_image_training.py -s
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mfm_pipeline.config import ConfigLoader
from mfm_pipeline.data import Corpus, Modality, Split, Targets
from mfm_pipeline.models import Blueprint, Inputs, ModelOptions
from mfm_pipeline.models.swap import read_swapped
from mfm_pipeline.objectives import Objective
from mfm_pipeline.settings import CONFIG_LOADER_ARGS
from mfm_pipeline.training import TrainingOptions, fit

ROOT = Path(__file__).parents[1]
SHAPES = {"mnist": (1, 28, 28), "blended": (3, 28, 28)}
IMAGES = 35_000
EPOCHS, TURNS, THREADS = 1, 3, 2


def options() -> tuple[ModelOptions, TrainingOptions]:
    """Return what conf/blended_mnist trains, for fewer epochs."""
    loader = ConfigLoader(ROOT / "conf", "blended_mnist", **CONFIG_LOADER_ARGS)
    block = loader["parameters"]["digits"]
    training = {**block["training"], "epochs": EPOCHS, "samples_every": 0}
    return ModelOptions.model_validate(block["model"]), TrainingOptions.model_validate(training)


def pairs(count: int) -> Corpus:
    """Return pairs of random images, of which each set lies in memory once."""
    rng = np.random.default_rng(0)
    sets = {
        name: rng.integers(0, 256, (IMAGES, *shape), np.uint8) for name, shape in SHAPES.items()
    }

    def split(name: str, n: int) -> Split:
        modalities = {
            key: Modality(images, np.ones(n, bool), rows=rng.integers(0, IMAGES, n))
            for key, images in sets.items()
        }
        targets = Targets(rng.integers(0, 10, n), tuple(map(str, range(10))), "multiclass")
        return Split(modalities, targets, np.array([f"{name}_{i}" for i in range(n)]))

    sizes = {"train": int(0.8 * count), "valid": int(0.05 * count), "test": int(0.15 * count)}
    return Corpus("random", {name: split(name, n) for name, n in sizes.items()}, synthetic=True)


def plain_loop(corpus: Corpus, model_options: ModelOptions, training: TrainingOptions) -> None:
    """Train as a script would."""
    torch.manual_seed(training.seed)
    model = Blueprint.of(corpus.train, model_options).build()
    objective = Objective.build(model_options, SHAPES, "multiclass")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    images = {name: torch.from_numpy(corpus.train.modalities[name].values) for name in SHAPES}

    def batch(split: Split, index: torch.Tensor) -> tuple[Inputs, torch.Tensor]:
        rows = {k: torch.from_numpy(m.rows)[index] for k, m in split.modalities.items()}
        values = {name: images[name][rows[name]].float() / 255 for name in SHAPES}
        present = {name: torch.ones(len(index), dtype=torch.bool) for name in SHAPES}
        inputs = Inputs(values, {}, present, torch.zeros(len(index), dtype=torch.int64))
        return inputs, torch.from_numpy(split.targets.values)[index]

    def cost(split: Split, index: torch.Tensor) -> torch.Tensor:
        inputs, targets = batch(split, index)
        output = model(inputs)
        swapped = read_swapped(model, output, inputs, objective.swap)
        return objective(output, inputs, targets, swapped).total

    for _ in range(training.epochs):
        model.train()
        for index in torch.randperm(len(corpus.train)).split(training.batch_size):
            total = cost(corpus.train, index)
            optimizer.zero_grad()
            total.backward()
            if training.gradient_clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for index in torch.arange(len(corpus.valid)).split(max(training.batch_size, 256)):
                cost(corpus.valid, index)


def test_throughput(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Print images a second of both, and their ratio."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    corpus = pairs(6_000)
    model, training = options()
    seconds: dict[str, list[float]] = {"ours": [], "loop": []}
    for turn in range(TURNS + 1):
        for name in seconds:
            start = time.perf_counter()
            if name == "ours":
                fit(corpus, model, training, tmp_path / str(turn))
            else:
                plain_loop(corpus, model, training)
            if turn:  # The first warms up.
                seconds[name].append(time.perf_counter() - start)
    torch.set_num_threads(before)
    images = EPOCHS * len(corpus.train) * len(SHAPES)
    rate = {name: images / min(found) for name, found in seconds.items()}
    with capsys.disabled():
        print(
            f"\nours {rate['ours']:.0f} images/s, plain loop {rate['loop']:.0f} images/s, "
            f"ratio {rate['ours'] / rate['loop']:.2f}"
        )


SMALL = {
    "fusion": "late_fusion",
    "fusion_options": {"late_fusion": {"hidden": 16, "channels": [4, 8]}},
    "discriminative": {"latent": 8, "factor": 8},
    "generative": {"latent": 8, "factor": 8, "hidden": 16, "channels": [4, 8]},
}
"""Narrow: memory is that of the images and their pairs, not of the network."""


def measure(folder: Path) -> dict[str, float]:
    """Train on 100,000 pairs, and return megabytes of the images and of the peak beyond."""
    import resource
    import threading

    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    fit(pairs(300), ModelOptions.model_validate(SMALL), TrainingOptions(epochs=1), folder / "first")
    start, peak, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    corpus = pairs(100_000)
    training = TrainingOptions(epochs=1, batch_size=128)
    fit(corpus, ModelOptions.model_validate(SMALL), training, folder / "second")
    done.set()
    watcher.join()
    images = sum(m.values.nbytes for m in corpus.train.modalities.values()) / 1e6
    return {"images": images, "beyond": peak[0] - start - images}


def test_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the peak beyond the images; it stays below 2 GB."""
    code = (
        "import json, sys; from pathlib import Path; "
        "from benchmarks.test_image_training import measure; "
        "print(json.dumps(measure(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(f"\nimages {found['images']:.0f} MB, peak beyond them {found['beyond']:.0f} MB")
    assert found["beyond"] < 2000
