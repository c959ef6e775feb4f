"""Lightning: drop-in with its clipping and precisions, our clipping in its place, resuming, a monitor, fused steps."""

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
    lightning = pytest.importorskip("lightning")

pytestmark = pytest.mark.filterwarnings("ignore")


class Module(lightning.LightningModule):
    def __init__(self, make: Any) -> None:
        super().__init__()
        self.net, self.make = net(), make

    def training_step(self, batch: Any, index: int) -> Any:
        x, y = batch
        return (self.net(x) - y).square().mean()

    def configure_optimizers(self) -> Any:
        optimizer = self.make(self.net)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit(make: Any, folder: Path, ckpt_path: Any = None, **kwargs: Any) -> torch.Tensor:
    settings = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_progress_bar": False, **kwargs}
    settings |= {"enable_model_summary": False, "enable_checkpointing": False, "default_root_dir": folder}
    module, trainer = Module(make), lightning.Trainer(**settings)
    trainer.fit(module, loader(), ckpt_path=ckpt_path)
    trainer.save_checkpoint(folder / "last.ckpt")
    assert trained(flat(module.net))
    return flat(module.net)


def adamw(module: Any, library: Any = halflife, **kwargs: Any) -> Any:
    library = torch.optim if library is torch else library
    return library.AdamW(halflife.param_groups(module, weight_decay=0.5), lr=0.05, **kwargs)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_as_torchs_optimizer(precision: str, clip: float | None, tmp_path: Path) -> None:
    kwargs = {"precision": precision, "gradient_clip_val": clip, "accumulate_grad_batches": 2}
    expected = fit(lambda m: adamw(m, torch), tmp_path, **kwargs)
    assert (fit(adamw, tmp_path, **kwargs) - expected).abs().max() < (1e-5 if precision == "32-true" else 1e-3)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_our_clipping_in_the_place_of_lightnings(precision: str, tmp_path: Path) -> None:
    theirs = fit(adamw, tmp_path, precision=precision, gradient_clip_val=0.1)
    own = fit(lambda m: adamw(m, max_grad_norm=0.1), tmp_path, precision=precision)
    assert (own - theirs).abs().max() < (1e-5 if precision == "32-true" else 1e-3)
    assert (own - fit(adamw, tmp_path, precision=precision)).abs().max() > 1e-3


def test_clipping_twice_is_refused_by_lightning_under_autocast(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not allow for gradient clipping"):
        fit(lambda m: adamw(m, max_grad_norm=0.1), tmp_path, precision="bf16-mixed", gradient_clip_val=0.1)


@pytest.mark.parametrize("kwargs", [{}, {"decay": "independent"}, {"state_dtype": "8bit", "ema_decay": 0.9}], ids=str)
def test_resume(kwargs: Any, tmp_path: Path) -> None:
    make = lambda m: adamw(m, **kwargs)  # noqa: E731
    whole = fit(make, tmp_path, max_epochs=2)
    fit(make, tmp_path, max_epochs=1)
    assert torch.equal(fit(make, tmp_path, max_epochs=2, ckpt_path=tmp_path / "last.ckpt"), whole)


def test_a_monitor(tmp_path: Path) -> None:
    readings: list[Any] = []

    def watched(module: Any) -> Any:
        optimizer = adamw(module)
        halflife.Monitor(optimizer, every=4, to=readings.append)
        return optimizer

    assert torch.equal(fit(watched, tmp_path), fit(adamw, tmp_path))
    assert [(r.step, r.group) for r in readings] == [(k, g) for k in (4, 8, 12, 16) for g in ("0", "1")]
    assert all(r.decay_share > 0 for r in readings if r.weight_decay)


def test_a_fused_step(tmp_path: Path) -> None:
    def fused(module: Any) -> Any:
        optimizer = adamw(module)
        halflife.fuse_with_backward(module, optimizer)
        return optimizer

    assert torch.equal(fit(fused, tmp_path), fit(adamw, tmp_path))
    with pytest.raises(RuntimeError, match="To accumulate gradients"):
        fit(fused, tmp_path, accumulate_grad_batches=2)
