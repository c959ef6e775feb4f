"""How many instructions a generated kernel takes for a coordinate on an NVIDIA GPU; none is needed, nvdisasm is.

``python -m benchmarks.instructions`` compiles AdamW's kernel in every format and counts those of a thread's way through
one run of neighbours: loads of whole vectors, no rare number, stores of whole vectors. Beside it, the share of an
H200's issue slots that takes where the step moves its bytes at 0.75 of a copy's speed: near 1, the instructions and
not the memory set the time. Arithmetic in double precision, of which half as much is issued, counts as any other.
"""

from __future__ import annotations

import heapq
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

import halflife
from halflife.engines.cuda import rtc
from halflife.engines.cuda.recording import Recording
from halflife.engines.cuda.row import Row, columns_of, present_in
from halflife.engines.cuda.text import kernel_text, source

ISSUED = 128 * 132 * 1.755e9
"""Instructions a second: lanes, processors and clock of an H100 or H200 (SXM)."""
COPIED = 4.0e12
"""Bytes a second that an H200's copy reads and writes; an H100 has 3.0e12."""
SIZES = {"f32": 4, "f64": 8, "bf16": 2, "f16": 2, "bool": 1, "signed codes": 1, "unsigned codes": 1}


class Counts(NamedTuple):
    """Of one kernel: instructions and bytes a coordinate, and what stands in the compiler's report."""

    instructions: float
    bytes: float
    spills: int
    vectors: bool


@cache
def nvdisasm() -> str | None:
    """NVIDIA's disassembler, as `pip install nvidia-cuda-nvdisasm` brings it."""
    found = [path for folder in sys.path for path in Path(folder).glob("nvidia/**/bin/nvdisasm")]
    return str(found[0]) if found else None


def recording_of(optimizer: Any) -> Recording:
    """The step that an optimizer of one parameter takes next, as a kernel is made of it."""
    group = optimizer.param_groups[0]
    p, view = group["params"][0], optimizer.view(group)
    optimizer.step()
    step, state = view.step([p]), optimizer.state[p]
    row = Row(0, step, columns_of(step, p, p.grad, state), present_in(step, state))
    row.enter([(0, p, state)])
    row.record(dict.fromkeys(row.clock_names, 3.0))
    return row.recording


def blocks_of(cubin: bytes) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """A cubin's code: the instructions of each stretch without branches, and where each may go on."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([nvdisasm() or "", "-c", file.name], capture_output=True, text=True, check=True).stdout
    blocks: dict[str, list[str]] = {}
    ways: dict[str, list[str]] = {}
    now = ""
    for line in text.splitlines():
        label, code = re.match(r"(\.?[\w$]+):$", line), re.match(r"\s*/\*\w+\*/\s+(.*?)\s*;", line)
        if label or (code and now.endswith("!")):
            last, now = now, label[1] if label else f"{now[:-1]}+"
            blocks[now], ways[now] = [], []
            if last and not last.endswith("!"):
                ways[last].append(now)
        if not code or not now:
            continue
        blocks[now].append(code[1])
        target = re.search(r"\bBRA\b.*`\((\S+?)\)", code[1])
        if target or re.search(r"\b(EXIT|RET)\b", code[1]):
            ways[now] += [target[1]] if target else []
            if re.match(r"@|BRA.*\bU?!?U?P\d", code[1]):
                ways[now].append(f"{now}+")
            now += "!"
    return blocks, ways


def shortest(blocks: dict[str, list[str]], ways: dict[str, list[str]], loop: str, wanted: Sequence[str]) -> int:
    """The fewest instructions from the loop's head back to it, by way of vectors loaded and stored."""
    queue, done = [(0, loop, frozenset[str]())], set[tuple[str, frozenset[str]]]()
    while queue:
        count, at, seen = heapq.heappop(queue)
        if at == loop and count and len(seen) == len(wanted):
            return count
        if (at, seen) in done:
            continue
        done.add((at, seen))
        code = blocks[at]
        seen |= {word for word in wanted if any(word in line for line in code)}
        for way in ways[at]:
            if way in blocks:
                heapq.heappush(queue, (count + len(code), way, seen))
    raise ValueError("there is no such way through the kernel")


def counts_of(recording: Recording, arch: str = "sm_90", part: int = 2048) -> Counts:
    """Disassemble a step's kernel for this architecture and count."""
    text = source(kernel_text(recording), part)
    blocks, ways = blocks_of(rtc.cubin(text, arch))
    code = [line for own in blocks.values() for line in own]
    formats = [column.format for column in recording.columns]
    coded = any(x.endswith("codes") for x in formats)
    width = 8 if coded or {"bf16", "f16"} & {*formats} else 2 if recording.number == "double" else 4
    wanted = ["LDG.E.128", "STG.E.128"]
    names = [*blocks]
    heads = {way for at in names for way in ways[at] if way in blocks and names.index(way) <= names.index(at)}
    found = [n for head in heads for n in _counted(blocks, ways, head, wanted)]
    written = {name for name, _ in recording.results} | {"kahan", "ema"}
    moved = sum(SIZES[x.format] * (1 + (x.name in written)) for x in recording.columns)
    spills = sum(bool(re.search(r"\b(STL|LDL)\b", line)) for line in code)
    return Counts(min(found) / width, moved, spills, all(any(word in line for line in code) for word in wanted))


def _counted(
    blocks: dict[str, list[str]], ways: dict[str, list[str]], head: str, wanted: Sequence[str]
) -> Iterator[int]:
    try:
        yield shortest(blocks, ways, head, wanted)
    except ValueError:
        return


def main() -> None:
    """Print the table."""
    print("weights          states     rounding    instructions  bytes  share of issue slots at 0.75 of a copy (sm_90)")
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        for state in (None, torch.float32, torch.bfloat16, "8bit"):
            for rounding in ("nearest", "stochastic", "kahan"):
                if dtype in (torch.float32, torch.float64) and rounding != "nearest":
                    continue
                p = torch.nn.Parameter(torch.ones(40, dtype=dtype))
                p.grad = torch.ones_like(p)
                found = counts_of(
                    recording_of(halflife.AdamW([p], lr=0.1, weight_decay=0.1, state_dtype=state, rounding=rounding))
                )
                share = found.instructions * 0.75 * COPIED / found.bytes / ISSUED
                print(
                    f"{dtype!s:<16} {'as they are' if state is None else str(state):<14} {rounding:<11} "
                    f"{found.instructions:6.2f} {found.bytes:6.0f}   {share:5.2f}"
                    f"{'' if not found.spills else f'   {found.spills} spills'}"
                )


if __name__ == "__main__":
    main()
