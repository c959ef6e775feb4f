"""From what was measured to what the picture shows."""

from __future__ import annotations

from .contenders import ENTRIES
from .figure import SpeedBar, SpeedPanel
from .results import Benchmark, Measurement, Speed, speeds
from .sets import SETS

_SHOWN = ("ours", "ours, other states", "peer")


def panels_of(benchmark: Benchmark) -> list[SpeedPanel]:
    """A panel for each parameter set and kind of gradients in which something can be compared with torch."""
    cases: dict[tuple[str, str], list[tuple[Measurement, Speed]]] = {}
    for m, speed in zip(benchmark.measurements, speeds(benchmark.measurements), strict=True):
        if m.role in _SHOWN and speed != Speed(None, None):
            cases.setdefault(m.case, []).append((m, speed))
    return [_panel(rows) for rows in cases.values()]


def _panel(rows: list[tuple[Measurement, Speed]]) -> SpeedPanel:
    first = rows[0][0]
    title = SETS[first.set].title if first.set in SETS else first.set
    tensors = "1 tensor" if first.tensors == 1 else f"{first.tensors} tensors"
    more = {"fresh": "gradients re-allocated", "scheduled": "lr moving at each step"}.get(first.gradients, tensors)
    bars = [SpeedBar(_label(m), speed.over_fused, speed.over_foreach, m.role != "peer") for m, speed in rows]
    return SpeedPanel(title, f"{count(first.parameters)} parameters, {more}", bars)


def _label(m: Measurement) -> str:
    """ "Lion / SGD with momentum": what is timed, and what it is held against where torch has no such rule."""
    label = ENTRIES[m.optimizer].label
    if m.role == "peer":
        return f"{label}, {m.contender}"
    if m.role == "ours, other states":
        label += m.contender[m.contender.index(", ") :]
    return f"{label} / {m.nearest}" if m.nearest else label


def subtitle_of(benchmark: Benchmark) -> str:
    """On which machine, with what."""
    machine, engines = benchmark.machine, _engines(benchmark)
    processor = f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores"
    return (
        f"{machine.get('card', processor)}, torch {machine['torch']}; "
        f"halflife's engine: {engines}; medians of {benchmark.settings['rounds']} interleaved rounds"
    )


def _engines(benchmark: Benchmark) -> str:
    ours = [m.contender for m in benchmark.measurements if m.role == "ours"]
    return ", ".join(dict.fromkeys(label.partition("(")[2].partition(")")[0] for label in ours)) or "none"


def count(numbers: int) -> str:
    """124.4 M, 3360."""
    return f"{numbers / 1e6:.1f} M" if numbers >= 1e6 else f"{numbers:,}"
