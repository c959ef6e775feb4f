"""Weights and states in fewer bits: on shards the bits of one process, but for codes, whose blocks are local."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

import halflife
from halflife import regularizers as rz
from tests.sharded.launch import case
from tests.sharded.models import assert_copies_agree, assert_near, model, put_gradients, shard, step_both, whole

STRONG: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.5}
BF16: dict[str, Any] = {"state_dtype": torch.bfloat16}
FORMATS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "bf16 states": (torch.float32, BF16),
    "stochastic rounding": (torch.bfloat16, {"rounding": "stochastic"}),
    "stochastic rounding and bf16 states": (torch.bfloat16, {"rounding": "stochastic", **BF16}),
    "stochastic rounding of half": (torch.float16, {"rounding": "stochastic", "state_dtype": torch.float32}),
    "kahan": (torch.bfloat16, {"rounding": "kahan", **BF16}),
    "stochastic rounding, an average": (torch.bfloat16, {"rounding": "stochastic", "ema_decay": 0.5}),
}
ENGINES = ("native", "foreach", "eager")


def _same_bits(form: str, engine: str, way: str) -> None:
    dtype, settings = FORMATS[form]
    one, many = model(dtype), shard(model(dtype), way)
    theirs, ours = list(one.parameters()), list(many.parameters())
    a, b = (halflife.AdamW(ps, engine=engine, **STRONG, **settings) for ps in (theirs, ours))
    before = [p.detach().clone() for p in theirs]
    step_both(a, theirs, b, ours)
    assert {choice.name for choice in b.engines()} == {engine}
    for p, q, w in zip(theirs, ours, before, strict=True):
        assert torch.equal(whole(q), p), (whole(q) != p).sum()
        assert not torch.equal(p, w)
        assert_copies_agree(q)
        for key, x in a.state[p].items():
            assert torch.equal(whole(b.state[q][key]), x), key


@case(2, way=["fsdp", "columns"], form=FORMATS, engine=ENGINES)
def two_round_as_one(way: str, form: str, engine: str) -> None:
    _same_bits(form, engine, way)


@case(4, way=["2d", "hsdp"], form=FORMATS, engine=ENGINES)
def four_round_as_one(way: str, form: str, engine: str) -> None:
    _same_bits(form, engine, way)


@case(2, 4, way=["fsdp", "columns"])
def codes_follow_float32(way: str) -> None:
    """8-bit states on shards stay as near to float32 ones as they do in one process."""
    ends: list[list[Tensor]] = []
    for settings in ({}, {"state_dtype": "8bit"}):
        params = list(shard(model(torch.float32), way).parameters())
        optimizer = halflife.AdamW(params, **STRONG, **settings)
        for t in range(4):
            put_gradients(params, t)
            optimizer.step()
        ends.append([whole(p) for p in params])
        for state in optimizer.state.values() if settings else ():
            assert isinstance(state["exp_avg"], DTensor)
            assert state["exp_avg"].dtype == torch.uint8
            assert type(state["exp_avg_scale"]) is Tensor  # of the shard's own blocks, also where it has one number
    for p, q in zip(*ends, strict=True):
        assert_near(p, q, 0.05)
    assert not torch.equal(ends[0][0], ends[1][0])


@case(2)
def narrow_formats_beside_blocks_over_all_processes() -> None:
    """GroupLasso of columns, whose blocks are cut, with weights and states in bf16."""
    dtype, settings = FORMATS["stochastic rounding and bf16 states"]
    one, many = model(dtype), shard(model(dtype), "fsdp")
    theirs, ours = ([p for p in net.parameters() if p.dim() == 2] for net in (one, many))
    lasso: dict[str, Any] = {"decay": "proximal", "regularizer": rz.GroupLasso(dim=0), "lr": 0.05, "weight_decay": 0.05}
    a, b = (halflife.AdamW(ps, **lasso, **settings) for ps in (theirs, ours))
    step_both(a, theirs, b, ours)
    for p, q in zip(theirs, ours, strict=True):
        assert_near(whole(q).float(), p.float(), 0.01)  # the norms of blocks may differ by a last bit
