"""Is a step as fast as it was? ``python benchmarks/old_and_new.py [REVISION]``: that revision and this one, in one run.

The earlier revision (if none is named, the last of version 0.1.0's core) is taken from git, built in ``build/`` and
imported beside the present package. In every panel old, new and torch's implementations step the same weights in turn
(see ``alternating.py``); the table has the median of the ratio old/new over all rounds, and its quartiles. Above 1 the
new one is faster; a median below 0.98 is marked.

``scheduled`` writes another learning rate into the groups before each step, as a scheduler does; ``fresh`` allocates
the gradients anew before each step, untimed. The memory panels are exact: they count what torch's CPU allocator hands
out and takes back during one step, as torch's profiler reports it, inside of torch's kernels too.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType
from typing import Any

import torch
from alternating import Arena, Lane, Make, Panel, Shapes, Timing, time_panel
from revisions import imported
from torch import Tensor
from torch.nn import Parameter

import halflife

REVISION = "4d6b280"
MAX_NORM, EMA_DECAY = 1.0, 0.999
SLOWER = 0.98
"""A ratio below this is marked."""

Flags = dict[str, Any]


def _gpt2(d: int, layers: int) -> Shapes:
    norm = ((d,), (d,))
    block = (*norm, (d, 3 * d), (3 * d,), (d, d), (d,), *norm, (d, 4 * d), (4 * d,), (4 * d, d), (d,))
    return ((50257, d), (1024, d), *block * layers, *norm)


def _resnet() -> Shapes:
    channels = [3, *[42] * 21, *[84] * 26, *[168] * 22]
    convolutions = [(out, into, 3, 3) for into, out in pairwise(channels)]
    return tuple(x for shape in [*convolutions, (10, 168, 1, 1)] for x in (shape, shape[:1], shape[:1]))


SETS: dict[str, Shapes] = {
    "five": ((64,),) * 5,
    "tiny": ((16,),) * 210,
    "resnet": _resnet(),
    "gpt2": _gpt2(384, 6),
}
"""As `halflife bench` has them; GPT-2 at half its width and depth: 30 M numbers."""
SMALL = ("five", "tiny")


@dataclass(frozen=True)
class Entry:
    """One optimizer: ours by its class and settings, and torch's of the same rule, or the nearest."""

    ours: str
    settings: Flags
    theirs: str
    their_settings: Flags = field(default_factory=dict)
    clip_and_average: bool = False


_MOMENTUM: Flags = {"lr": 1e-3, "momentum": 0.9}
_RIDGE: Flags = {"lr": 1e-3, "weight_decay": 1e-2}
ENTRIES: dict[str, Entry] = {
    "adamw": Entry("AdamW", {}, "AdamW"),
    "sgd": Entry("SGD", _MOMENTUM, "SGD", _MOMENTUM),
    "adagrad": Entry("Adagrad", {}, "Adagrad"),
    "lion": Entry("Lion", {}, "SGD", _MOMENTUM),
    "prox-adam-l1": Entry("ProxAdam", {"regularizer": "L1"}, "AdamW"),
    "adamw-bf16": Entry("AdamW", {"state_dtype": torch.bfloat16}, "AdamW"),
    "adamw-8bit": Entry("AdamW", {"state_dtype": "8bit"}, "AdamW"),
    "adamw-clip-ema": Entry("AdamW", {"max_grad_norm": MAX_NORM, "ema_decay": EMA_DECAY}, "AdamW", {}, True),
}
MORE: dict[str, Entry] = {
    **{name.lower(): Entry(name, {}, name) for name in ("Adam", "RMSprop", "Adadelta", "ASGD", "NAdam", "RAdam")},
    **{name.lower(): Entry(name, {}, name) for name in ("Adamax", "Rprop")},
    "adam-l2": Entry("AdamL2", {}, "Adam", _RIDGE),
    "prox-adam": Entry("ProxAdam", {}, "AdamW"),
    "adam-p": Entry("AdamP", {}, "AdamW"),
    "sgdw": Entry("SGDW", {}, "SGD", {**_MOMENTUM, "weight_decay": 1e-2}),
    "prox-sgd": Entry("ProxSGD", {}, "SGD", _RIDGE),
}
FUSED_ON_CPU = ("SGD", "Adagrad", "Adam", "AdamW")


def ours(library: ModuleType, name: str, entry: Entry, flags: Flags) -> Make:
    """``flags`` may say ``engine="eager"`` or "foreach", which older versions called ``foreach=False`` and True."""

    def make(params: list[Parameter]) -> Lane:
        cls, settings = getattr(library, entry.ours), {**entry.settings, **flags}
        if "engine" in settings and "engine" not in inspect.signature(cls).parameters:
            settings["foreach"] = settings.pop("engine") == "foreach"
        if "regularizer" in settings:
            settings["regularizer"] = getattr(library.regularizers, settings["regularizer"])()
        optimizer = cls(params, **settings)
        return Lane(name, [optimizer], optimizer.step)

    return make


