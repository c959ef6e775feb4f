"""A rule that takes matrices as wholes, on a shard of them: the whole is gathered for its direction alone."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor

from ..rules import Rule
from .sharding import Sharding


def rule_on_shard(rule: Rule, sharding: Sharding) -> Rule:
    """The rule whose ``direction(v)`` is that of the whole that such shards v make up, cut like them.

    Every process makes all of it. What it receives are the other processes' shards of v, once, in the precision in
    which the rule multiplies: 2 bytes a coordinate for Muon's bfloat16, (n − 1)/n of them of n processes.
    """

    def direction(v: Any) -> Any:
        if not hasattr(v, "tensors"):
            return cut(rule.direction(gathered(v)))
        whole: Any = rule.direction(v.map(gathered))  # of a list of many
        return whole.map(cut)

    def gathered(v: Tensor) -> Tensor:
        narrow = getattr(torch, getattr(rule, "precision", ""), v.dtype)
        return sharding.spread(v.to(narrow).contiguous()).full_tensor().to(v.dtype)

    def cut(u: Tensor) -> Tensor:
        return sharding.local(sharding.replicated(u))

    changed = copy(rule)
    object.__setattr__(changed, "direction", direction)
    return changed
