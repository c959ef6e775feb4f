"""Every listed rule in each of its variants, those that installed distributions register too."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import halflife
from halflife import registry
from halflife.decays import NAMED, Decay
from halflife.optimizers import optimizer_of
from halflife.registry import RuleEntry
from halflife.regularizers import L2
from halflife.rules import Rule
from halflife.update import Update, check

registry.load_plugins()


@dataclass(frozen=True)
class Variant:
    """One of an entry's ``variants``, by its place among them."""

    entry: RuleEntry
    place: int

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.entry.variants[self.place])

    def optimizer(self, params: Any, **settings: Any) -> Any:
        """The rule's optimizer; ``capturable`` also where torch's class has no flag for what it always is."""
        kind = optimizer_of(self.entry)
        capturable = settings.pop("capturable", False)
        flags = {"capturable": capturable} if "capturable" in inspect.signature(kind).parameters else {}
        optimizer = kind(params, **{**self.options, **settings, **flags})
        for group in optimizer.param_groups:
            group["capturable"] = capturable
        return optimizer

    @property
    def rule(self) -> Rule:
        optimizer: halflife.Optimizer = self.optimizer([torch.zeros(self.shapes([(1,)])[0])])
        return optimizer.view(optimizer.param_groups[0]).rule

    def updates(self) -> Iterator[Update]:
        """The rule under each named decay that it composes with."""
        for decay in self.decays():
            yield Update(self.rule, decay, L2())

    def decays(self) -> list[Decay]:
        return [decay for decay in NAMED.values() if is_legal(self.entry.rule, decay)]

    def shapes(self, shapes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """These, or matrices in their place for a rule that takes no others."""
        if self.entry.rule.acts_on != "matrices":
            return list(map(tuple, shapes))
        return [(*shape, 3, 2)[:2] for shape in shapes]

    def __str__(self) -> str:
        return f"{self.entry.name}-{self.place}"


def is_legal(rule: type[Rule], decay: Decay) -> bool:
    """Whether the three compose, with the ridge."""
    try:
        check(rule, decay, L2())
    except ValueError:
        return False
    return True


ENTRIES = [entry for entry in registry.entries() if entry.rule.sparse != "required"]
VARIANTS = [Variant(entry, place) for entry in ENTRIES for place in range(len(entry.variants))]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)
each_engine = pytest.mark.parametrize("engine", ["eager", "foreach"])
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

SHAPES = ((3, 4), (5,))
LR, LAM = 0.05, 0.3


def numbers(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(shapes: Sequence[Sequence[int]] = SHAPES, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return [numbers(shape, k).to(dtype).requires_grad_() for k, shape in enumerate(shapes)]


def flat(params: Sequence[torch.Tensor]) -> torch.Tensor:
    """All their numbers."""
    return torch.cat([p.detach().flatten() for p in params])


def train(optimizer: torch.optim.Optimizer, steps: int = 6, first: int = 0) -> torch.Tensor:
    """Steps on given gradients, from the first on, while lr falls by a factor each; the weights after them."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for t in range(first, steps):
        for k, p in enumerate(params):
            p.grad = numbers(p.shape, 100 + 10 * t + k).to(p.dtype)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * 0.8
    return flat(params)


def made(variant: Variant, params: Any = None, **settings: Any) -> Any:
    own = weights(variant.shapes(SHAPES)) if params is None else params
    return variant.optimizer(own, **{"lr": LR, "weight_decay": LAM, **settings})


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


class _Watch(TorchDispatchMode):
    """Sees every operation that asks a tensor for its number."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


@contextmanager
def no_number_is_read() -> Iterator[None]:
    """Within, no tensor is asked for its number, for which an accelerator would have to wait, or a graph break."""
    with _Watch() as watch:
        yield
    assert watch.reads == 0