def torchs(name: str, entry: Entry, flags: Flags) -> Make:
    """torch's class; where ours clips and averages, with the calls that people write around it."""

    def make(params: list[Parameter]) -> Lane:
        optimizer = getattr(torch.optim, entry.theirs)(params, **entry.their_settings, **flags)
        if not entry.clip_and_average:
            return Lane(name, [optimizer], optimizer.step)
        weights: list[Tensor] = [p.detach() for p in params]
        averages = [w.clone() for w in weights]

        def step() -> None:
            torch.nn.utils.clip_grad_norm_(params, MAX_NORM)
            optimizer.step()
            torch._foreach_lerp_(averages, weights, 1 - EMA_DECAY)

        return Lane(name, [optimizer], step)

    return make


def speed_panels(old: ModuleType, sets: Sequence[str], entries: dict[str, Entry]) -> Iterator[Panel]:
    """Every set × optimizer × way of the learning rate and the gradients."""
    for name in sets:
        for optimizer, entry in entries.items():
            makes = [ours(old, "old", entry, {}), ours(halflife, "new", entry, {})]
            if entry.theirs in FUSED_ON_CPU:
                makes.append(torchs("fused", entry, {"fused": True}))
            makes.append(torchs("foreach", entry, {"foreach": True}))
            pairs = [("old/new", "old", "new"), ("fused/new", "fused", "new"), ("foreach/new", "foreach", "new")]
            for mode in ("fixed", "scheduled", *(("fresh",) if name in SMALL else ())):
                yield Panel(f"{name} · {optimizer} · {mode}", SETS[name], mode, makes, pairs)


FLAGS: list[Flags] = [
    {"fused": False},
    {"foreach": False},
    {"fused": True, "foreach": False},
    {"fused": False, "foreach": True},
    {"foreach": True},
    {"engine": "eager"},
]


def flag_panels(old: ModuleType, sets: Sequence[str]) -> Iterator[Panel]:
    """AdamW under torch's flags beside the default."""
    entry = ENTRIES["adamw"]
    for name in sets:
        for flags in FLAGS:
            makes = [ours(old, "old", entry, flags), ours(halflife, "new", entry, flags)]
            makes += [ours(halflife, "default", entry, {}), torchs("fused", entry, {"fused": True})]
            words = ", ".join(f"{flag}={value}" for flag, value in flags.items())
            pairs = [("old/new", "old", "new"), ("new/default", "new", "default"), ("fused/new", "fused", "new")]
            yield Panel(f"{name} · adamw {words}", SETS[name], "fixed", makes, pairs)


def mixed_panels(old: ModuleType) -> Iterator[Panel]:
    """A group that only eager steps beside 60 tensors that native steps: in one optimizer, and in two."""
    tables: list[tuple[str, Entry, Callable[[], Parameter]]] = [
        ("sparse embedding", Entry("Adagrad", {}, "Adagrad"), _embedding),
        ("complex tensor", Entry("AdamW", {}, "AdamW"), _complex),
    ]
    for words, entry, other in tables:
        makes: list[Make] = []
        for library, name in ((old, "old"), (halflife, "new")):
            makes.append(partial(_together, ours(library, name, entry, {}), other))
            makes.append(partial(_apart, ours(library, f"{name} apart", entry, {}), other))
        pairs = [("old/new", "old", "new"), ("new/apart", "new", "new apart"), ("old/apart", "old", "old apart")]
        yield Panel(f"60 tensors of 64² and a {words} · {entry.ours}", ((64, 64),) * 60, "fixed", makes, pairs)


def _embedding() -> Parameter:
    p = Parameter(torch.randn(1000, 32))
    rows = torch.arange(0, 1000, 60)[None]
    p.grad = torch.sparse_coo_tensor(rows, torch.randn(17, 32), p.shape, check_invariants=True).coalesce()
    return p


def _complex() -> Parameter:
    p = Parameter(torch.randn(100, dtype=torch.complex64))
    p.grad = torch.randn(100, dtype=torch.complex64)
    return p


def _together(make: Make, other: Callable[[], Parameter], params: list[Parameter]) -> Lane:
    groups: Any = [{"params": params}, {"params": [other()]}]
    return make(groups)


def _apart(make: Make, other: Callable[[], Parameter], params: list[Parameter]) -> Lane:
    many, one = make(params), make([other()])

    def step() -> None:
        many.step()
        one.step()

    return Lane(many.name, [*many.optimizers, *one.optimizers], step)


@dataclass
class Row:
    """What a panel came to: milliseconds of each lane, and (median, lower quartile, upper quartile) of each ratio."""

    title: str
    mode: str
    milliseconds: dict[str, float]
    ratios: dict[str, tuple[float, float, float]]

    def __str__(self) -> str:
        times = "  ".join(f"{name} {ms:.4g} ms" for name, ms in self.milliseconds.items() if name in ("old", "new"))
        ratios = [f"{name} {m:.3f} ({low:.3f}-{high:.3f})" for name, (m, low, high) in self.ratios.items()]
        columns = [f"{self.title:<51}", f"{times:<31}", *(f"{ratio:<33}" for ratio in ratios)]
        return f"{'!' if self.slower else ' '} {' '.join(columns)}".rstrip()

    @property
    def slower(self) -> bool:
        return self.ratios["old/new"][0] < SLOWER


