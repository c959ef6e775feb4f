"""Kernels for an NVIDIA GPU, where there is none: what is handed to cuda.core, and why there is no kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import halflife
from halflife.decays import NAMED
from halflife.engines.cuda import cache, rtc
from halflife.engines.cuda.processor import KernelError
from halflife.engines.cuda.text import CLOCK, KERNEL, SIGNATURES
from halflife.engines.group_step import GroupStep
from halflife.engines.library import Missing, load
from halflife.regularizers import L2
from halflife.rules import SGD
from halflife.update import Update

choosing = import_module("halflife.engines.choose")  # the package has a function of that name
DEVICE = torch.device("cuda", 1)
SIZES = {"address": (np.uint64, 8), "int32": (np.int32, 4), "int64": (np.int64, 8)}


class Recorder:
    """Stands in for cuda.core: keeps what it is called with."""

    __version__ = "recorder"

    def __init__(self) -> None:
        self.launches: list[tuple[Any, ...]] = []
        self.options: dict[str, Any] = {}
        self.fails = ""

    def LaunchConfig(self, grid: int, block: int) -> tuple[int, int]:
        return grid, block

    def launch(self, stream: Any, config: Any, kernel: Any, *arguments: Any) -> None:
        self.launches.append((stream.__cuda_stream__(), config, kernel, arguments))

    def ProgramOptions(self, **options: Any) -> dict[str, Any]:
        self.options = options
        return options

    def Program(self, text: str, kind: str, options: Any) -> Any:
        assert kind == "c++"
        assert "#include" not in text

        def compiled(to: str, logs: Any) -> Any:
            if self.fails:
                logs.write(self.fails)
                raise RuntimeError("NVRTC_ERROR_COMPILATION")
            return SimpleNamespace(code=b"code for " + to.encode())

        return SimpleNamespace(compile=compiled)

    @property
    def ObjectCode(self) -> Any:
        return SimpleNamespace(from_cubin=lambda code: SimpleNamespace(get_kernel=lambda name: (code, name)))


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Recorder]:
    """A GPU of compute capability 9.0, as far as torch and cuda.core say."""
    recorder = Recorder()
    for cached in (rtc.capability, rtc._core, rtc._grid, rtc._version):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "cuda.core", recorder)
    monkeypatch.setattr(rtc, "_version", lambda: "none")
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    cache.place.cache_clear()
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "device", lambda device: torch.no_grad())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=77))
    yield recorder
    for cached in (rtc.capability, rtc._core, rtc._grid, cache.place):
        cached.cache_clear()


@pytest.mark.parametrize(("name", "size", "blocks"), [(KERNEL, 300, 300), (CLOCK, 300, 3), (CLOCK, 128, 1)])
def test_arguments_have_the_sizes_that_the_kernel_reads(core: Recorder, name: str, size: int, blocks: int) -> None:
    processor = rtc.GpuProcessor(DEVICE)
    given = [2**63 + 5 if kind == "address" else 7 + k for k, kind in enumerate(SIGNATURES[name])]
    processor.launch(processor.kernel("", name), size, given)
    [(stream, config, kernel, arguments)] = core.launches
    assert stream == (0, 77)
    assert config == (blocks, 128)
    assert kernel == (b"code for cubin", name)
    assert [(type(x), x.nbytes) for x in arguments] == [SIZES[kind] for kind in SIGNATURES[name]]
    assert [int(x) for x in arguments] == given


def test_a_kernel_is_compiled_for_the_devices_own_instructions_and_once(core: Recorder) -> None:
    processor = rtc.GpuProcessor(DEVICE)
    processor.kernel("one", KERNEL)
    assert core.options["arch"] == "sm_90"
    assert core.options["fma"] is False
    core.fails = "it would be compiled again"
    processor.kernel("one", KERNEL)
    with pytest.raises(KernelError, match="NVRTC does not compile a kernel for sm_90: it would be compiled again"):
        processor.kernel("another", KERNEL)


def test_a_graph_copies_from_memory_that_stays(core: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda n, pin_memory, **kind: made.append(empty(n, **kind)) or made[-1])
    monkeypatch.setattr(torch.Tensor, "to", lambda x, device, non_blocking: x.clone())
    processor, numbers = rtc.GpuProcessor(DEVICE), np.arange(3.0)
    capturing = [False]
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing[0])
    assert processor.upload(numbers).view(torch.float64).tolist() == [0, 1, 2]
    capturing[0] = True
    assert processor.upload(numbers + 1).view(torch.float64).tolist() == [1, 2, 3]
    assert len(made) == 1
    capturing[0] = False
    processor.upload(numbers + 2)
    assert made[0].view(torch.float64).tolist() == [1, 2, 3]


REASONS = {
    "off": "HALFLIFE_CUDA=0 turns it off",
    "amd": "it is for NVIDIA GPUs, and this torch is made for AMD's",
    "none": "torch sees no NVIDIA GPU here",
    "old": r"it needs compute capability 7\.0 or more, and cuda:1 has 6\.1",
    "core": r"cuda\.core cannot be imported \(.*\); pip install 'halflife-optim\[cuda\]' brings it; without it a step "
    "on a GPU goes through foreach, which holds several models of temporaries",
}


@pytest.mark.parametrize("case", REASONS)
def test_the_reason_is_said(core: Recorder, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    assert rtc.obstacle(DEVICE) is None
    for cached in (rtc.capability, rtc._core):
        cached.cache_clear()
    match case:
        case "off":
            monkeypatch.setenv("HALFLIFE_CUDA", "0")
        case "amd":
            monkeypatch.setattr(torch.version, "hip", "6.4")
        case "none":
            monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        case "old":
            monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
        case "core":
            monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(KernelError, match=REASONS[case]):
        rtc.GpuProcessor(DEVICE).kernel("", KERNEL)


def chosen(asked: Any, against: str | None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Which engines take two tensors of the CPU and two elsewhere, as though that were a GPU."""

    def on_gpu(device: torch.device) -> Any:
        choice = choosing.Choice("cuda", lambda step: None, "because")
        return choosing.Fused(choice, lambda step: [against if p.numel() == 3 else None for p in step.params])

    monkeypatch.setattr(choosing, "GPU", "meta")
    monkeypatch.setattr(choosing, "_on_gpu", on_gpu)
    params = [torch.zeros(n, device=device) for n, device in ((3, "meta"), (3, "cpu"), (4, "meta"), (4, "cpu"))]
    update = Update(SGD(), NAMED["decoupled"], L2())
    found = choosing.choose(GroupStep(update, 0.1, 1.0, 0.0, params, params, [{} for _ in params]), asked)
    return [(choice.name, len(part.params), choice.reason) for choice, part in found]


@pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
def test_tensors_on_a_gpu_go_there_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    native = ("native", 2, choosing.NATIVE_REASON)
    taken = ("cuda", 2, "because")
    assert sorted(chosen("cuda", None, monkeypatch)) == [taken, native]
    without = chosen(None, None, monkeypatch)
    assert native in without
    assert [name for name, _, _ in without] == ["native", "foreach"]
    monkeypatch.setattr(choosing, "GPU_BY_DEFAULT", True)
    assert sorted(chosen(None, None, monkeypatch)) == [taken, native]
    assert [name for name, _, _ in chosen("native", None, monkeypatch)] == ["native", "foreach"]
    assert [name for name, _, _ in chosen("foreach", None, monkeypatch)] == ["foreach"]


@pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
def test_what_a_gpu_does_not_take_goes_to_foreach_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: (count, why) for name, count, why in chosen("cuda", "it is too old", monkeypatch)}
    assert {name: count for name, (count, _) in found.items()} == {"native": 2, "cuda": 1, "foreach": 1}
    assert found["foreach"][1].endswith("; not cuda: it is too old")


def test_fused_asks_for_it_unless_an_engine_is_named() -> None:
    p = torch.nn.Parameter(torch.zeros(3))
    for flags, expected in (({}, None), ({"fused": True}, "cuda"), ({"fused": True, "engine": "eager"}, "eager")):
        optimizer = halflife.AdamW([p], **flags)
        view = optimizer.view(optimizer.param_groups[0])
        assert view.engine == expected


def test_no_gpu_is_asked_for_on_import() -> None:
    code = "import sys, halflife; assert 'cuda.core' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
