"""The `pair_digits` pipeline."""

from kedro.pipeline import Node, Pipeline

from mfm_pipeline.config import DIGITS
from mfm_pipeline.pipelines.pair_digits.nodes import build_corpus, pair_digits, read_digits


def create_pipeline() -> Pipeline:
    """Read two sets of digit images, pair them by label, and make a corpus of the pairs."""
    pairing = Pipeline(
        [
            Node(
                read_digits,
                inputs=["raw_mnist", "raw_svhn", "params:images", "params:pairs"],
                outputs="image_sets",
                name="read_digits",
            ),
            Node(
                pair_digits,
                inputs=["image_sets", "params:pairs"],
                outputs="pairs",
                name="pair_digits",
            ),
            Node(
                build_corpus,
                inputs=["image_sets", "pairs", "params:images"],
                outputs="corpus",
                name="build_corpus",
            ),
        ],
        namespace="pairing",
        prefix_datasets_with_namespace=False,
    )
    return Pipeline(pairing, namespace=DIGITS)
