"""Lightning's ModelParallelStrategy with FSDP2, on two processes of this machine, beside a loop in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import halflife
from halflife.engines.library import Missing, load

pytest.importorskip("lightning")

SCRIPT = """
import json, sys, warnings
import torch

from tests.torchvision_operators import mend_torchvision

mend_torchvision()
from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, TensorDataset

import halflife

warnings.simplefilter("ignore")


class Module(LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 1))

    def configure_model(self):
        fully_shard(self.net, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch, index):
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self):
        return halflife.AdamW(self.parameters(), lr=0.05, weight_decay=0.5, max_grad_norm=0.1)


generator = torch.Generator().manual_seed(1)
data = DataLoader(TensorDataset(torch.randn(16, 6, generator=generator)), batch_size=8)
module = Module()
strategy = ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)
quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
trainer = Trainer(accelerator="cpu", devices=2, strategy=strategy, max_epochs=3, **quiet)
trainer.fit(module, data)
(optimizer,) = trainer.optimizers
told = {
    "weights": [p.full_tensor().tolist() for p in module.parameters()],
    "norm": optimizer.grad_norm,
    "engines": [choice.name for choice in optimizer.engines()],
}
with open(f"{sys.argv[1]}/{trainer.global_rank}.json", "w", encoding="utf-8") as file:
    json.dump(told, file)
"""


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": path}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, check=False, env=environment, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert told[0] == told[1]
    assert told[0]["engines"] == ["native"] or isinstance(load(), Missing)

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 1))
    optimizer = halflife.AdamW(net.parameters(), lr=0.05, weight_decay=0.5, max_grad_norm=0.1)
    data = torch.randn(16, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(3):  # a step takes all samples, half of them on each process
        optimizer.zero_grad()
        net(data).square().mean().backward()
        optimizer.step()
    for p, w in zip(net.parameters(), told[0]["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(w), p.detach(), rtol=1e-5, atol=1e-6)
    assert told[0]["norm"] == pytest.approx(optimizer.grad_norm, rel=1e-5)
