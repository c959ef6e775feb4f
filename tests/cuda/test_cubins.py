"""Generated kernels as NVIDIA's compiler makes them, without a GPU: that it does, for which chips, and how well."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from benchmarks.instructions import counts_of, nvdisasm, recording_of
from halflife.engines.cuda import rtc
from halflife.engines.cuda.text import CLOCK, KERNEL, source
from halflife.regularizers import L1, L2, Huber, OnSubset, Sum
from halflife.update import check
from tests.conformance.variants import VARIANTS, Variant

from .deferred import Written, compiled_by

pytestmark = pytest.mark.skipif(rtc.without_core() is not None, reason="cuda.core is not installed")
PART = 2048
UNIT = 12
"""Kernels that the compiler is given at a time."""

each_architecture = pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
each_dtype = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=lambda x: str(x)[6:]
)


class Shorter(Written):
    """For the GPU's parts."""

    part = PART


def step(make: Any, dtype: torch.dtype = torch.float32, **settings: Any) -> None:
    p = torch.nn.Parameter(torch.ones(40, dtype=dtype))
    p.grad = torch.ones_like(p)
    optimizer = make([p], lr=0.1, weight_decay=0.9, engine="compiled", **settings)
    for _ in range(2):
        optimizer.step()
        assert optimizer.engines()[0].name == "compiled", optimizer.engines()


def compile_all(texts: dict[str, str], arch: str) -> int:
    """Whether they compile, many in a unit; how many there are."""
    own = [text.replace(name, f"{name}{k}") for k, (text, name) in enumerate(texts.items())]
    for first in range(0, len(own), UNIT):
        assert rtc.cubin(source("\n".join(own[first : first + UNIT]), PART), arch)[:4] == b"\x7fELF"
    return len(own)


@each_architecture
@each_dtype
def test_every_format_compiles(dtype: torch.dtype, arch: str) -> None:
    written = Shorter()
    with compiled_by(written):
        for state_dtype in (None, torch.float32, torch.bfloat16, "8bit"):
            for rounding in ("nearest", "stochastic", "kahan"):
                step(halflife.AdamW, dtype, state_dtype=state_dtype, rounding=rounding)
        mask = OnSubset(L1(), torch.ones(40, dtype=torch.bool))
        step(halflife.Adam, dtype, amsgrad=True, state_dtype="8bit", ema_decay=0.9, regularizer=mask, decay="proximal")
        step(halflife.AdamW, dtype, capturable=True, ema_decay=0.9)
    assert {*written.texts.values()} == {KERNEL, CLOCK}
    assert compile_all(written.texts, arch) >= 6


def is_legal(*three: Any) -> bool:
    try:
        check(*three)
    except ValueError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")
@each_architecture
@each_dtype
def test_every_rule_and_its_clock_compile(dtype: torch.dtype, arch: str) -> None:
    written = Shorter()
    with compiled_by(written):
        for variant in VARIANTS:
            for decay in variant.decays():
                for regularizer in (L2(), L1(), Sum(Huber(), L2())):
                    if variant.rule.acts_on == "coordinates" and is_legal(variant.rule, decay, regularizer):
                        step(variant.optimizer, dtype, decay=decay, regularizer=regularizer, capturable=True)
    assert compile_all(written.texts, arch) > 100


needs_disassembler = pytest.mark.skipif(nvdisasm() is None, reason="nvdisasm is not installed")


def counts(variant: Any, dtype: torch.dtype = torch.float32, **settings: Any) -> Any:
    p = torch.nn.Parameter(torch.ones(40, dtype=dtype))
    p.grad = torch.ones_like(p)
    return counts_of(recording_of(variant([p], lr=0.1, weight_decay=0.9, **settings)), part=PART)


@needs_disassembler
def test_adamw_takes_forty_instructions_a_coordinate() -> None:
    found = counts(halflife.AdamW)
    assert found.instructions <= 40
    assert found.bytes == 28
    assert found.spills == 0
    assert found.vectors


@needs_disassembler
def test_the_count_tells_a_longer_way_from_a_shorter_one() -> None:
    plain, more = (counts(halflife.AdamW, amsgrad=amsgrad) for amsgrad in (False, True))
    assert plain.instructions + 1 < more.instructions < plain.instructions + 8
    assert more.bytes == plain.bytes + 8


@needs_disassembler
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.rule.acts_on == "coordinates"], ids=str)
def test_no_rule_in_float32_spills_and_all_move_vectors(variant: Variant) -> None:
    found = counts(variant.optimizer)
    assert found.spills == 0
    assert found.vectors
