"""How a study was made: its settings, versions and machine, how long it took, and how to repeat it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..config.settings import Settings
from ..figures.spec import number_text
from ..refinement import decision_of
from ..result import Result
from ..store.study_record import Record

Fact = tuple[str, str]


def settings_facts(result: Result) -> list[Fact]:
    """What was tried, and how it was trained."""
    settings = result.settings
    facts: list[Fact] = [
        ("problem", result.problem.description),
        *([] if result.is_imported else [("model", settings.model or "the problem's own")]),
        *(_lrs(result)),
        *(_lams(result)),
        ("seeds", str(settings.seeds)),
    ]
    if not result.is_imported:
        how = f"{settings.epochs} epochs, batches of {settings.batch_size}, {settings.schedule} schedule"
        facts.append(("training", how))
    if settings.samples is not None:
        facts.append(("samples", f"the first {settings.samples} of the training set"))
    facts += [(name.replace("_", " "), str(value)) for name, value in settings.options.items()]
    if settings.loss_scale != 1:
        facts.append(("loss", f"multiplied by {settings.loss_scale:g}"))
    if settings.head is not None:
        facts.append(("head", f"{', '.join(settings.head) or 'none'}, stepped by AdamW beside the rule of matrices"))
    if settings.eps is not None:
        facts.append(("ε", f"{settings.eps:g} for every optimizer"))
    return facts


def new_facts(result: Result, first: Result) -> list[Fact]:
    """What sets a study apart from the first one."""
    known = settings_facts(first)
    return [fact for fact in settings_facts(result) if fact not in known]


def _lrs(result: Result) -> Iterator[Fact]:
    settings = result.settings
    return _shared("learning rates", {spec.label: settings.lrs_of(spec) for spec in settings.optimizer_specs()})


def _lams(result: Result) -> Iterator[Fact]:
    settings = result.settings
    return _shared("λ", {spec.label: settings.lams_of(spec) for spec in settings.optimizer_specs()})


def _shared(what: str, of_optimizers: Mapping[str, tuple[float, ...]]) -> Iterator[Fact]:
    """One line where all optimizers share their grid, else one for each grid."""
    grids: dict[tuple[float, ...], list[str]] = {}
    for label, grid in of_optimizers.items():
        grids.setdefault(grid, []).append(label)
    for grid, labels in grids.items():
        yield (what if len(grids) == 1 else f"{what} of {', '.join(labels)}"), _grid(grid)


def _grid(values: Sequence[float]) -> str:
    return ", ".join(number_text(value) for value in values)


def machine_rows(record: Record) -> list[Fact]:
    """Versions and processor."""
    facts: Mapping[str, Any] = record.machine
    cores = facts.get("cores_allowed") or facts.get("cores")
    count = f", {cores} core{'s' * (cores > 1)}" if cores else ""
    processor = f"{facts.get('processor', 'unknown')}{count}"
    versions = [(name, str(facts[name])) for name in ("halflife", "torch", "python") if facts.get(name)]
    system = [("system", str(facts["system"]))] if facts.get("system") else []
    return [*versions, ("processor", processor), *system]


def effort(results: Sequence[Result]) -> str:
    """How many networks, in how much time of all workers together."""
    runs = [run for result in results for runs in result.runs.values() for run in runs if run is not None]
    seconds = sum(run.seconds for run in runs if run.seconds == run.seconds)
    return f"{len(runs)} networks in {duration(seconds)} of worker time"


def duration(seconds: float) -> str:
    """Two units at most."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def commands(results: Sequence[Result], records: Sequence[Record]) -> list[str]:
    """The command lines that ran the studies, each once; for a study that Python ran, the Python."""
    lines = [
        record.command
        or ("halflife import RUNS.csv" if result.is_imported else python_command(result.settings, result))
        for result, record in zip(results, records, strict=True)
    ]
    return list(dict.fromkeys(lines))


def next_command(result: Result, record: Record) -> str:
    """What would settle what a single study leaves open; empty where nothing is, or no flag would."""
    single = not record.preset and result.point is None and not result.is_imported
    known = record.command.startswith("halflife study") and "--refine" not in record.command
    return f"{record.command} --refine" if single and known and decision_of(result).is_open else ""


def python_command(settings: Settings, result: Result) -> str:
    """A shell command that runs the same study, by what differs from the defaults."""
    default = Settings()
    changed = [f"{one.name}={getattr(settings, one.name)!r}" for one in fields(Settings) if one.name != "specs"]
    plain = {f"{one.name}={getattr(default, one.name)!r}" for one in fields(Settings) if one.name != "specs"}
    arguments = ", ".join(argument for argument in changed if argument not in plain)
    title = f", title={result.title!r}" if result.title else ""
    code = (
        "from pathlib import Path; from halflife.lab import Settings, Study; "
        f"Study(Settings({arguments}), Path({str(result.ledger.parent)!r}){title}).run()"
    )
    return shlex.join(["python", "-c", code])
