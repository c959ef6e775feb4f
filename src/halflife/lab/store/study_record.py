"""What the ledger says of a study beside its networks: the settings, the problem in words, the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..config.axis import AxisPoint
from ..config.optimizers import OptimizerSpec
from ..config.settings import Settings
from ..config.user_code import OwnTraining
from ..errors import StudyError
from ..machine import machine_facts
from ..problems import PROBLEMS, Problem
from ..result import Result


@dataclass(frozen=True)
class Record:
    """One row of the table of studies.

    ``job`` is what the key of every network hashes beside its optimizer and cell; ``command`` the command line that ran
    the study, empty where Python did; ``preset`` and ``scale`` name the reproduction that it is a condition of;
    ``machine`` holds the facts of the one that ran it, by the names of ``machine_facts``; ``point`` is where it lies
    on a third axis, if on one.
    """

    title: str
    name: str
    description: str
    unit: str
    chance: float | None
    job: Mapping[str, Any] = field(default_factory=dict[str, Any])
    command: str = ""
    preset: str = ""
    scale: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict[str, Any])
    point: AxisPoint | None = None


def record_of(result: Result) -> Record:
    """Of a study that was run here and now."""
    return Record(result.title, *_words(result.problem), machine=machine_facts(), point=result.point)


def _words(problem: Problem | OwnTraining) -> tuple[str, str, str, float | None]:
    return problem.name, problem.description, problem.unit, problem.chance


def read_record(stored: Mapping[str, Any], version: str) -> tuple[Settings, Record]:
    """What ``Study`` wrote. Raises ``KeyError``, ``TypeError`` or ``StudyError`` if it is something else."""
    problem = stored["problem"]
    chance = None if problem["chance"] is None else float(problem["chance"])
    words = (problem["name"], problem["description"], problem["unit"], chance)
    origin = {name: str(stored.get(name, "")) for name in ("command", "preset", "scale")}
    machine = {"halflife": version, "torch": stored.get("torch", ""), **stored.get("machine", {})}
    point = AxisPoint(*stored["axis"]) if "axis" in stored else None
    record = Record(stored["title"], *words, stored["job"], **origin, machine=machine, point=point)
    return _settings(stored["settings"], record.name, stored.get("specs", {})), record


def _settings(stored: Mapping[str, Any], problem: str, specs: Mapping[str, Any]) -> Settings:
    """As they were; a problem of the user's own by the form of its name alone, for its file need not be here."""
    known = {one.name for one in fields(Settings)}
    values: dict[str, Any] = {name: _tuple(value) for name, value in stored.items() if name in known}
    values["specs"] = {name: _spec(name, facts) for name, facts in specs.items()}
    if values.get("problem") not in PROBLEMS:
        values["problem"] = f"own.py:{problem}"
    return Settings(**values)


def stored_specs(settings: Settings) -> dict[str, Any]:
    """What a report must know of optimizers that are not the library's own, whose code need not be there then."""
    return {
        spec.name: {
            "label": spec.label,
            "equation": spec.equation,
            "lams": spec.lams,
            "lr_factor": spec.lr_factor,
            "identity": spec.identity,
            "multiplier": spec.multiplier,
            "matrix": spec.matrix,
        }
        for spec in settings.optimizer_specs()
        if spec.identity
    }


def _spec(name: str, facts: Mapping[str, Any]) -> OptimizerSpec:
    words = {key: _tuple(value) for key, value in facts.items() if key != "multiplier"}
    spec = OptimizerSpec(name, optimizer=_not_here, **words)
    spec.__dict__["multiplier"] = facts["multiplier"]  # what it was found to be
    return spec


def _not_here(*_: Any, **__: Any) -> Any:
    raise StudyError("an optimizer that was read from a ledger cannot train: its code is not kept there.")


def _tuple(value: Any) -> Any:
    """JSON knows lists only."""
    return tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


__all__ = ["Record", "read_record", "record_of", "stored_specs"]
