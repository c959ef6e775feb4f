"""What do narrow states cost? ``python benchmarks/codec.py [REVISION]``: AdamW, beside an earlier revision's float32.

In cache, on one thread: nanoseconds a coordinate of four tensors that fit the second-level cache together, as the
difference to the step of four small ones, so that what a step costs by itself does not count. Out of cache, on all
threads: the same beside torch's fused AdamW in float32, the bandwidth of what must be read and written, and that of
torch's ``add``. All lanes step in turn, every other round in the other direction; of the rounds the minimum and the
median are taken. On a machine that others use too, look at the minimum.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from types import ModuleType

import torch
from alternating import Arena, Lane, Make, Shapes
from old_and_new import ENTRIES, REVISION, ours, torchs
from revisions import imported

import halflife

IN_CACHE, SMALL, OUT_OF_CACHE = ((6144,),) * 4, ((64,),) * 4, ((2048, 2048),) * 6
STATES = {"float32": ("adamw", 28), "bfloat16": ("adamw-bf16", 20), "8 bits": ("adamw-8bit", 16 + 4 / 64)}
"""The optimizer of `old_and_new.ENTRIES`, and the bytes a coordinate that a step reads and writes."""


@dataclass
class Timed:
    """Someone's steps over one set of tensors or two: seconds, a list for each set."""

    name: str
    bytes: float
    lanes: list[Lane]
    coordinates: int

    def nanoseconds(self, of: Callable[[list[float]], float]) -> float:
        """For a coordinate, by the minimum or the median; the second set is taken from the first."""
        first, *second = (of(lane.seconds) for lane in self.lanes)
        return (first - sum(second)) / self.coordinates * 1e9


def makes(old: ModuleType) -> dict[str, tuple[Make, float]]:
    """Who is timed, the measure first."""
    found = {"old float32": (ours(old, "old", ENTRIES["adamw"], {}), STATES["float32"][1])}
    found |= {f"new {name}": (ours(halflife, name, ENTRIES[entry], {}), size) for name, (entry, size) in STATES.items()}
    return found | {"torch fused float32": (torchs("fused", ENTRIES["adamw"], {"fused": True}), STATES["float32"][1])}


def panel(old: ModuleType, sets: list[Shapes], repetitions: int, rounds: int) -> list[Timed]:
    """All over the first set, and over the second where there is one."""
    arenas = [Arena(shapes) for shapes in sets]
    counts = [sum(p.numel() for p in arena.params) for arena in arenas]
    timed = list[Timed]()
    for name, (make, size) in makes(old).items():
        timed.append(Timed(name, size, [make(arena.params) for arena in arenas], counts[0] - sum(counts[1:])))
    for lane, arena in ((lane, arena) for each in timed for lane, arena in zip(each.lanes, arenas, strict=True)):
        lane.once("fixed", arena)  # makes the states
        lane.repetitions = repetitions
    for index in range(rounds):
        for each in timed[:: 1 if index % 2 == 0 else -1]:
            for lane, arena in zip(each.lanes, arenas, strict=True):
                lane.seconds.append(lane.once("fixed", arena))
    return timed


def show(timed: list[Timed], measure: str) -> None:
    """One line for each."""
    unit = next(each for each in timed if each.name == measure)
    for each in timed:
        least, middle = each.nanoseconds(min), each.nanoseconds(median)
        ratios = f"{least / unit.nanoseconds(min):.2f} and {middle / unit.nanoseconds(median):.2f} of {measure}"
        print(f"  {each.name:<20} {least:6.3f}, median {middle:6.3f} ns: {ratios}; {each.bytes / least:.0f} GB/s")


def add_bandwidth(n: int = 1 << 24) -> float:
    """GB/s of reading two arrays and writing a third, the best of nine."""
    a, b, c = (torch.rand(n) for _ in range(3))

    def seconds(f: Callable[[], object]) -> float:
        start = perf_counter()
        f()
        return perf_counter() - start

    return 12 * n / min(seconds(lambda: torch.add(a, b, out=c)) for _ in range(9)) / 1e9


def main() -> None:
    """Both panels."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("revision", nargs="?", default=REVISION, help="what to compare with (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=101, help="in cache (default: %(default)s); a fifth out of it")
    asked = parser.parse_args()
    old, threads = imported(asked.revision), torch.get_num_threads()
    torch.set_num_threads(1)
    print("in cache, 1 thread: nanoseconds a coordinate")
    show(panel(old, [IN_CACHE, SMALL], 20, asked.rounds), "old float32")
    torch.set_num_threads(threads)
    print(f"out of cache, {threads} threads; torch.add: {add_bandwidth():.1f} GB/s")
    show(panel(old, [OUT_OF_CACHE], 1, max(3, asked.rounds // 5)), "torch fused float32")


if __name__ == "__main__":
    main()
