r"""MFM beside MVAE, MoPoE and MMVAE+ of MultiVae, on the same pairs of digit images.

Joint coherence (share of jointly drawn pairs that the judges of both modalities read as the
same digit), conditional coherence (share of images generated from the other modality of a
test pair that are read as its label), Fréchet distance of the jointly drawn images on the
judges' features, and the accuracy on test of a logistic regression on the shared latent.
Not a test: it takes long, and MultiVae an environment of its own, which is made by

    python3 -m venv PEERS
    PEERS/bin/pip install torch==2.13.0
    PEERS/bin/pip install --no-deps multivae==1.0.3 pythae==0.1.2
    PEERS/bin/pip install cloudpickle imageio matplotlib nltk pandas pydantic scikit-learn tqdm
    python benchmarks/compare_multivae.py --peers PEERS --stand-in

MultiVae imports torchvision, which breaks this PyTorch and of which nothing is needed: the
last line puts a package of that name there, with just the names imported. Then, in the
project's environment and folder, with MNIST in DIR/mnist:

    python benchmarks/compare_multivae.py --peers PEERS --env blended_mnist \
        --raw-root DIR --pairs 20000 --epochs 10

Without `--env` and `--raw-root` it is scikit-learn's digits. The tables are in WORK
(`--work`, data/08_reporting/compare_multivae): comparison.csv, comparison.md, and trials.csv
with every training. What was finished there is not done again. A training of MMVAE+ takes four
to nine times as long as one of the others, for it decodes ten draws (K) of each latent;
`--seeds 1` trains each model with one seed rather than `comparison.seeds`, and
`--untuned MMVAEPlus` gives that peer its first setting alone, MultiVae's default likelihood.

Everything about MFM, the judges and the pairs is that of conf/. All models have the same
epochs, batches, schedule, seeds and, but for width, networks; the peers' widths are such that
parameters are equal within a tenth. Each tries the learning rates of `comparison.settings`
with the first seed, and by the mean of coherences and probe on valid one is chosen and trained
with every seed. The peers first try three likelihoods with the first rate, as MFM's weight of
reconstruction in conf/ was tuned, too: `normal` (MultiVae's default), `laplace` (as its authors
published models of MNIST and SVHN) and `sharp`; see `multivae_peers.LIKELIHOODS`. Everything
else of theirs is MultiVae's default.

The shared latent is Zy of MFM; of MVAE and MoPoE the mean of the joint posterior of their one
latent, which is as large as all of MFM's together; of MMVAE+, which like MFM has one of each
modality's own, that of the shared one. Latents are drawn from the prior, and from mixtures
fitted to train's, in two rows a model. MFM alone is trained with the labels, and none is
trained with a modality missing but as its objective has it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from multivae_shared import ROOT, SAMPLERS, Shared, generate, prepare, score

from mfm_pipeline.evaluation import print_table
from mfm_pipeline.generation.scores import agreement
from mfm_pipeline.models import Blueprint
from mfm_pipeline.models.mfm import DISCRIMINATIVE
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.training import fit

OURS = "MFM"
PEERS = {"MVAE": "MVAE", "MoPoE": "MoPoE", "MMVAEPlus": "MMVAE+"}
LIKELIHOODS = ("normal", "laplace", "sharp")

STAND_IN = {
    "__init__": "from . import datasets, models, transforms, utils",
    "datasets/__init__": "from . import utils\nclass CelebA: ...\nMNIST = SVHN = CelebA",
    "datasets/utils": "def download_and_extract_archive(): ...",
    "models": "",
    "transforms": "class Resize: ...\nclass ToTensor: ...",
    "utils": "def make_grid(): ...\ndef save_image(): ...",
}
"""Modules of a torchvision that is none: what MultiVae takes from it when it is imported."""


class Trial(NamedTuple):
    """One training: a model by its class, and what is tried."""

    model: str
    learning_rate: float
    likelihood: str
    seed: int


def write_stand_in(peers: Path) -> None:
    """Put a package named torchvision into MultiVae's environment."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([_python(peers), "-c", ask], check=True, capture_output=True, text=True)
    folder = Path(found.stdout.strip()) / "torchvision"
    first = folder / "__init__.py"
    if first.exists() and STAND_IN["__init__"] not in first.read_text():
        raise SystemExit(f"{folder}: found a real torchvision; expected none there")
    for name, text in STAND_IN.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""Stands in for torchvision."""\n{text}\n')
    subprocess.run([_python(peers), "-c", "import multivae.trainers"], check=True)
    print(f"{folder}: MultiVae can be imported")


def run(trial: Trial, shared: Shared) -> dict[str, Any]:
    """Train a model and score it, unless that was done."""
    folder = shared.work / "trials" / "_".join(map(str, trial))
    kept = folder / "scores.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if trial.model == OURS:
            _run_ours(trial, shared, folder)
        else:
            _run_peer(trial, shared, folder)
        scores = json.loads((folder / "result.json").read_text())
        if not scores["diverged"]:
            with np.load(folder / "generated.npz") as generated:
                scores |= score(generated, shared)
        kept.write_text(json.dumps(scores, indent=2) + "\n")
    result: dict[str, Any] = json.loads(kept.read_text())
    print(f"{folder.name}: {chosen_by(result):.3f} on valid, {result['seconds']:.0f} s", flush=True)
    return result


def _run_ours(trial: Trial, shared: Shared, folder: Path) -> None:
    settings = {"learning_rate": trial.learning_rate, "seed": trial.seed, "resume": False}
    options = shared.training.model_copy(update=settings)
    began = time.monotonic()
    model = fit(shared.corpus, shared.model, options, folder / "checkpoints").model
    seconds = time.monotonic() - began
    np.savez(folder / "generated.npz", **generate(model, trial.seed, shared))
    result = {"parameters": _count(model), "width": 1.0, "seconds": seconds, "diverged": False}
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")


def _run_peer(trial: Trial, shared: Shared, folder: Path) -> None:
    wanted = {
        **trial._asdict(),
        "pairs": str(shared.work / "pairs.npz"),
        "shapes": {name: m.shape for name, m in shared.corpus.train.modalities.items()},
        "options": shared.model.model_dump(mode="json"),
        "parameters": _count(Blueprint.of(shared.corpus.train, shared.model).build()),
        "components": value_for(
            DISCRIMINATIVE, shared.generation.samplers.components, "samplers.components"
        ),
        "epochs": shared.training.epochs,
        "batch_size": shared.training.batch_size,
        "schedule": shared.training.schedule,
    }
    (folder / "trial.json").write_text(json.dumps(wanted, indent=2) + "\n")
    places = {"PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""}
    if not sys.stderr.isatty():
        places["TQDM_DISABLE"] = "1"
    script = Path(__file__).with_name("multivae_peers.py")
    subprocess.run([_python(shared.peers), script, folder], check=True, env=os.environ | places)


def chosen_by(result: Mapping[str, Any]) -> float:
    """Return what settings are chosen by: coherences and probe on valid, their mean."""
    if result["diverged"]:
        return -np.inf
    scores = [result[f"valid/{sampler}"] for sampler in SAMPLERS]
    return float(np.mean([each[name] for each in scores for name in each if _is_share(name)]))


def _is_share(score_name: str) -> bool:
    return not score_name.startswith("frechet")


def _best(tried: Mapping[Trial, Mapping[str, Any]]) -> Trial:
    return max(tried, key=lambda trial: chosen_by(tried[trial]))


def compare(shared: Shared, untuned: Collection[str]) -> pd.DataFrame:
    """Run every trial, and return a row a training and sampler, with what it scores on test."""
    rates = [
        setting.learning_rate or shared.training.learning_rate
        for setting in shared.comparison.settings
    ]
    first, *others = range(shared.training.seed, shared.training.seed + shared.comparison.seeds)
    rows = []
    for model in (OURS, *PEERS):
        likelihoods = ("mse",) if model == OURS else LIKELIHOODS
        tuned = model not in untuned
        likelihoods = likelihoods if tuned else likelihoods[:1]
        starts = [Trial(model, rates[0], likelihood, first) for likelihood in likelihoods]
        tried = {trial: run(trial, shared) for trial in starts}
        further = [_best(tried)._replace(learning_rate=rate) for rate in rates[1:] if tuned]
        tried |= {trial: run(trial, shared) for trial in further}
        finals = [_best(tried)._replace(seed=seed) for seed in (first, *others)]
        tried |= {trial: run(trial, shared) for trial in finals[1:]}
        for trial, result in tried.items():
            for sampler in SAMPLERS:
                rows.append(
                    {
                        **trial._asdict(),
                        "model": PEERS.get(model, model),
                        "drawn_from": sampler,
                        "final": trial in finals,
                        "valid": chosen_by(result),
                        **result.get(f"test/{sampler}", {}),
                        **{name: result[name] for name in ("parameters", "width", "seconds")},
                    }
                )
    return pd.DataFrame(rows)


def summarise(trials: pd.DataFrame, shared: Shared) -> pd.DataFrame:
    """Return means over the final trainings, and what real pairs score."""
    keys = ["model", "drawn_from", "learning_rate", "likelihood"]
    final = (
        trials[trials["final"]].drop(columns=["final", "seed", "valid"]).groupby(keys, sort=False)
    )
    table = final.mean()
    table.insert(table.columns.get_loc("joint") + 1, "joint_sd", final["joint"].std())
    real = shared.real["test"]
    labels = torch.from_numpy(shared.splits["test"].targets.values)
    ceiling: dict[str, Any] = {
        "model": "real pairs",
        "drawn_from": "",
        "joint": agreement(*(each.classes for each in real.values())).value,
    }
    for name, each in real.items():
        for observed in real:
            if observed != name:
                ceiling[f"{observed}_to_{name}"] = agreement(labels, each.classes).value
    table = pd.concat([table.reset_index(), pd.DataFrame([ceiling])], ignore_index=True)
    return table.astype({"parameters": "Int64"})


def _markdown(table: pd.DataFrame) -> str:
    def cell(value: Any) -> str:
        if pd.isna(value):
            return ""
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    shown = table.map(cell)
    rows = [list(table.columns), ["---"] * len(table.columns), *shown.to_numpy().tolist()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _count(model: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in model.parameters())


def _python(environment: Path) -> Path:
    return environment.absolute() / "bin" / "python"


def main() -> None:
    """Compare, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="MultiVae's environment")
    parser.add_argument("--stand-in", action="store_true", help="prepare that, and end")
    parser.add_argument("--env", help="the project's, as kedro run takes it")
    parser.add_argument("--raw-root", type=Path, help="where raw files lie")
    parser.add_argument("--pairs", type=int, help="digits.pairs.count")
    parser.add_argument("--epochs", type=int, help="digits.training.epochs")
    parser.add_argument("--seeds", type=int, help="digits.comparison.seeds")
    parser.add_argument(
        "--untuned", nargs="*", default=[], choices=PEERS, help="peers with one setting alone"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "data/08_reporting/compare_multivae")
    given = parser.parse_args()
    if given.stand_in:
        write_stand_in(given.peers)
        return
    shared = prepare(given)
    trials = compare(shared, given.untuned)
    trials.to_csv(shared.work / "trials.csv", index=False)
    table = summarise(trials, shared)
    table.to_csv(shared.work / "comparison.csv", index=False)
    (shared.work / "comparison.md").write_text(_markdown(table))
    shares = [name for name in table if name == "joint" or "_to_" in name or name == "probe"]
    shown = table[["model", "drawn_from", *shares, "parameters"]]
    print_table(shown, f"{shared.corpus.label}, test; {len(shared.corpus.train):,} pairs to train")


if __name__ == "__main__":
    main()
