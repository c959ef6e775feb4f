"""Is Muon's step faster than torch's? ``python benchmarks/matrices.py [SET …]``: torch's, ours, its Gram form, in turn.

Sets of small matrices, where what counts is how many calls are made, and the matrices of GPT-2, where it is how many
products. The table has each one's median milliseconds a step, the median of the ratios torch/ours over all rounds with
its quartiles, and how fast the processor multiplies bfloat16 meanwhile: a large product, in 10⁹ operations a second.
"""

from __future__ import annotations

import argparse
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from alternating import Lane, Panel, Shapes, Timing, time_panel

import halflife

_GPT2 = ((768, 2304), (768, 768), (768, 3072), (3072, 768)) * 12
SETS: dict[str, Shapes] = {
    "200 × 16²": ((16, 16),) * 200,
    "100 × 64²": ((64, 64),) * 100,
    "50 × 128²": ((128, 128),) * 50,
    "60 of 16 to 128": ((128, 128), (128, 32), (32, 128), (64, 64), (16, 64)) * 12,
    "gpt2": _GPT2,
}
MAKERS: dict[str, Any] = {
    "torch": torch.optim.Muon,
    "ours": halflife.Muon,
    "gram": partial(halflife.Muon, ns_form="gram"),
}


def lane(name: str, params: list[torch.nn.Parameter]) -> Lane:
    """One optimizer of the parameters, and its step."""
    optimizer = MAKERS[name](params, lr=1e-3)
    return Lane(name, [optimizer], optimizer.step)


def operations() -> float:
    """10⁹ multiplications and additions a second in a product of two bfloat16 matrices of 1024²."""
    x, times = torch.randn(1024, 1024).bfloat16(), list[float]()
    for _ in range(20):
        start = perf_counter()
        torch.mm(x, x)
        times.append(perf_counter() - start)
    return 2 * 1024**3 / median(times) / 1e9


def row(name: str, timing: Timing) -> str:
    """A set's line of the table."""
    panel = Panel(name, SETS[name], "fixed", [partial(lane, maker) for maker in MAKERS], [])
    found = time_panel(panel, timing, lambda words: print(f"\r{name} · {words}  ", end="", flush=True))
    cells = [name, *(f"{median(found[maker]) * 1e3:.1f}" for maker in MAKERS)]
    for maker in ("ours", "gram"):
        ratios = [theirs / own for theirs, own in zip(found["torch"], found[maker], strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        cells.append(f"{middle:.2f} ({low:.2f}–{high:.2f})")
    return f"\r| {' | '.join(cells)} | {operations():.0f} |"


def main() -> None:
    """Time the sets that are named, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    unknown = [name for name in args.sets if name not in SETS]
    if unknown:
        parser.error(f"there is no set {unknown[0]!r}; choose among {', '.join(SETS)}")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| set | torch, ms | ours, ms | gram, ms | torch/ours | torch/gram | 10⁹ operations/s |\n" + "|---" * 7 + "|")
    for name in args.sets or SETS:
        print(row(name, Timing(args.rounds, 2, 0.1)))


if __name__ == "__main__":
    main()
