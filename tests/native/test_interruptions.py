"""A step that is cut off is wholly done or not at all, and the steps after it have the right numbers.

Whatever cuts it off, before the numbers are written, between them, or as the library's call returns (which is when
Python hears of Ctrl-C), the weights after further steps are those of a twin that nobody disturbed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife.engines import native_table
from halflife.engines.cuda import table
from halflife.engines.library import Library, load

from .users import ENGINES, needs_native, table_of

pytestmark = needs_native
needs_compiler = pytest.mark.skipif("compiled" not in ENGINES, reason="there is no C++ compiler here")

SETTINGS: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    ("SGDW", torch.float32, {"momentum": 0.9, "dampening": 0.5}),
    ("SGD", torch.bfloat16, {"momentum": 0.9, "dampening": 0.5, "state_dtype": "8bit", "rounding": "kahan"}),
    ("AdamW", torch.float32, {"max_grad_norm": 0.5, "ema_decay": 0.9}),
    ("AdamW", torch.float64, {}),
    ("ASGD", torch.float32, {"skip_nonfinite": True}),
    ("NAdam", torch.float16, {"state_dtype": torch.bfloat16, "rounding": "stochastic"}),
]
Cut = Callable[[Any, pytest.MonkeyPatch], Any]
"""Makes the optimizer's next step be cut off, and may return a closure for it."""


class StopError(Exception):
    """What cuts steps off."""


def stop(*_: Any) -> None:
    raise StopError


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def before(optimizer: Any, _: pytest.MonkeyPatch) -> None:
    optimizer.register_step_pre_hook(stop)


def after(optimizer: Any, _: pytest.MonkeyPatch) -> None:
    optimizer.register_step_post_hook(stop)


def in_its_closure(_: Any, __: pytest.MonkeyPatch) -> Any:
    return interrupt


