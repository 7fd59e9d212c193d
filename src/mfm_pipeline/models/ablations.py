"""The models of Figure 3, each a configuration of the one model: MFM less a design component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mfm_pipeline.errors import ParameterError
from mfm_pipeline.models.options import ModelOptions

FACTORIZED = "MFM"


def ablations(
    model: ModelOptions, modalities: Sequence[str], *, early_fusion: str = "ef_lstm"
) -> dict[str, ModelOptions]:
    """Return the options of every model of Figure 3, by its name there.

    =======  =======================  =====================  ==================
    model    inference                Y from                 each X̂i from
    =======  =======================  =====================  ==================
    M_A      early fusion             the early-fused state  not generated
    M_B      Zy from X1:M             Fy                     not generated
    M_C      each Zai from Xi         all Fai                Fai
    M_D      Zy from X1:M             Fy                     Fy
    M_E      Zy and a Za from X1:M    Fy                     Fy, Fa
    MFM      Zy, and each Zai from    Fy                     Fy, Fai
             Xi
    =======  =======================  =====================  ==================

    Parameters
    ----------
    model : ModelOptions
        MFM, whose sizes, fusion encoder and weights the others take over.
    modalities : sequence of str
        Those of the corpus.
    early_fusion : str
        Fusion encoder of M_A.

    Raises
    ------
    ParameterError
        Unless MFM reads what it generates, so that all models see the same.
    """
    read, generated = (_named(names, modalities) for names in (model.reads, model.generates))
    if not generated or read != generated:
        raise ParameterError(
            f"model.reads is {', '.join(read) or 'none'} and model.generates "
            f"{', '.join(generated) or 'none'}; expected the same modalities, for all models of "
            "the ablation to see the same"
        )
    # What is not Fy has no parts for heads of their own.
    single = model.discriminative.model_dump() | {"heads": 1, "share": 1.0}
    separate = model.generative.model_dump() | {"joint": False}
    full: dict[str, Any] = {
        "predicts_from": "discriminative", "generates_from": "both", "generative": separate
    }  # fmt: skip
    early = {"fusion": early_fusion, "predicts_from": "fused", "discriminative": single}
    changes: dict[str, dict[str, Any]] = {
        "M_C": {
            "reads": None,
            "generates": generated,
            "predicts_from": "generative",
            "generates_from": "generative",
            "discriminative": single,
            "generative": separate,
        },
        "M_D": full | {"generates_from": "discriminative"},
        "M_E": full | {"generative": separate | {"joint": True}},
        FACTORIZED: full,
    }
    predicting = discriminative(model)
    return {
        "M_A": _changed(predicting, early),
        "M_B": _changed(predicting, {"predicts_from": "discriminative"}),
        **{name: _changed(model, changed) for name, changed in changes.items()},
    }


def discriminative(model: ModelOptions) -> ModelOptions:
    """Return the same network for the label alone.

    It generates nothing, no prior binds its latents, and neither noise nor dropout of whole
    modalities, which are there for generating, disturbs them. What is said of generating is
    as by default, so that equal networks have equal options.
    """
    plain = ModelOptions()
    unused = ("generative", "reconstruction", "generates_from", "prior", "noise", "kernel",
              "joint_prior", "style_swap", "task_weight")  # fmt: skip
    fusions = model.fusion_options.model_dump()
    fusions["late_fusion"]["modality_dropout"] = 0.0
    return _changed(
        model,
        {name: getattr(plain, name) for name in unused}
        | {"generates": (), "prior_weight": 0.0, "fusion_options": fusions},
    )


def _changed(model: ModelOptions, changes: dict[str, Any]) -> ModelOptions:
    """Return checked options with some of them changed."""
    return ModelOptions.model_validate(model.model_dump() | changes)


def _named(names: Sequence[str] | None, modalities: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in modalities if names is None or name in names)