def row_of(panel: Panel, seconds: dict[str, list[float]]) -> Row:
    """Medians, and the ratios of neighbours."""
    ratios = {}
    for title, above, below in panel.pairs:
        if above in seconds:
            each = [a / b for a, b in zip(seconds[above], seconds[below], strict=True)]
            low, _, high = quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
            ratios[title] = (median(each), low, high)
    return Row(panel.title, panel.mode, {name: 1e3 * median(x) for name, x in seconds.items()}, ratios)


MEMORY: dict[str, Shapes] = {"12 tensors of 2048²": ((2048, 2048),) * 12, "1 tensor of 64 MiB": ((1 << 24,),)}


def peak(optimizer: torch.optim.Optimizer) -> int:
    """The bytes that a step holds at most beyond those that are there before it."""
    optimizer.step()  # makes the states
    activities = [torch.profiler.ProfilerActivity.CPU]
    with _silence(), torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        optimizer.step()
    events = [each for each in profile.profiler.kineto_results.events() if each.name() == "[memory]"]
    held = most = 0
    for each in sorted(events, key=lambda event: event.start_ns()):
        held += each.nbytes()
        most = max(most, held)
    return most


@contextmanager
def _silence() -> Iterator[None]:
    """The profiler announces itself on stderr, below Python and whatever its log level is."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def memory_rows(old: ModuleType, shapes: Shapes) -> dict[str, float]:
    """MB of temporaries of AdamW by foreach, for old, new and torch."""
    entry, flags, arena = ENTRIES["adamw"], {"engine": "foreach"}, Arena(shapes)
    theirs = torchs("torch", entry, {"foreach": True})
    makes = [ours(old, "old", entry, flags), ours(halflife, "new", entry, flags), theirs]
    found = {}
    for make in makes:
        lane = make(arena.params)
        found[lane.name] = peak(lane.optimizers[0]) / 2**20
    return found


def progress(words: str) -> None:
    """What is going on, on one line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("revision", nargs="?", default=REVISION, help="what to compare with (default: %(default)s)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS], help="sets of parameters (default: all)")
    parser.add_argument("--optimizers", nargs="+", choices=[*ENTRIES, *MORE], default=[*ENTRIES])
    parser.add_argument("--all", action="store_true", help="every optimizer that `halflife bench` times")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help="kinds of panels (default: all)")
    parser.add_argument("--rounds", type=int, default=21, help="alternations of each panel (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="torch's threads (default: its own choice)")
    parser.add_argument("--quick", action="store_true", help="a look whether all runs: two rounds, no large set")
    parser.add_argument("--out", type=Path, help="where to write the numbers, as JSON")
    return parser.parse_args()


PARTS = ("speed", "flags", "mixed", "memory")


def panels_of(old: ModuleType, asked: argparse.Namespace) -> list[Panel]:
    """All that is to be timed."""
    known = {**ENTRIES, **MORE}
    entries = known if asked.all else {name: known[name] for name in asked.optimizers}
    found = list[Panel]()
    if "speed" in asked.parts:
        found += speed_panels(old, asked.sets, entries)
    if "flags" in asked.parts:
        found += flag_panels(old, [name for name in asked.sets if name != "gpt2"])
    if "mixed" in asked.parts:
        found += mixed_panels(old)
    return found


def main() -> None:
    """Time, print each row as it is there, and write all of them."""
    asked = arguments()
    if asked.quick:
        asked.sets = [name for name in asked.sets if name in SMALL] or asked.sets
        asked.rounds, timing = 2, Timing(2, 1, 1e-3)
    else:
        timing = Timing(asked.rounds, 3, 0.02)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    old = imported(asked.revision)
    print(f"old: {asked.revision}; new: {Path(halflife.__file__).parent}; torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads; ratios: median (quartiles) of {asked.rounds} or more alternations")
    rows, panels = list[Row](), panels_of(old, asked)
    for index, panel in enumerate(panels):
        where = f"[{index + 1}/{len(panels)}] {panel.title}"
        rows.append(row_of(panel, time_panel(panel, timing, lambda words, where=where: progress(f"{where} · {words}"))))
        progress("")
        print(rows[-1], flush=True)
    memory = {}
    for title, shapes in MEMORY.items() if "memory" in asked.parts and not asked.quick else ():
        memory[title] = memory_rows(old, shapes)
        print(f"  temporaries of foreach, {title}: {', '.join(f'{n} {mb:.0f} MB' for n, mb in memory[title].items())}")
    slower = [row.title for row in rows if row.slower]
    if not asked.quick:
        print(f"{len(slower)} of {len(rows)} panels below {SLOWER}{': ' * bool(slower)}{'; '.join(slower)}")
    if asked.out:
        content = {"revision": asked.revision, "torch": str(torch.__version__), "threads": torch.get_num_threads()}
        content |= {"rows": [vars(row) for row in rows], "memory_mb": memory}
        asked.out.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