def in_its_judgement(optimizer: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(optimizer, "_guard", interrupt)


def between_two_rows(_: Any, patch: pytest.MonkeyPatch) -> None:
    """Whether a row is filled anew or its learning rate alone is moved on."""
    filled: list[Any] = []

    def once(write: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*of_row: Any) -> Any:
            if filled:
                raise KeyboardInterrupt
            filled.append(write)
            return write(*of_row)

        return watched

    patch.setattr(native_table, "row_of", once(native_table.row_of))
    patch.setattr(native_table.Table, "move", once(native_table.Table.move))


def as_the_call_returns(optimizer: Any, patch: pytest.MonkeyPatch) -> None:
    library = load()
    assert isinstance(library, Library)

    def step(*arguments: int) -> int:
        library.step(*arguments)
        raise KeyboardInterrupt

    wrapped = dataclasses.replace(library, step=step)
    patch.setattr(native_table, "load", lambda: wrapped)
    if table_of(optimizer) is not None:
        patch.setattr(table_of(optimizer), "library", wrapped)


def as_kernels_are_launched(_: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(table.Launch, "pieces", interrupt)


def as_kernels_return(_: Any, patch: pytest.MonkeyPatch) -> None:
    """There are two, one of each row; the step ends with the last."""
    left: list[int] = []
    launch, bring = table.Launch.run, table.Table._bring

    def brought(self: Any) -> Any:
        left.append(len(self._launches))
        return bring(self)

    def run(self: Any, *given: Any) -> None:
        launch(self, *given)
        left[-1] -= 1
        if not left[-1]:
            raise KeyboardInterrupt

    patch.setattr(table.Table, "_bring", brought)
    patch.setattr(table.Launch, "run", run)


IN_ANY_ENGINE: list[tuple[Cut, bool]] = [(before, False), (after, True), (in_its_closure, False)]
CUTS = [*IN_ANY_ENGINE, (in_its_judgement, False), (between_two_rows, False), (as_the_call_returns, True)]
"""How a step is cut off, and whether it is done by then."""
OF_COMPILED = [*IN_ANY_ENGINE, (in_its_judgement, False), (as_kernels_are_launched, False), (as_kernels_return, True)]


def build(name: str, dtype: torch.dtype, settings: dict[str, Any], engine: str | None) -> Any:
    groups = [
        {"params": [torch.linspace(-1, 1, n).to(dtype).requires_grad_() for n in sizes], "lr": lr}
        for sizes, lr in (((300, 7), 0.05), ((40,), 0.1))
    ]
    return getattr(halflife, name)(groups, weight_decay=0.1, engine=engine, **settings)


def give_gradients(optimizer: Any, k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.randn(p.shape, generator=generator).to(p.dtype)


def everything(optimizer: Any) -> list[torch.Tensor]:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    states = [state[name] for p in params for state in [optimizer.state[p]] for name in sorted(state)]
    return [x.detach().clone() for x in (*params, *states)]


def trial_step(optimizer: Any, cut: Cut | None, *, again: bool) -> None:
    """One step at another learning rate, cut off or not; then the very learning rates from before are put back.

    The first step is tried at its own: states such as ASGD's begin, as torch's do, with that of the first one tried.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.02 if optimizer.state else group["lr"]
    if cut:
        with pytest.MonkeyPatch.context() as patch:
            closure = cut(optimizer, patch)
            with pytest.raises((StopError, KeyboardInterrupt)):
                optimizer.step(closure)
        optimizer._optimizer_step_pre_hooks.clear()
        optimizer._optimizer_step_post_hooks.clear()
    if again or not cut:
        optimizer.step()
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = lr


def trained(optimizer: Any, at: int, trial: bool, cut: Cut | None = None, *, again: bool = False) -> list[torch.Tensor]:
    """Six steps, and before step ``at`` one on trial, if there is one; all that they left.

    ``cut`` cuts that one off; it is tried ``again``, or given up.
    """
    for k in range(6):
        if k == at and trial:
            give_gradients(optimizer, 100)
            trial_step(optimizer, cut, again=again)
        give_gradients(optimizer, k)
        optimizer.step()
    return everything(optimizer)


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize(("cut", "done"), CUTS)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_native_goes_on_as_if_undisturbed(setting: Any, cut: Cut, done: bool, at: int) -> None:
    found = trained(build(*setting, None), at, True, cut)
    expected = trained(build(*setting, None), at, done)
    assert all(map(torch.equal, found, expected))
    assert len(found) == len(expected)


@needs_compiler
@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize(("cut", "done"), OF_COMPILED)
@pytest.mark.parametrize("setting", SETTINGS[:5], ids=str)
def test_compiled_goes_on_as_if_undisturbed(setting: Any, cut: Cut, done: bool, at: int) -> None:
    found = trained(build(*setting, "compiled"), at, True, cut)
    expected = trained(build(*setting, "compiled"), at, done)
    assert all(map(torch.equal, found, expected))
    assert len(found) == len(expected)


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize("cut", [cut for cut, done in CUTS if not done])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_step_that_was_not_done_can_be_tried_again(setting: Any, cut: Cut, at: int) -> None:
    found = trained(build(*setting, None), at, True, cut, again=True)
    assert all(map(torch.equal, found, trained(build(*setting, None), at, True)))


@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize(("cut", "done"), IN_ANY_ENGINE)
@pytest.mark.parametrize("setting", [s for s in SETTINGS if s[1] not in (torch.bfloat16, torch.float16)], ids=str)
def test_native_goes_on_as_eager_does(setting: Any, cut: Cut, done: bool, at: int) -> None:
    pair = [trained(build(*setting, engine), at, True, cut) for engine in (None, "eager")]
    tolerance = 1e-12 if setting[1] is torch.float64 else 1e-5
    torch.testing.assert_close(*pair, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("at", [0, 1, 4])
def test_a_skipped_step_is_no_step(at: int) -> None:
    def spoil(optimizer: Any, patch: pytest.MonkeyPatch) -> Any:
        def closure() -> None:
            optimizer.param_groups[1]["params"][0].grad[3] = float("nan")

        patch.setattr(optimizer, "step", lambda _: (type(optimizer).step(optimizer, closure), stop()))

    optimizers = [build("AdamW", torch.float32, {"skip_nonfinite": True}, None) for _ in range(2)]
    found, expected = trained(optimizers[0], at, True, spoil), trained(optimizers[1], at, False)
    assert all(map(torch.equal, found, expected))
    assert optimizers[0].skipped_steps == 1


def test_numbers_of_an_earlier_table_are_not_taken_for_this_ones() -> None:
    """The very same number objects, once used with another table, say nothing about what stands in this one."""
    weights: list[float] = []
    for engine in (None, "eager"):
        p = torch.nn.Parameter(torch.ones(4))
        optimizer, rates = halflife.SGD([p], lr=0.1, engine=engine), (0.1, 0.1, 0.001, 0.1)
        for k in range(4):
            optimizer.param_groups[0]["lr"] = rates[k]
            if k == 2:
                p.data = p.data.clone()
            p.grad = torch.ones(4)
            optimizer.step()
        weights.append(p[0].item())
    assert weights[0] == pytest.approx(weights[1], rel=1e-6)


def test_a_norm_that_was_taken_leaves_the_step_its_numbers() -> None:
    weights: list[float] = []
    for engine in (None, "eager"):
        p = torch.nn.Parameter(torch.ones(4))
        optimizer = halflife.SGD([p], lr=0.1, maximize=True, skip_nonfinite=True, engine=engine)
        for _ in range(4):
            p.grad = torch.ones(4)
            optimizer.step()
        weights.append(p[0].item())
    assert weights[0] == pytest.approx(weights[1], rel=1e-6)
