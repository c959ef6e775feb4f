"""Hugging Face's Trainer, given our optimizer and a scheduler of torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import halflife

from .users import flat, net, samples, trained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

pytestmark = pytest.mark.filterwarnings("ignore")


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.net(x) - labels).square().mean()}


def fit(make: Any, folder: Path, resume: Any = None, **kwargs: Any) -> torch.Tensor:
    model = Model()
    optimizer = make(model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
    settings = {"max_steps": 16, "save_steps": 8, "logging_strategy": "no", "report_to": "none", "use_cpu": True}
    settings |= {"disable_tqdm": True, "per_device_train_batch_size": 4, "data_seed": 3, **kwargs}
    data = [{"x": x, "labels": y} for x, y in zip(*samples(), strict=True)]
    arguments = transformers.TrainingArguments(output_dir=str(folder), **settings)
    trainer = transformers.Trainer(model, arguments, train_dataset=data, optimizers=(optimizer, schedule))
    trainer.train(resume_from_checkpoint=resume)
    assert trained(flat(model.net))
    return flat(model.net)


def adamw(model: nn.Module, library: Any = halflife, **kwargs: Any) -> Any:
    return library.AdamW(halflife.param_groups(model, weight_decay=0.5), lr=0.05, **kwargs)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_as_torchs_optimizer(bf16: bool, clip: float, tmp_path: Path) -> None:
    kwargs = {"bf16": bf16, "max_grad_norm": clip, "gradient_accumulation_steps": 2}
    expected = fit(lambda m: adamw(m, torch.optim), tmp_path / "a", **kwargs)
    assert (fit(adamw, tmp_path / "b", **kwargs) - expected).abs().max() < (1e-3 if bf16 else 1e-5)


def test_resume(tmp_path: Path) -> None:
    make = lambda m: adamw(m, decay="independent", state_dtype="8bit", max_grad_norm=0.5)  # noqa: E731
    whole = fit(make, tmp_path)
    assert torch.equal(fit(make, tmp_path, resume=str(tmp_path / "checkpoint-8")), whole)


def test_a_monitor_and_a_fused_step(tmp_path: Path) -> None:
    steps: list[int] = []

    def both(model: nn.Module) -> Any:
        optimizer = adamw(model)
        halflife.Monitor(optimizer, every=5, to=lambda reading: steps.append(reading.step))
        halflife.fuse_with_backward(model, optimizer)
        return optimizer

    assert torch.equal(fit(both, tmp_path / "a", max_grad_norm=0.0), fit(adamw, tmp_path / "b", max_grad_norm=0.0))
    assert sorted({*steps}) == [5, 10, 15]
