"""Options of the model: what they accept, and what they say of what they do not."""

from __future__ import annotations

import pytest

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models import ModelOptions
from mfm_pipeline.models.fusion import FUSIONS
from mfm_pipeline.models.per_modality import value_for
from mfm_pipeline.objectives import Objective


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion": "graph"}, r"fusion is 'graph'.*mfn, ef_lstm, statistics"),
        ({"fusion_options": {"graph": {}}}, r"fusion_options.*'graph'.*mfn, ef_lstm, statistics"),
        ({"fusion_options": {"mfn": {"memory": 0}}}, r"memory is 0.*greater than or equal to 1"),
        ({"fusion_options": {"mfn": {"memmory": 1}}}, r"'memmory' is not a parameter.*'memory'"),
        ({"fusion_options": {"mfn": {"gates": {"dropout": 1.0}}}}, r"dropout is 1.0.*less than 1"),
        ({"prior": "gan"}, r"prior is 'gan'.*'mmd' or 'kl'"),
        ({"prior_weight": -1}, r"prior_weight is -1.*greater than or equal to 0"),
        ({"prior_weight": float("nan")}, r"prior_weight is nan.*finite"),
        ({"reconstruction": {"language": -0.1}}, r"reconstruction.language is -0.1"),
        ({"discriminative": {"latent": 0}}, r"latent is 0.*greater than or equal to 1"),
        ({"generative": {"latent": {"language": 0}}}, r"latent.language is 0"),
        ({"generative": {"latent": "many"}}, r"latent.*is 'many'"),
        ({"generative": {"dropout": 1}}, r"dropout.*is 1.*less than 1"),
        ({"generative": {"encoder": "cnn"}}, r"'cnn'.*lstm, statistics"),
        ({"generative": {"encoder": {"visual": "cnn"}}}, r"'cnn'.*lstm, statistics"),
        ({"discriminative": {"latent": 10, "heads": 4}}, r"latent is 10.*multiple of heads, 4"),
        ({"fuison": "mfn"}, r"'fuison' is not a parameter; did you mean 'fusion'"),
    ],
)
def test_wrong_values_are_named_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        ModelOptions.model_validate(settings)
    assert "\n" not in str(caught.value)


def test_a_fusion_encoder_is_switched_by_name_alone() -> None:
    options = {"mfn": {"memory": 7}, "ef_lstm": {"hidden": 9}}
    for name in FUSIONS:
        chosen = ModelOptions.model_validate({"fusion": name, "fusion_options": options})
        assert isinstance(chosen.chosen_fusion, FUSIONS[name])
    mfn = ModelOptions.model_validate({"fusion": "mfn", "fusion_options": options})
    assert mfn.chosen_fusion.model_dump()["memory"] == 7


def test_options_survive_a_dump() -> None:
    options = ModelOptions.model_validate(
        {
            "fusion": "mfn",
            "fusion_options": {"mfn": {"hidden": {"language": 3, "default": 2}}},
            "generative": {"latent": {"visual": 3, "default": 2}, "encoder": "statistics"},
        }
    )
    assert ModelOptions.model_validate(options.model_dump(mode="json")) == options


def test_one_value_stands_for_all_modalities() -> None:
    weights = ModelOptions.model_validate({"reconstruction": 0.5})
    assert Objective.build(weights, ["a", "b"], "regression").reconstruction == {
        "a": 0.5,
        "b": 0.5,
    }
    own = ModelOptions.model_validate({"reconstruction": {"a": 2, "default": 0}})
    assert Objective.build(own, ["a", "b"], "regression").reconstruction == {"a": 2, "b": 0}


def test_a_modality_without_a_value_is_named() -> None:
    with pytest.raises(
        ParameterError, match=r"generative.latent has no value for modality 'visual'.*language"
    ):
        value_for("visual", {"language": 3}, "generative.latent")


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"reconstruction": {"langage": 1.0}}, "model.reconstruction"),
        ({"generative": {"latent": {"langage": 1}}}, "model.generative.latent"),
        (
            {"fusion_options": {"mfn": {"hidden": {"langage": 1}}}},
            "model.fusion_options.mfn.hidden",
        ),
    ],
)
def test_unknown_modalities_are_named(settings: dict[str, object], parameter: str) -> None:
    options = ModelOptions.model_validate(settings)
    with pytest.raises(ParameterError, match=parameter) as caught:
        options.check_modalities(["language", "visual"])
    assert "'langage'" in str(caught.value)
    assert "language, visual" in str(caught.value)


def test_known_modalities_and_default_pass() -> None:
    options = ModelOptions.model_validate({"reconstruction": {"language": 1.0, "default": 0.5}})
    options.check_modalities(["language", "visual"])
