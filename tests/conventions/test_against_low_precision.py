"""torchao, bitsandbytes on the CPU, DeepSpeed's CPUAdam and FlashOptim, by trajectory: they compute in float32."""

from __future__ import annotations

import pytest
import torch

from .problem import ADAM, FLOAT32, LION, SGD, agrees, peer, run

pytestmark = pytest.mark.filterwarnings("ignore")
PLAIN = {"quantize": False, "master_weight_bits": None, "fused": False}


def test_torchao() -> None:
    optim = peer("torchao.optim")
    agrees("torchao", run(lambda p: optim._AdamW(p, **ADAM), dtype=torch.float32), FLOAT32)


@pytest.mark.parametrize("name", ["AdamW32bit", "Adam32bit"])
def test_bitsandbytes_adam_is_adamw_too(name: str) -> None:
    optim = peer("bitsandbytes.optim")
    agrees("bitsandbytes-cpu", run(lambda p: getattr(optim, name)(p, **ADAM), dtype=torch.float32), FLOAT32)


def test_bitsandbytes_sgd_and_lion() -> None:
    optim = peer("bitsandbytes.optim")
    agrees("torch-sgd", run(lambda p: optim.SGD32bit(p, **SGD), dtype=torch.float32), FLOAT32)
    agrees("timm-lion", run(lambda p: optim.Lion32bit(p, **LION), dtype=torch.float32), FLOAT32)


def test_deepspeed_cpu_adam() -> None:
    adam = peer("deepspeed.ops.adam")
    agrees("deepspeed-cpu", run(lambda p: adam.DeepSpeedCPUAdam(p, **ADAM), dtype=torch.float32), FLOAT32)
    raw = run(lambda p: adam.DeepSpeedCPUAdam(p, **ADAM, bias_correction=False), dtype=torch.float32)
    agrees("deepspeed-cpu-uncorrected", raw, FLOAT32)
    coupled = run(lambda p: adam.DeepSpeedCPUAdam(p, **ADAM, adamw_mode=False), dtype=torch.float32)
    agrees("torch-adam", coupled, FLOAT32)


def test_flashoptim() -> None:
    flash = peer("flashoptim")
    f32 = torch.float32
    agrees("flashoptim", run(lambda p: flash.FlashAdamW(p, **ADAM, **PLAIN), dtype=f32), FLOAT32)
    apart_from_lr = run(lambda p: flash.FlashAdamW(p, **ADAM, decouple_lr=True, **PLAIN), dtype=f32)
    agrees("flashoptim-decoupled-lr", apart_from_lr, FLOAT32)
    sgdw = run(lambda p: flash.FlashSGDW(p, **SGD, decouple_lr=True, **PLAIN), dtype=f32)
    agrees("flashoptim-sgdw-decoupled-lr", sgdw, FLOAT32)
