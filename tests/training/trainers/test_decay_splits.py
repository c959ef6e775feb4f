"""Who is spared from decay in real models, beside Hugging Face's Trainer and timm: every difference has a reason."""

from __future__ import annotations

import functools
import re
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from halflife import param_groups

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    timm = pytest.importorskip("timm")
    peft = pytest.importorskip("peft")
    from timm.optim import param_groups_weight_decay
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

pytestmark = pytest.mark.filterwarnings("ignore")

HUGGING_FACE = """
albert bart beit bert blip-2 bloom clip convnext convnextv2 deberta-v2 deit dinov2 electra falcon_h1
dinov2_with_registers dinov3_vit gemma2 gpt2 gpt_neox gpt_oss groupvit layoutlmv3 levit llama mamba mamba2
mixtral opt perceiver phi3 qwen2 rwkv sam segformer siglip swin swinv2 t5 univnet vit voxtral_realtime
wav2vec2 whisper xlnet
"""

TABLE = "a table of embeddings: a row is a weight of its own, decayed even in steps that do not use it"
TOKEN = "a learned input, not a matrix that multiplies: timm spares it"
POSITION = "positions: timm's no_weight_decay() spares them"
VECTOR = "one number a channel or head, or one in all: timm spares what has one dimension"
BROADCAST = "one number a channel or head, laid out to be broadcast"

WE_ALONE = {
    r"(embed_in|embed_tokens|shared|embeddings|w[tp]e|(word|token|token_type)_embeddings?)\.weight": TABLE,
    r"no_mask_embed\.weight|not_a_point_embed\.weight|point_embed\.\d+\.weight": TABLE,
    r"seg_embed|mask_emb": TABLE,
    r"(\w*position_embeddings?|embed_positions)\.weight": POSITION,
    r"\w*pos(ition|itional)?_embed(ding|dings)?|rel_pos_[hw]": POSITION,
    r"(cls|mask|distillation|register|query|group|iou)_tokens?(\.weight)?|class_embedding|latents": TOKEN,
    r"probe": BROADCAST,
    r"time_(decay|first)|lambda_?\d|layer_scale_parameter|A_log|D|sinks|masked_spec_embed": VECTOR,
    r"logit_scale|norm_f\.weight|(visual|text)_projection\.\d\.weight": VECTOR,
    r"time_mix_(key|value|receptance)|grn\.weight": BROADCAST,
}
HUGGING_FACE_ALONE = {
    r"ada_rms_norm\.linear\d\.weight": "a matrix that makes a normalization's gain: it has 'norm' in its name only",
    r"kernel_predictor\.bias_conv\.weight": "the weight of a convolution that predicts biases",
}

TIMM = """
beit_base_patch16_224 botnet26t_256 cait_xxs24_224 coat_tiny coatnet_0_rw_224 convit_tiny convmixer_768_32
convnext_atto convnextv2_atto crossvit_9_240 davit_tiny deit_tiny_distilled_patch16_224 densenet121
edgenext_xx_small efficientformer_l1 efficientnet_b0 efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224
fastvit_t8 hiera_tiny_224 levit_128 maxvit_tiny_tf_224 mixer_s32_224 mobilenetv3_small_050 mobilevit_xs
mvitv2_tiny nest_tiny pit_ti_224 poolformer_s12 regnety_002 repvit_m0_9 resmlp_12_224 resnet18
samvit_base_patch16 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tnt_s_patch16_224
twins_pcpvt_small vit_tiny_patch16_224 visformer_tiny vit_relpos_small_patch16_224 volo_d1_224
xcit_nano_12_p8_224 naflexvit_base_patch16_map
"""

WE_BEYOND_TIMM = {
    r"rel_pos_[hw]": "positions, which samvit's no_weight_decay() does not name",
    r"pos_embed(\d|_win)|pos_embed\.(height|width)_rel": "positions, which no_weight_decay() names otherwise or not",
    r"temperature|gamma|norm\d?\.(alpha|beta)|attn_pool\.latent": BROADCAST,
}


def fits(name: str, differences: dict[str, str]) -> list[str]:
    return [pattern for pattern in differences if re.search(rf"(^|\.)({pattern})$", name)]


def spared(model: nn.Module) -> set[str]:
    groups = param_groups(model, weight_decay=0.1)
    return {n for g in groups if g["weight_decay"] == 0 for n in g["param_names"]}


def spared_by_trainer(model: nn.Module) -> set[str]:
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    return trained - {*transformers.Trainer.get_decay_parameter_names(None, model)}


