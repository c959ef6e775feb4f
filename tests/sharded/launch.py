"""One launch of some processes over many cases: every rank runs all of them, each in a process group of its own.

A case that hangs on one rank fails on the others by their time limit, and names where each of them was; the next one
begins with fresh groups.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any, NamedTuple

MODULES = ("steps", "formats", "verdicts", "wrappers", "checkpoints", "torchtitan", "page", "hanging")
COLLECTIVE, WHOLE = 30.0, 240.0
"""Seconds: of one collective operation, and of a launch."""


class Case(NamedTuple):
    """``run()`` on each of so many processes; it raises where it fails."""

    name: str
    ranks: tuple[int, ...]
    run: Callable[[], None]


CASES = dict[str, Case]()
FOLDER = Path()
"""Where the processes of a launch find each other's files."""


def case(*ranks: int, **variants: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a case for these numbers of processes, once for each combination of keywords' values."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        for values in product(*variants.values()):
            name = run.__name__ + (f"[{', '.join(map(str, values))}]" if values else "")
            assert name not in CASES, name
            CASES[name] = Case(name, ranks, partial(run, **dict(zip(variants, values, strict=True))))
        return run

    return register


def load() -> list[Case]:
    """All cases, in their order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what torch.distributed.optim does itself
        for module in MODULES:
            importlib.import_module(f"tests.sharded.cases.{module}")
    return list(CASES.values())


def outcomes(
    size: int, folder: Path, names: list[str], collective: float = COLLECTIVE, whole: float = WHOLE
) -> dict[str, list[str]]:
    """Of each case what went wrong, a text a rank that failed; empty where all is well.

    ``collective`` and ``whole`` are the most seconds that an operation and the launch may take.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch.distributed.fsdp", "torch.distributed.checkpoint", "halflife"])
    results: Any = context.Queue()
    processes = [context.Process(target=_rank, args=(r, size, folder, names, results, collective)) for r in range(size)]
    for process in processes:
        process.start()
    failures, done = {name: list[str]() for name in names}, dict.fromkeys(range(size), 0)
    end = monotonic() + whole
    while min(done.values()) < len(names) and monotonic() < end:
        try:
            rank, name, failure = results.get(timeout=1.0)
        except Empty:
            if all(process.is_alive() for process in processes):
                continue
            break  # one was killed
        done[rank] += 1
        if failure:
            failures[name].append(f"rank {rank}: {failure}")
    for process in processes:
        process.join(5)
        process.kill()
    for rank, n in done.items():
        for k, name in enumerate(names[n:]):
            failures[name].append(f"rank {rank}: {'ended in it' if k == 0 else 'did not come to it'}")
    return failures


def _rank(rank: int, size: int, folder: Path, names: list[str], results: Any, collective: float) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import torch
    from torch import distributed as dist

    global FOLDER  # noqa: PLW0603
    FOLDER = folder
    torch.set_num_threads(1)
    load()
    store = dist.FileStore(str(folder / f"store-{size}"), size)
    for k, name in enumerate(names):
        own = dist.PrefixStore(f"{k}/", store)
        dist.init_process_group("gloo", rank=rank, world_size=size, store=own, timeout=timedelta(seconds=collective))
        failure = ""
        try:
            torch.manual_seed(0)
            CASES[name].run()
        except BaseException:  # as pytest's own are
            failure = traceback.format_exc()
        results.put((rank, name, failure))
        store.add(f"done/{k}", 1)
        end = monotonic() + 2 * collective
        while store.add(f"done/{k}", 0) < size and monotonic() < end:
            pass
        dist.destroy_process_group()
