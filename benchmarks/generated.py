"""Is a rule's text, compiled at run time, as fast as its functor? ``python benchmarks/generated.py``, two minutes.

For every rule in each of its variants and for states as they are, in bf16 and in 8 bits: the time of the compiled
engine's call of its kernel over that of the native engine's call of its library, in turn, on one thread, in cache and
out of it; with decoupled decay, which the native engine folds into its rules' loops, and with coupled decay, which it
computes in a tile before them. The rest of Python's step is left out: for four small tensors it takes ten times as long
as the kernel. Times are the thread's own (``thread_time``): others take from the caches alone. In cache, the time of a
call for four tiny tensors is taken away. Then what the kernels and the library weigh. And, before all, what Python
takes of a step of a thousand tensors of one number while the learning rate moves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

import torch
from alternating import Arena, Shapes

from halflife import registry
from halflife.engines import native_table
from halflife.engines.cuda import HostProcessor, cache
from halflife.engines.library import Library, load
from halflife.optimizers import optimizer_of

IN_CACHE, SMALL, OUT_OF_CACHE = ((8000,),) * 4, ((64,),) * 4, ((2048, 2048),) * 2
STATES: dict[str, Any] = {"as they are": None, "bf16": torch.bfloat16, "8 bits": "8bit"}
DECAYS = "decoupled", "coupled"
TENSORS = 1000

Call = Callable[[], object]


class Engine:
    """One engine's step of an arena; ``call`` makes the kernel's part of it again, without the rest of Python's."""

    def __init__(self, name: str, entry: registry.RuleEntry, settings: dict[str, Any], arena: Arena) -> None:
        self.optimizer = optimizer_of(entry)(arena.params, **{"lr": 1e-4, **settings}, engine=name)
        self.optimizer.step()  # makes the states
        chosen = self.optimizer.engines()[0]
        if chosen.name != name:
            raise RuntimeError(f"{entry.name} {settings} is not {name}: {chosen.reason}")
        with Overheard() as heard:
            self.optimizer.step()
        (self.call,) = heard.calls

    def time(self, repetitions: int) -> float:
        """Seconds of a call, in a row of as many."""
        start = thread_time()
        for _ in range(repetitions):
            self.call()
        return (thread_time() - start) / repetitions


class Overheard:
    """Within it, every call of a kernel or of the library is taken down, for one thread."""

    def __init__(self) -> None:
        self.calls = list[Call]()
        self._launch, self._run = HostProcessor.launch, native_table.Table.run

    def __enter__(self) -> Overheard:
        def launch(processor: HostProcessor, kernel: Any, size: int, arguments: Any) -> None:
            self.calls.append(partial(kernel, *arguments, 1))
            self._launch(processor, kernel, size, arguments)

        def run(table: native_table.Table, params: list[torch.Tensor], verdict: torch.Tensor | None = None) -> None:
            self.calls.append(partial(table.library.step, *table.addresses, 1))
            self._run(table, params, verdict)

        HostProcessor.launch, native_table.Table.run = launch, run
        return self

    def __exit__(self, *_: object) -> None:
        HostProcessor.launch, native_table.Table.run = self._launch, self._run


def ratio(
    entry: registry.RuleEntry, settings: Any, arenas: list[Arena], often: int, rounds: int
) -> tuple[float, float]:
    """Compiled over native, by the medians, and native's nanoseconds a coordinate.

    Both are made twice, in either order, for where their states happen to lie moves some loops by a third.
    """
    seconds: dict[str, list[list[float]]] = {"native": [[] for _ in arenas], "compiled": [[] for _ in arenas]}
    for build in range(2):
        order = list(seconds)[:: 1 if build == 0 else -1]
        made = {name: [Engine(name, entry, settings, arena) for arena in arenas] for name in order}
        for index in range(rounds):
            for name in order[:: 1 if index % 2 == 0 else -1]:
                for engine, own in zip(made[name], seconds[name], strict=True):
                    engine.call()  # the caches hold the last one's states
                    own.append(engine.time(often))
    of = {name: median(own[0]) - sum(map(median, own[1:])) for name, own in seconds.items()}
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


