"""A run of W&B, offline: our numbers go out with the caller's own, at the caller's step."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import halflife

from ...optim.users import train, weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    wandb = pytest.importorskip("wandb")

pytestmark = pytest.mark.filterwarnings("ignore")


def test_offline(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", dir=str(tmp_path), project="halflife")
    optimizer = halflife.AdamW(weights(), lr=0.5)
    monitor = halflife.Monitor(optimizer, every=2, to=run)
    for k in range(4):
        train(optimizer, 1)
        run.log({"loss": float(k)})
    summary = dict(run.summary)
    run.finish()
    assert (summary["loss"], summary["halflife/step"], summary["_step"]) == (3.0, 4, 3)
    assert summary["halflife/angle/0"] == monitor.last[0].angle
