"""Accelerate: prepared optimizers, accumulation, clipping, saved states."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import halflife

from .users import flat, loader, net, trained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    accelerate = pytest.importorskip("accelerate")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def fresh_state() -> None:
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


class Run:
    """A training that Accelerate runs, in two epochs that may lie apart."""

    def __init__(
        self, library: Any = halflife, precision: str = "no", clip: float | None = None, **kwargs: Any
    ) -> None:
        self.accelerator = accelerate.Accelerator(cpu=True, mixed_precision=precision, gradient_accumulation_steps=2)
        model, self.clip = net(), clip
        self.inner = library.AdamW(halflife.param_groups(model, weight_decay=0.5), lr=0.05, **kwargs)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.inner, 8)
        self.model, self.optimizer, self.schedule, self.data = self.accelerator.prepare(
            model, self.inner, schedule, loader()
        )

    def epochs(self, n: int) -> torch.Tensor:
        for _ in range(n):
            for x, y in self.data:
                with self.accelerator.accumulate(self.model):
                    self.accelerator.backward((self.model(x) - y).square().mean())
                    if self.clip is not None and self.accelerator.sync_gradients:
                        self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
                    self.optimizer.step()
                    self.schedule.step()
                    self.optimizer.zero_grad()
        assert trained(flat(self.model))
        return flat(self.model)


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_as_torchs_optimizer(precision: str, clip: float | None) -> None:
    expected = Run(torch.optim, precision, clip).epochs(2)
    found = Run(halflife, precision, clip).epochs(2)
    assert (found - expected).abs().max() < (1e-5 if precision == "no" else 1e-3)


def test_our_clipping() -> None:
    assert (Run(clip=0.1).epochs(2) - Run(max_grad_norm=0.1).epochs(2)).abs().max() < 1e-5


def test_resume(tmp_path: Path) -> None:
    whole = Run(state_dtype="8bit", decay="independent").epochs(2)
    first = Run(state_dtype="8bit", decay="independent")
    first.epochs(1)
    first.accelerator.save_state(str(tmp_path))
    second = Run(state_dtype="8bit", decay="independent")
    second.accelerator.load_state(str(tmp_path))
    assert torch.equal(second.epochs(1), whole)


def test_a_monitor_is_given_the_optimizer_inside() -> None:
    run, steps = Run(), list[int]()
    with pytest.raises(TypeError, match=r"Accelerate's: \.optimizer"):
        halflife.Monitor(run.optimizer)
    halflife.Monitor(run.optimizer.optimizer, every=2, to=lambda reading: steps.append(reading.step))
    run.epochs(2)
    assert sorted({*steps}) == [2, 4, 6, 8]