def panel(title: str, decay: str, sets: list[Shapes], often: int, rounds: int) -> None:
    """One line for each variant, and the median of all."""
    print(f"{title}, {decay} decay, 1 thread: compiled over native, and native's ns a coordinate")
    found: dict[str, list[float]] = {name: [] for name in STATES}
    arenas = [Arena(shapes) for shapes in sets]
    for entry, variant in cells():
        line = f"  {entry.name} {', '.join(f'{k}={v}' for k, v in variant.items())}"
        print(f"{line:<60}", end="", flush=True)
        for name, state_dtype in STATES.items():
            settings = {"weight_decay": 0.1, "decay": decay, **variant, "state_dtype": state_dtype}
            over, native = ratio(entry, settings, arenas, often, rounds)
            found[name].append(over)
            print(f"  {name} {over:4.2f} ({native:5.3f})", end="", flush=True)
        print()
    for name, ratios in found.items():
        print(f"  {name}: median {median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}; ", end="")
        print(f"more than 1.05 in {sum(x > 1.05 for x in ratios)} of {len(ratios)}")


def sizes() -> None:
    """Of the library, and of the kernels in the cache."""
    library = load()
    kernels = [path.stat().st_size for path in cache.place().path.glob("*.so")]
    if isinstance(library, Library):
        print(f"the native library: {Path(library.path).stat().st_size / 1e3:.0f} kB, for five levels of instructions")
    print(f"a kernel: {median(kernels) / 1e3:.0f} kB, for one level ({len(kernels)} in the cache)")


class Stub(HostProcessor):
    """Launches nothing, so that what is left is Python's."""

    def launch(self, kernel: Any, size: int, arguments: Any) -> None:
        """Nothing."""


def python_share(rounds: int = 300) -> None:
    """Microseconds of a step of tensors of one number: the native engine computes them, the others nothing."""
    adam, times = next(entry for entry in registry.entries() if entry.name == "Adam"), dict[str, list[float]]()
    given: dict[str, dict[str, Any]] = {
        "native": {"engine": "native"},
        "compiled": {"engine": "compiled"},
        "as on a GPU (clocks on the device; no upload, no launch)": {"engine": "compiled", "capturable": True},
    }
    made = {name: _small(optimizer_of(adam), settings) for name, settings in given.items()}
    numbers = [p for optimizer in made.values() for p in optimizer.param_groups[0]["params"]]
    launch, HostProcessor.launch = HostProcessor.launch, Stub.launch
    try:
        for k in range(rounds):
            for name, optimizer in made.items():
                optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
                start = thread_time()
                optimizer.step()
                times.setdefault(name, []).append(thread_time() - start)
            start = thread_time()
            list(map(torch.Tensor.data_ptr, numbers))
            times.setdefault(f"to compare with: data_ptr of {len(numbers)} tensors", []).append(thread_time() - start)
    finally:
        HostProcessor.launch = launch
    print(f"Python's share of a step of {TENSORS} tensors with the learning rate moving, µs: median, least")
    for name, own in times.items():
        print(f"  {name:<60} {median(own) * 1e6:6.0f} {min(own) * 1e6:6.0f}")


def _small(kind: Any, settings: dict[str, Any]) -> Any:
    params = [torch.nn.Parameter(torch.ones(1)) for _ in range(TENSORS)]
    for p in params:
        p.grad = torch.ones(1)
    optimizer = kind(params, lr=0.1, **settings)
    optimizer.step()
    chosen = optimizer.engines()[0]
    if chosen.name != settings["engine"]:
        raise RuntimeError(f"{settings} is not what steps: {chosen.reason}")
    return optimizer


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="in cache (default: %(default)s); a third out of it")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    python_share()
    for decay in DECAYS:
        panel("in cache", decay, [IN_CACHE, SMALL], 20, asked.rounds)
    sizes()
    for decay in DECAYS:
        panel("out of cache", decay, [OUT_OF_CACHE], 1, max(3, asked.rounds // 3))


if __name__ == "__main__":
    main()
