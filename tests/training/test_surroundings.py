"""What a training loop of torch puts around an optimizer: autocast with a scaler, accumulation, compile, averages."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

import halflife


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def batches(n: int = 8) -> Tensor:
    return torch.randn(n, 6, 4, generator=torch.Generator().manual_seed(1))


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def adamw(model: nn.Module, library: Any = halflife, **kwargs: Any) -> Any:
    return library.AdamW(halflife.param_groups(model, weight_decay=0.5), lr=0.05, **kwargs)


def loop(library: Any, accumulate: int = 1, clip: bool = True, scale: float = 2.0**10, **kwargs: Any) -> nn.Module:
    """Autocast to bfloat16, scaled, clipped to 0.1 and stepped every ``accumulate`` batches."""
    model = net()
    optimizer = adamw(model, library, **kwargs)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    for k, x in enumerate(batches()):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x).float().square().mean() / accumulate
        scaler.scale(loss).backward()
        if (k + 1) % accumulate == 0:
            if clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return model


@pytest.mark.parametrize("accumulate", [1, 2])
def test_autocast_with_scaler_and_accumulation(accumulate: int) -> None:
    expected = flat(loop(torch.optim, accumulate))
    assert (expected - flat(net())).abs().max() > 0.05
    assert (flat(loop(halflife, accumulate)) - expected).abs().max() < 1e-5
    assert (flat(loop(halflife, accumulate, clip=False, max_grad_norm=0.1)) - expected).abs().max() < 1e-4


def test_averages_of_torch() -> None:
    def run(library: Any) -> tuple[Tensor, Tensor]:
        model = net()
        optimizer = adamw(model, library)
        ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
        swa, schedule = AveragedModel(model), SWALR(optimizer, swa_lr=0.01, anneal_epochs=3)
        for x in batches():
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            schedule.step()
            ema.update_parameters(model)
            swa.update_parameters(model)
        update_bn(batches(), swa)
        return flat(ema), torch.cat([flat(swa), swa.module[1].running_var])  # type: ignore

    for a, b in zip(run(halflife), run(torch.optim), strict=True):
        assert (a - b).abs().max() < 1e-5


def test_a_compiled_model_and_step_by_groups_with_a_monitor() -> None:
    def run(compiled: bool) -> tuple[Tensor, list[int]]:
        model, steps = net(), list[int]()
        optimizer = adamw(model)
        halflife.Monitor(optimizer, every=2, to=lambda reading: steps.append(reading.step))

        def step(x: Tensor) -> None:
            model(x).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

        for x in batches(4):
            (torch.compile(step, backend="aot_eager") if compiled else step)(x)
        return flat(model), steps

    (expected, steps), (found, also) = run(False), run(True)
    assert steps == also == [2, 2, 4, 4]
    assert (expected - found).abs().max() < 1e-5
