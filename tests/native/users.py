"""What the tests of the native engine share."""

import subprocess
import sys

import pytest
import torch

import halflife
from halflife.engines.cuda import host
from halflife.engines.library import Missing, load

needs_native = pytest.mark.skipif(isinstance(load(), Missing), reason=f"no native engine: {load()}")

ENGINES = ["native", *([] if host.obstacle() else ["compiled"])]
"""The engines that walk along all of a group's memory in one call."""

PRELUDE = """
import torch, halflife as hl
from halflife.regularizers import L2, GroupLasso, OnSubset, TowardInit
torch.manual_seed(0)
def steps(n=100_000, times=2, dtype=torch.float32, **settings):
    p = torch.nn.Parameter(torch.randn(n).to(dtype))
    optimizer = hl.AdamW([p], lr=0.1, **settings)
    for _ in range(times):
        step(p, optimizer)
    return p, optimizer
def masked(n=100_000):
    global m
    m = torch.rand(n) < 0.5
    return steps(n, regularizer=OnSubset(L2(), m), weight_decay=0.1)
def step(p, optimizer):
    p.grad = torch.randn(p.shape).to(p.dtype)
    optimizer.step()
"""


def in_a_process(code: str) -> None:
    """Run this in a process of its own, so that a crash is one failed test; an exception is no crash."""
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    expected = "except (RuntimeError, ValueError, TypeError, KeyError) as error:\n    print(error)\n"
    guarded = f"{PRELUDE}\ntry:\n{body}{expected}"
    done = subprocess.run([sys.executable, "-c", guarded], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-2000:]}"


def table_of(optimizer):
    """The table that is kept for the next step, the first if there are several, None if there is none."""
    plan = optimizer._stepper._plan
    return plan and plan.tables[0][0]


def outcome(engine, change, **settings):
    """A parameter after two steps, a change by hand and one more step; the error's type where there was one."""
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(6, 6))
    optimizer = halflife.AdamW([p], lr=0.1, engine=engine, **settings)
    for _ in range(2):
        p.grad = torch.randn(p.shape)
        optimizer.step()
    change(p, optimizer)
    try:
        optimizer.step()
    except (RuntimeError, ValueError) as error:
        return type(error)
    return p.detach().clone()
