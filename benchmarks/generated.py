"""Is a rule's text, compiled at run time, as fast as its functor? ``python benchmarks/generated.py``, a few minutes.

For every rule in each of its variants and for states as they are, in bf16 and in 8 bits: the time of a step by the
compiled engine over that by the native one, the two in turn. In cache on one thread, where what a step costs by itself
is taken away as the difference to a step of four small tensors; out of cache on all threads. Then what the kernels and
the library weigh, and what Python takes of a step of a thousand small tensors while the learning rate moves.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

import torch
from alternating import Arena, Lane, Shapes

from halflife import registry
from halflife.engines.cuda import HostProcessor, cache
from halflife.engines.library import Library, load
from halflife.optim import optimizer_of

IN_CACHE, SMALL, OUT_OF_CACHE = ((6144,),) * 4, ((64,),) * 4, ((2048, 2048),) * 4
STATES: dict[str, Any] = {"as they are": None, "bf16": torch.bfloat16, "8 bits": "8bit"}


def lanes(entry: registry.RuleEntry, variant: Any, state_dtype: Any, arenas: list[Arena]) -> dict[str, list[Lane]]:
    """Both engines' steps over each of the arenas."""
    found: dict[str, list[Lane]] = {}
    for engine in ("native", "compiled"):
        for arena in arenas:
            settings = {"lr": 1e-4, "weight_decay": 0.1, **variant, "state_dtype": state_dtype, "engine": engine}
            optimizer = optimizer_of(entry)(arena.params, **settings)
            optimizer.step()
            chosen = optimizer.engines()[0]
            if chosen.name != engine:
                raise RuntimeError(f"{entry.name} {variant} is not {engine}: {chosen.reason}")
            found.setdefault(engine, []).append(Lane(engine, [optimizer], optimizer.step))
    return found


def ratio(made: dict[str, list[Lane]], arenas: list[Arena], repetitions: int, rounds: int) -> tuple[float, float]:
    """Compiled over native, by the medians, and native's nanoseconds a coordinate."""
    for lane, arena in ((lane, arena) for own in made.values() for lane, arena in zip(own, arenas, strict=True)):
        lane.once("fixed", arena)
        lane.repetitions = repetitions
    for index in range(rounds):
        for own in [*made.values()][:: 1 if index % 2 == 0 else -1]:
            for lane, arena in zip(own, arenas, strict=True):
                lane.seconds.append(lane.once("fixed", arena))
    of = {engine: median(own[0].seconds) - sum(median(x.seconds) for x in own[1:]) for engine, own in made.items()}
    coordinates = sum(p.numel() for p in arenas[0].params) - sum(p.numel() for a in arenas[1:] for p in a.params)
    return of["compiled"] / of["native"], of["native"] / coordinates * 1e9


def cells() -> Iterator[tuple[registry.RuleEntry, Any]]:
    """Every variant that has a functor."""
    library = load()
    for entry in registry.entries():
        for variant in entry.variants:
            optimizer = optimizer_of(entry)([torch.nn.Parameter(torch.ones(3))], lr=0.1, **variant)
            rule = optimizer.view(optimizer.param_groups[0]).rule
            if isinstance(library, Library) and rule.functor and rule.acts_on == "coordinates":
                yield entry, variant


def panel(title: str, sets: list[Shapes], repetitions: int, rounds: int) -> None:
    """One line for each variant, and the mean of all."""
    print(f"{title}: compiled over native, and native's ns a coordinate")
    found: dict[str, list[float]] = {name: [] for name in STATES}
    for entry, variant in cells():
        line = f"  {entry.name} {', '.join(f'{k}={v}' for k, v in variant.items())}"
        print(f"{line:<60}", end="", flush=True)
        for name, state_dtype in STATES.items():
            arenas = [Arena(shapes) for shapes in sets]
            over, native = ratio(lanes(entry, variant, state_dtype, arenas), arenas, repetitions, rounds)
            found[name].append(over)
            print(f"  {name} {over:4.2f} ({native:5.3f})", end="", flush=True)
        print()
    for name, ratios in found.items():
        print(f"  {name}: median {median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


def sizes() -> None:
    """Of the library, and of the kernels that were compiled for this run."""
    library = load()
    kernels = [path.stat().st_size for path in cache.place().path.glob("*.so")]
    if isinstance(library, Library):
        print(f"the native library: {Path(library.path).stat().st_size / 1e3:.0f} kB, for five levels of instructions")
    print(f"a kernel: {median(kernels) / 1e3:.0f} kB, for one level ({len(kernels)} in the cache)")


class Stub(HostProcessor):
    """Launches nothing, so that what is left is Python's."""

    def launch(self, kernel: Any, size: int, arguments: Any) -> None:
        """Nothing."""


def python_share(tensors: int = 1000, rounds: int = 200) -> None:
    """Microseconds of a step in which nothing is computed; of the native engine, with a kernel over 64 numbers each."""
    adam = next(entry for entry in registry.entries() if entry.name == "Adam")
    for engine in ("compiled", "native"):
        params = [torch.nn.Parameter(torch.ones(8, 8)) for _ in range(tensors)]
        optimizer, times = optimizer_of(adam)(params, lr=0.1, engine=engine), list[float]()
        for p in params:
            p.grad = torch.ones(8, 8)
        optimizer.step()
        launch, HostProcessor.launch = HostProcessor.launch, Stub.launch
        try:
            for k in range(rounds):
                optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
                start = thread_time()
                optimizer.step()
                times.append(thread_time() - start)
        finally:
            HostProcessor.launch = launch
        print(f"Python's share, {tensors} tensors, lr moving, {engine}: {median(times) * 1e6:.0f} µs")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=21, help="in cache (default: %(default)s); a third out of it")
    asked, threads = parser.parse_args(), torch.get_num_threads()
    torch.set_num_threads(1)
    panel("in cache, 1 thread", [IN_CACHE, SMALL], 20, asked.rounds)
    sizes()
    python_share()
    torch.set_num_threads(threads)
    panel(f"out of cache, {threads} threads", [OUT_OF_CACHE], 1, max(3, asked.rounds // 3))


if __name__ == "__main__":
    main()