@functools.cache
def by_hugging_face(name: str) -> tuple[set[str], set[str]]:
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(CONFIG_MAPPING[name]())
    return spared(model), spared_by_trainer(model)


@functools.cache
def by_timm(name: str) -> tuple[set[str], set[str]]:
    with torch.device("meta"):
        model = timm.create_model(name)
    declared = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    groups = param_groups_weight_decay(model, 0.1, no_weight_decay_list=declared)
    theirs = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
    return spared(model), {name for name, p in model.named_parameters() if id(p) in theirs}


@pytest.mark.parametrize("name", HUGGING_FACE.split())
def test_as_hugging_faces_trainer(name: str) -> None:
    ours, theirs = by_hugging_face(name)
    assert [n for n in ours - theirs if len(fits(n, WE_ALONE)) != 1] == []
    assert [n for n in theirs - ours if len(fits(n, HUGGING_FACE_ALONE)) != 1] == []
    assert ours & theirs


@pytest.mark.parametrize("name", TIMM.split())
def test_as_timm(name: str) -> None:
    ours, theirs = by_timm(name)
    assert [n for n in ours - theirs if len(fits(n, WE_BEYOND_TIMM)) != 1] == []
    assert theirs - ours == set()
    assert theirs


def test_every_difference_is_one() -> None:
    trainer, timms = map(by_hugging_face, HUGGING_FACE.split()), map(by_timm, TIMM.split())
    seen = set[str]()
    for ours, theirs in trainer:
        seen |= {p for n in ours - theirs for p in fits(n, WE_ALONE)}
        seen |= {p for n in theirs - ours for p in fits(n, HUGGING_FACE_ALONE)}
    for ours, theirs in timms:
        seen |= {p for n in ours - theirs for p in fits(n, WE_BEYOND_TIMM)}
    assert seen == {*WE_ALONE, *HUGGING_FACE_ALONE, *WE_BEYOND_TIMM}


def test_what_a_model_declares_is_said_in_the_table() -> None:
    with torch.device("meta"):
        model = timm.create_model("levit_128")
    line = next(x for x in str(param_groups(model, weight_decay=0.1)).splitlines() if x.startswith("'declared'"))
    assert "named by no_weight_decay()" in line
    assert "attention_biases" in line


def test_a_tower_of_timms_within_another_model() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual, self.text = nn.Module(), nn.Linear(4, 4)
            self.visual.trunk = timm.create_model("twins_pcpvt_small")

    with torch.device("meta"):
        ours, alone = spared(Both()), by_timm("twins_pcpvt_small")[1]
    assert ours == {f"visual.trunk.{name}" for name in alone} | {"text.bias"}
    assert any("pos_block" in name for name in ours)


GPT2 = {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 32, "n_positions": 8}
BERT = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 32}
VIT = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32}
LLAMA = {**BERT, "num_key_value_heads": 2}
LORA: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gpt2": ("gpt2", GPT2, {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    "one rank": ("gpt2", GPT2, {"target_modules": ["c_attn"], "r": 1, "fan_in_fan_out": True}),
    "biases": ("bert", BERT, {"target_modules": ["query", "value"], "bias": "all"}),
    "whole modules": ("vit", VIT, {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["layernorm", "pooler"]}),
    "dora": ("llama", LLAMA, {"target_modules": ["q_proj", "down_proj"], "use_dora": True}),
}


@pytest.mark.parametrize("case", LORA.values(), ids=LORA)
def test_lora_as_hugging_faces_trainer(case: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    name, sizes, lora = case
    model = transformers.AutoModel.from_config(CONFIG_MAPPING[name](**sizes))
    model = peft.get_peft_model(model, peft.LoraConfig(**{"r": 4, **lora}))
    ours, theirs = spared(model), spared_by_trainer(model)
    magnitudes = {n for n in ours if "lora_magnitude_vector" in n}  # one number an output, and DoRA's gain
    assert ours - magnitudes == theirs
    assert bool(magnitudes) == bool(lora.get("use_dora"))
    groups = param_groups(model, weight_decay=0.1)
    decayed = {n for g in groups if g["weight_decay"] for n in g["param_names"]}
    assert {n for n, p in model.named_parameters() if re.search("lora_[AB]", n)} <= decayed


def test_what_rows_of_a_table_lora_trains_is_decayed_by_both() -> None:
    model = transformers.AutoModel.from_config(CONFIG_MAPPING["gpt2"](**GPT2))
    model = peft.get_peft_model(model, peft.LoraConfig(r=1, target_modules=["wte"]))
    assert spared(model) == spared_by_trainer(model) == set()
