"""What the tests of the native engine share."""

import json
import os
import subprocess
import sys
from functools import cache

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


FORKS = """
import json, os, signal, sys, tempfile
steps(2, engine="eager")  # the first optimizer imports torch._dynamo, and its first step more
torch.manual_seed(0)
found = {}
for name, code in json.loads(sys.argv[1]).items():
    said = tempfile.TemporaryFile()
    own = os.fork()
    if not own:
        signal.alarm(300)
        os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
        break
    status = os.waitstatus_to_exitcode(os.waitpid(own, 0)[1])
    said.seek(0)
    found[name] = status, said.read().decode(errors="replace")
else:
    print(json.dumps(found))
    code = ""
exec(code)
"""
"""A process that has imported everything, and a copy of it for each code, which ends as any other process does."""


@cache
def in_processes(codes: tuple[tuple[str, str], ...]) -> dict[str, tuple[int, str]]:
    """By name the exit status of a process of its own for each of these codes, and what it said.

    So a crash is one failed test; an exception is no crash.
    """
    guarded = {name: _guarded(code) for name, code in codes}
    if not hasattr(os, "fork"):
        done = {name: _python(PRELUDE + code) for name, code in guarded.items()}
        return {name: (own.returncode, own.stdout + own.stderr) for name, own in done.items()}
    done = _python(PRELUDE + FORKS, json.dumps(guarded))
    assert done.returncode == 0, done.stderr
    return {name: tuple(own) for name, own in json.loads(done.stdout).items()}


def _guarded(code: str) -> str:
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return f"try:\n{body}except (RuntimeError, ValueError, TypeError, KeyError) as error:\n    print(error)\n"


def _python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=1000, check=False)


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
