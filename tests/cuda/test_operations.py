"""Every operation that a rule may be written in, in the text's words, beside torch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import halflife
from halflife.engines import trace
from halflife.engines.cuda import text
from halflife.rules import Rule

from .deferred import Deferred, compiled_by, needs_compiler

pytestmark = needs_compiler
Operation = Callable[[Tensor, Tensor], Any]

OPERATIONS: dict[str, Operation] = {
    "add": lambda a, b: a + b,
    "add, times": lambda a, b: a.add(b, alpha=3),
    "sub": lambda a, b: a - b,
    "number - tensor": lambda a, b: 2.5 - a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "number / tensor": lambda a, b: 2.5 / a,
    "tensor / number": lambda a, b: a / 2.5,
    "neg": lambda a, b: -a,
    "pow 2": lambda a, b: a**2,
    "pow 3": lambda a, b: a.abs() ** 3,
    "pow": lambda a, b: a.abs() ** b,
    "number ** tensor": lambda a, b: 1.5**b,
    "sqrt": lambda a, b: a.abs().sqrt(),
    "abs": lambda a, b: a.abs(),
    "sign": lambda a, b: a.sign() + 0 * b,
    "exp": lambda a, b: a.exp(),
    "log": lambda a, b: (a.abs() + 0.1).log(),
    "cos": lambda a, b: a.cos(),
    "acos": lambda a, b: a.clamp(-1, 1).acos(),
    "tanh": lambda a, b: torch.tanh(a),
    "square": lambda a, b: a.square(),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "clamp": lambda a, b: a.clamp(-0.5, 0.75),
    "clamp below": lambda a, b: a.clamp(min=0.25),
    "clamp above": lambda a, b: a.clamp(max=0.25),
    "clamp by tensors": lambda a, b: torch.clamp(a, -b.abs(), b.abs()),
    "lt": lambda a, b: torch.where(a < b, 2.0, a),
    "le": lambda a, b: torch.where(a <= b, 2.0, a),
    "gt": lambda a, b: torch.where(a > b, 2.0, a),
    "ge": lambda a, b: torch.where(a >= b, 2.0, a),
    "eq": lambda a, b: torch.where(a == b, 2.0, a),
    "ne": lambda a, b: torch.where(a != b, 2.0, a),
    "and": lambda a, b: torch.where((a < b) & (a > 0), 2.0, a),
    "or": lambda a, b: torch.where((a < b) | (a > 0), 2.0, a),
    "not": lambda a, b: torch.where(~(a < b), 2.0, a),
    "where, the method": lambda a, b: a.where(a < b, b),
    "masked_fill": lambda a, b: a.masked_fill(a < b, 0.125),
    "a comparison as a number": lambda a, b: a * (a < b),
    "full_like": lambda a, b: torch.full_like(a, 0.75) * b,
    "zeros_like": lambda a, b: torch.zeros_like(a) + b,
    "lerp": lambda a, b: a.lerp(b, 0.25),
}

A = torch.tensor(
    [0.5, -0.5, 0.0, -0.0, 1.5, -2.0, 0.25, 0.75, 3.0, float("nan"), 1.0, float("inf"), -float("inf"), 0.3]
)
B = torch.tensor([0.5, 0.75, 0.0, 1.0, -1.5, -2.0, 0.5, 0.25, 0.1, 1.0, float("nan"), 1.0, 2.0, -float("inf")])


def rule_of(operation: Operation) -> Any:
    """An optimizer whose weights after a step are those before and the result; the states are the operands."""

    @dataclass(frozen=True)
    class Applied(Rule):
        acts_on, metric, states = "coordinates", "identity", ()

        def __call__(self, t: Any, w: Tensor, g: Tensor, s: Any) -> tuple[Any, Any, Any]:
            return operation(w, g), 1.0, {}

    return type("OfOneOperation", (halflife.Optimizer,), {}, rule=Applied)


def stepped(name: str, engine: str) -> tuple[Any, Tensor]:
    p = torch.nn.Parameter(A.double())
    p.grad = B.double()
    optimizer = rule_of(OPERATIONS[name])([p], lr=1.0, engine=engine)
    chosen = optimizer.engines()[0]
    if chosen.name == engine:
        optimizer.step()
    return (optimizer, p.grad, chosen), p.detach()


def test_every_operation_is_torch_s() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        processor, found = Deferred(), dict[str, tuple[Any, Tensor]]()
        with compiled_by(processor):
            for name in OPERATIONS:
                found[name] = stepped(name, "compiled")
        processor.play()
        for name, ((_, _, chosen), ours) in found.items():
            _, theirs = stepped(name, "eager")
            assert chosen.name == "compiled", (name, chosen.reason)
            torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-15, equal_nan=True, msg=name)
    finally:
        torch.set_default_dtype(torch.float32)


def test_every_word_of_the_text_is_tried() -> None:
    tried = {line.op for operation in OPERATIONS.values() for line in _lines(operation)}
    assert {*text._INFIX, *text._CALLED} <= tried


def _lines(operation: Operation) -> list[trace.Line]:
    own = trace.Trace(numbers=False)
    operation(own.input("w"), own.input("g"))  # type: ignore[arg-type]
    return own.lines
