"""What a benchmark found, as one table for each parameter set, and in words."""

from __future__ import annotations

from rich.table import Table

from ..benchmark import CPU_STREAM, ENTRIES, SETS, Benchmark, Measurement, Speed, speeds
from .letters import readable

_HEADINGS = ("ms", "±", "× fused", "× foreach", "GB/s", "of stream", "bytes/parameter")
_HELD = "held besides"
_GRADIENTS = {
    "kept": "gradients stay",
    "fresh": "gradients re-allocated before each step",
    "scheduled": "gradients stay, lr moves at each step",
}
NOTHING = "–"
STREAMS = 1_000_000
"""Parameters from which on a step is a matter of memory's speed."""


def tables(benchmark: Benchmark) -> list[Table]:
    """One for each parameter set and kind of gradients."""
    rows = list(zip(benchmark.measurements, speeds(benchmark.measurements), strict=True))
    cases = dict.fromkeys(m.case for m, _ in rows)
    return [_table([row for row in rows if row[0].case == case], benchmark.stream) for case in cases]


def _table(rows: list[tuple[Measurement, Speed]], stream: float) -> Table:
    first = max((m for m, _ in rows), key=lambda m: m.tensors)
    title = SETS[first.set].title if first.set in SETS else first.set
    left = f" (of {first.tensors + first.left_out})" if first.left_out else ""
    words = f"{title}: {first.parameters:,} parameters in {first.tensors} tensors{left}, {_GRADIENTS[first.gradients]}"
    counted = any(m.temporary_bytes_per_parameter is not None for m, _ in rows)
    table = Table(title=readable(words), title_justify="left", title_style="bold")
    table.add_column("optimizer")
    table.add_column("contender")
    for heading in (*_HEADINGS, _HELD) if counted else _HEADINGS:
        table.add_column(readable(heading), justify="right", no_wrap=True)
    last = ""
    for m, speed in rows:
        if m.optimizer != last:
            table.add_section()
        label, last = ENTRIES[m.optimizer].label if m.optimizer != last else "", m.optimizer
        table.add_row(
            label,
            m.contender,
            *map(readable, _numbers(m, speed, stream)),
            *map(readable, _held(m, counted)),
            style="bold" if m.role == "ours" else None,
        )
    return table


def _numbers(m: Measurement, speed: Speed, stream: float) -> list[str]:
    rate, streams = m.gigabytes_per_second, m.parameters >= STREAMS
    return [
        milliseconds(m.milliseconds),
        f"{m.spread:.0%}",
        times(speed.over_fused),
        times(speed.over_foreach),
        f"{rate:.3g}" if streams else NOTHING,
        f"{rate / stream:.0%}" if streams else NOTHING,
        f"{m.bytes_per_parameter:.1f}".removesuffix(".0"),
    ]


def _held(m: Measurement, counted: bool) -> list[str]:
    held = m.temporary_bytes_per_parameter
    return [NOTHING if held is None else f"{held:.1f}"] if counted else []


def milliseconds(value: float) -> str:
    """Three digits, and all of them before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def times(value: float | None) -> str:
    """How many times as fast; a dash where there is nothing to compare with."""
    return NOTHING if value is None else f"{value:.2f}"


def remarks(benchmark: Benchmark) -> list[str]:
    """How to read the numbers, where they come from, and who was not timed."""
    machine = benchmark.machine
    card = f"{machine['card']}; " if "card" in machine else ""
    return [
        "× fused and × foreach: how many times as fast as torch's implementation of the same rule, or of the rule that "
        "torch's label names, in medians of one run.",
        f"GB/s: of the bytes that the step must move. The {benchmark.settings.get('stream', CPU_STREAM)}, "
        f"{benchmark.settings['stream_numbers']:,} numbers) is {benchmark.stream:.1f} GB/s; "
        "what fits in the caches exceeds it, and of sets below a million parameters it says nothing.",
        *_held_words(benchmark),
        f"{card}{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"torch {machine['torch']}; "
        f"load {_load(machine['load_before'])} before, {_load(machine.get('load_after'))} after.",
        *_busy(machine["load_before"], machine["cores"]),
        *_left_out(benchmark),
        *_not_timed(benchmark),
    ]


def _held_words(benchmark: Benchmark) -> list[str]:
    if all(m.temporary_bytes_per_parameter is None for m in benchmark.measurements):
        return []
    return [
        f"{_HELD}: bytes a parameter that a step allocates at its peak beyond weights, gradients and states, "
        "by torch's own count."
    ]


def _busy(load: list[float] | None, cores: int | None) -> list[str]:
    if load is None or cores is None or load[0] < cores / 4:
        return []
    return [
        f"The machine was busy before the run (load {load[0]:.1f} on {cores} cores): where a core is taken away under "
        "threads that wait by spinning, times swing tenfold. Run it again when nothing else runs."
    ]


def _load(average: list[float] | None) -> str:
    return "unknown" if average is None else f"{average[0]:.1f}"


def _left_out(benchmark: Benchmark) -> list[str]:
    """One line for each optimizer and set of which it steps a part."""
    parts = dict.fromkeys(
        (m.optimizer, m.set, m.tensors, m.tensors + m.left_out, m.parameters)
        for m in benchmark.measurements
        if m.left_out
    )
    return [
        f"{ENTRIES[name].label} on {on}: {tensors} of the {all_} tensors, {numbers:,} parameters; its rule takes "
        "no others, which another one would have to step."
        for name, on, tensors, all_, numbers in parts
    ]


def _not_timed(benchmark: Benchmark) -> list[str]:
    """One line for each reason, however many sets it holds for."""
    where: dict[tuple[str, str], list[str]] = {}
    for skipped in benchmark.skipped:
        who = f"{skipped.contender} of {skipped.optimizer}" if skipped.contender else skipped.optimizer
        where.setdefault((who, skipped.reason), []).append(skipped.set)
    lines = [f"not timed: {who} on {', '.join(dict.fromkeys(on))} ({why})." for (who, why), on in where.items()]
    if benchmark.not_installed:
        lines.append(f"not installed, so not timed: {', '.join(benchmark.not_installed)}.")
    return lines
