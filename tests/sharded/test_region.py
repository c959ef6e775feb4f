"""Which coordinates of a whole tensor a shard has, and that it is rounded by their random bits, without any process."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.sharded.region import ShardRegion, mark_region

REGIONS = {
    "rows": ((2, 6, 8), (1, 0, 0), (5, 6, 8)),
    "the middle": ((5, 2, 8), (0, 1, 0), (5, 6, 8)),
    "columns": ((5, 6, 3), (0, 0, 2), (5, 6, 8)),
    "rows and columns": ((2, 6, 3), (3, 0, 5), (5, 6, 8)),
    "a box": ((2, 3, 4), (1, 2, 3), (5, 6, 8)),
    "of a vector": ((3,), (2,), (9,)),
    "nothing": ((2, 0, 8), (0, 6, 0), (5, 6, 8)),
    "no columns": ((5, 6, 0), (0, 0, 8), (5, 6, 8)),
    "long runs": ((9, 1300), (3, 700), (20, 3000)),
    "runs of one": ((900, 1), (50, 1), (1000, 2)),
}


def cut(x: Tensor, region: Any) -> Tensor:
    shape, offset, _ = region
    return x[tuple(slice(o, o + n) for o, n in zip(offset, shape, strict=True))]


@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS)
def test_indices_are_the_wholes(region: Any) -> None:
    box = ShardRegion(*region)
    index = torch.arange(torch.Size(box.whole).numel()).view(box.whole)
    own = cut(index, region).reshape(-1)
    assert torch.equal(box.indices(len(own)), own)
    assert torch.equal(box.cut(index), cut(index, region))
    for at in range(0, len(own), max(1, len(own) // 3)):
        assert torch.equal(box.indices(len(own) - at, at), own[at:])


def test_what_broadcasts_is_cut_where_it_does_not() -> None:
    box, x = ShardRegion(*REGIONS["a box"]), torch.arange(6).view(1, 6, 1)
    assert box.cut(x).tolist() == [[[2], [3], [4]]]
    assert box.cut(torch.arange(8)).tolist() == [3, 4, 5, 6]


def stepped(p: Tensor, grads: list[Tensor], settings: dict[str, Any]) -> halflife.AdamW:
    optimizer = halflife.AdamW([p], lr=0.05, weight_decay=0.5, **settings)
    for g in grads:
        p.grad = g
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("engine", ["native", "foreach", "eager"])
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS)
def test_a_shard_has_the_bits_of_the_whole(region: Any, dtype: torch.dtype, rounding: str, engine: Any) -> None:
    torch.manual_seed(0)
    start = torch.randn(region[2]).to(dtype)
    grads = [torch.randn(region[2]).to(dtype) for _ in range(3)]
    settings = {"rounding": rounding, "state_dtype": torch.bfloat16, "engine": engine}
    left_alone = engine == "native" and len(ShardRegion(*region).gaps) > 1  # then it is the eager engine's step
    whole = start.clone().requires_grad_()
    expected = stepped(whole, grads, settings | ({"engine": "eager"} if left_alone else {}))
    part = cut(start, region).clone().requires_grad_()
    mark_region(part, *region)
    found = stepped(part, [cut(g, region).clone() for g in grads], settings)
    assert torch.equal(part, cut(whole.detach(), region))
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(found.state[part][name], cut(expected.state[whole][name], region))
    (choice,) = found.engines()
    if left_alone:
        assert "several dimensions" in choice.reason
    else:
        assert choice.name == engine


def test_without_its_place_it_has_other_bits() -> None:
    """So that the tests above can fail."""
    torch.manual_seed(0)
    region = REGIONS["columns"]
    start, g = torch.randn(region[2]), torch.randn(region[2])
    ends: list[Tensor] = []
    for marked in (True, False):
        part = cut(start, region).clone().requires_grad_()
        if marked:
            mark_region(part, *region)
        optimizer = stepped(part, [cut(g, region).clone()], {"state_dtype": torch.bfloat16})
        ends.append(optimizer.state[part]["exp_avg"])
    assert not torch.equal(*ends)
