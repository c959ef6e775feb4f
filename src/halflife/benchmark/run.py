"""A run: every set, every optimizer, all its contenders."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import Parameter

from ..catalogue import why_not
from ..lab.errors import StudyError
from ..lab.machine import load_average, machine_facts
from .contenders import ENTRIES, Contender, Entry, bytes_moved, contenders_of, usual_optimizers
from .devices import Device, device_of, kind_of
from .peers import missing_libraries, peers_of
from .results import Benchmark, Measurement, Skipped, write
from .sets import Gradients, ParameterSet, usual_sets
from .timing import Arena, Lane, Stream, calibrate, take_times

Case = tuple[ParameterSet, Gradients]
SHARED_BYTES, TEMPORARY_BYTES = 8.0, 12.0
"""Of a parameter: its weight and gradient; what torch's lists of temporaries take at most."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What to time and how. ``threads`` None is torch's own choice; ``memory`` in GB, None is what is free.

    ``device`` is torch's name of a CPU or a CUDA device; ``sets``, ``optimizers`` and ``stream_numbers`` None are the
    usual ones there.
    Raises ``StudyError`` for an unknown optimizer, a choice of nothing, numbers out of range, and another device.
    """

    sets: tuple[ParameterSet, ...] | None = None
    optimizers: tuple[str, ...] | None = None
    rounds: int = 9
    warm_up: int = 1
    threads: int | None = None
    memory: float | None = None
    compiled: bool = False
    round_seconds: float = 0.02
    stream_numbers: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        for what, chosen in (("sets", self.chosen_sets), ("optimizers", self.chosen_optimizers)):
            if not chosen or len(set(chosen)) < len(chosen):
                raise StudyError(f"a benchmark needs one or more {what}, each of them once.")
        unknown = [name for name in self.chosen_optimizers if name not in ENTRIES]
        if unknown:
            if why_not(unknown[0]):
                raise StudyError(f"{unknown[0]} cannot be timed: {why_not(unknown[0])}.")
            raise StudyError(f"optimizer {unknown[0]!r} is not known; choose among {', '.join(ENTRIES)}.")
        if self.rounds < 1 or (self.threads is not None and self.threads < 1):
            raise StudyError("rounds and threads must be at least 1.")

    @property
    def chosen_sets(self) -> tuple[ParameterSet, ...]:
        return usual_sets(kind_of(self.device)) if self.sets is None else self.sets

    @property
    def chosen_optimizers(self) -> tuple[str, ...]:
        return usual_optimizers(kind_of(self.device)) if self.optimizers is None else self.optimizers

    def cases(self) -> list[Case]:
        return [(each, gradients) for each in self.chosen_sets for gradients in each.gradients]

    def described(self) -> dict[str, Any]:
        names = ("rounds", "warm_up", "round_seconds", "compiled", "device")
        return {
            "sets": [each.name for each in self.chosen_sets],
            "optimizers": list(self.chosen_optimizers),
            **{name: getattr(self, name) for name in names},
        }


class BenchmarkProgress(NamedTuple):
    """``done`` of ``total`` optimizers are timed; the one at work counts by its rounds."""

    done: float
    total: int
    doing: str


def run(
    settings: BenchmarkSettings,
    path: Path,
    progress: Callable[[BenchmarkProgress], None] = lambda report: None,
    device: Device | None = None,
) -> Benchmark:
    """Time everything and keep what is there in ``path``, written anew after each parameter set.

    ``device`` None is the one that the settings name. Raises ``StudyError`` if there is none, or if the file cannot be
    written, and then before anything is timed.
    """
    device = device or device_of(settings.device)
    with _threads(settings.threads):
        load, stream = load_average(), Stream(device, settings.stream_numbers)
        stream.measure(settings.rounds)
        result = Benchmark(
            machine={**machine_facts(), **device.facts(), "load_before": load},
            settings={**settings.described(), "stream_numbers": stream.numbers, "stream": device.stream_words},
            stream=stream.gigabytes_per_second,
            not_installed=missing_libraries(device.kind),
        )
        write(result, path)
        report = _Reporter(
            len(settings.cases()) * len(settings.chosen_optimizers), settings.rounds + settings.warm_up, progress
        )
        for case in settings.cases():
            _run_case(case, settings, device, result, report)
            write(result, path)
        stream.measure(settings.rounds)
        result.stream = stream.gigabytes_per_second
        result.machine["load_after"] = load_average()
        write(result, path)
    return result


class _Reporter:
    def __init__(self, total: int, rounds: int, progress: Callable[[BenchmarkProgress], None]) -> None:
        self.total, self.rounds, self.progress = total, rounds, progress
        self.before, self.round, self.doing = 0, 0, ""

    def begin(self, doing: str) -> None:
        self.doing, self.round = doing, 0
        self.say()

    def tick(self) -> None:
        self.round += 1
        self.say()

    def end(self) -> None:
        self.before, self.round = self.before + 1, 0

    def say(self) -> None:
        self.progress(BenchmarkProgress(self.before + self.round / self.rounds, self.total, self.doing))


_ALSO: dict[Gradients, str] = {"kept": "", "fresh": ", fresh gradients", "scheduled": ", moving lr"}


def _run_case(case: Case, settings: BenchmarkSettings, device: Device, result: Benchmark, report: _Reporter) -> None:
    """All optimizers on one set, whose weights and gradients they share."""
    (parameters, gradients), arena = case, None
    room = device.free_memory() if settings.memory is None else settings.memory * 1e9
    for name in settings.chosen_optimizers:
        contenders = [*contenders_of(ENTRIES[name], settings.compiled, device.kind), *peers_of(name, device.kind)]
        report.begin(f"{parameters.title}{_ALSO[gradients]} · {ENTRIES[name].label}")
        need = bytes_needed(parameters, contenders)
        if need > room:
            reason = f"needs {need / 1e9:.1f} GB, and {room / 1e9:.1f} GB may be used"
            result.skipped.append(Skipped(parameters.name, gradients, name, "", reason))
        else:
            arena = arena or Arena(parameters, gradients, device)
            _run_optimizer(case, ENTRIES[name], contenders, arena, settings, result, report)
        report.end()


def bytes_needed(parameters: ParameterSet, contenders: Sequence[Contender]) -> float:
    """For weights, gradients, the states of all contenders at once, and temporaries."""
    states = sum(contender.state_bytes for contender in contenders)
    return parameters.parameters * (SHARED_BYTES + states + TEMPORARY_BYTES)


def _run_optimizer(
    case: Case,
    entry: Entry,
    contenders: Sequence[Contender],
    arena: Arena,
    settings: BenchmarkSettings,
    result: Benchmark,
    report: _Reporter,
) -> None:
    (parameters, gradients), lanes, params = case, list[Lane](), arena.taken(entry)
    if not params:
        reason = f"it takes no tensor of this set: {entry.obstacle(arena.params[0])}"
        result.skipped.append(Skipped(parameters.name, gradients, entry.name, "", reason))
        return
    arena.reset()
    for contender in contenders:
        try:
            lane = Lane(contender, contender.build(params))
            calibrate(lane, arena, settings.round_seconds)
            lanes.append(lane)
        except Exception as error:  # whatever a library, ours too, does not take or cannot do
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            result.skipped.append(Skipped(parameters.name, gradients, entry.name, contender.label, reason))
    take_times(lanes, arena, settings.rounds, settings.warm_up, report.tick)
    result.measurements += [_measurement(case, entry, lane, params) for lane in lanes]


def _measurement(case: Case, entry: Entry, lane: Lane, params: Sequence[Parameter]) -> Measurement:
    """``params`` are those of the set that the rule takes."""
    parameters, gradients = case
    held, numbers = lane.temporaries, sum(p.numel() for p in params)
    return Measurement(
        set=parameters.name,
        gradients=gradients,
        optimizer=entry.name,
        contender=lane.running.label,
        role=lane.contender.role,
        nearest=entry.nearest,
        parameters=numbers,
        tensors=len(params),
        repetitions=lane.repetitions,
        seconds=tuple(lane.seconds),
        bytes_per_parameter=bytes_moved(lane.running, params) / numbers,
        temporary_bytes_per_parameter=None if held is None else held / numbers,
        left_out=len(parameters.shapes) - len(params),
    )


@contextmanager
def _threads(count: int | None) -> Generator[None, None, None]:
    """torch with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
