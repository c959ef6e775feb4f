"""Anyone's runs as a study: from a table with lr, λ and error, and seed, optimizer, test error and a third axis."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

from .analysis import Findings, findings
from .config.axis import AxisPoint, value_of
from .config.optimizers import OptimizerSpec
from .config.settings import Settings
from .config.user_code import OwnTraining
from .errors import StudyError
from .result import Result
from .store.ledger import RunRecord, key_of

NAMES: dict[str, tuple[str, ...]] = {
    "lr": ("lr", "learning_rate", "learning rate"),
    "lam": ("lam", "lambda", "λ", "weight_decay", "wd", "weight decay"),
    "seed": ("seed",),
    "error": ("error", "val_error", "validation_error", "val_loss", "loss"),
    "optimizer": ("optimizer", "optim"),
    "test": ("test_error", "test_loss"),
}
"""What the columns may be called, in any case."""


class ImportedRun(NamedTuple):
    """A run, and the text in the column of the axis."""

    run: RunRecord
    place: str


def import_runs(path: Path, unit: str = "error", axis: str | None = None) -> list[Result]:
    """A result of anyone's runs: a CSV file with a row each and columns lr, weight_decay and error at least.

    Beside them seed (else the rows of a cell are counted), optimizer (else the file's name) and test_error are read,
    and with ``axis`` the column of that name: then there is a result for each value in it. The grid is that of all lr
    and λ that occur; a cell that lacks a seed is missing, an error that is not finite diverged. Runs with λ = 0 are
    those without decay. Raises ``StudyError`` if the file cannot be read or lacks a column.
    """
    rows = list(_read(path, axis))
    if axis is None:
        return [_result(path, unit, [row.run for row in rows], None)]
    places = {row.place: value_of(row.place) for row in rows}
    numbers = not any(isinstance(value, str) for value in places.values())
    order: list[str] = sorted(places, key=lambda place: places[place]) if numbers else list(places)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [
        _result(path, unit, [row.run for row in rows if row.place == place], AxisPoint(axis, places[place]))
        for place in order
    ]


def _result(path: Path, unit: str, rows: Sequence[RunRecord], point: AxisPoint | None) -> Result:
    decayed = [row for row in rows if row.lam > 0]
    if not decayed:
        raise StudyError(f"λ must be above 0 in some run of {path}{f' at {point}' if point else ''}: there is none.")
    by_optimizer: dict[str, list[RunRecord]] = {}
    for row in decayed:
        by_optimizer.setdefault(row.optimizer, []).append(row)
    seeds = 1 + max(row.seed for row in rows)
    found = [_found(name, name, own, seeds, unit, path) for name, own in by_optimizer.items()]
    without = [row for row in rows if row.lam == 0]
    baseline = _found("none", "no decay", without or [], seeds, unit, path)
    runs = {one.spec.name: _placed(one, by_optimizer.get(one.spec.name, without)) for one in (*found, baseline)}
    problem = OwnTraining(_not_here, path.stem, f"the runs of {path.name}", unit=unit)
    settings = Settings(
        f"{path.stem}.py:problem",
        optimizers=tuple(one.spec.name for one in found),
        lrs={one.spec.name: one.lrs for one in found},
        lams={one.spec.name: one.lams for one in found},
        seeds=seeds,
        specs={one.spec.name: one.spec for one in found},
    )
    title = path.stem if point is None else f"{path.stem}, {point}"
    words = "elsewhere: read from a table"
    return Result(title, settings, problem, found, baseline, runs, path, words, point=point)


def _found(name: str, label: str, rows: Sequence[RunRecord], seeds: int, unit: str, path: Path) -> Findings:
    """Of one optimizer; of none of its runs, a grid that is empty."""
    spec = OptimizerSpec(name, label, "as its user wrote it", _not_here, identity=f"imported from {path.name}")
    spec.__dict__["multiplier"] = ""
    if not rows:
        return findings(spec, (1.0,), (1.0,), [None], None, unit)
    lrs, lams = tuple(sorted({row.lr for row in rows})), tuple(sorted({row.lam for row in rows}))
    return findings(spec, lrs, lams, _grid(rows, lrs, lams, seeds), None, unit)


def _placed(found: Findings, rows: Sequence[RunRecord]) -> list[RunRecord | None]:
    return _grid(rows, found.lrs, found.lams, len(found.val))


def _grid(rows: Sequence[RunRecord], lrs: Sequence[float], lams: Sequence[float], seeds: int) -> list[RunRecord | None]:
    """By seed, then lr, then λ; None where a run is missing."""
    at = {(row.seed, row.lr, row.lam): row for row in rows}
    return [at.get((seed, lr, lam)) for seed in range(seeds) for lr in lrs for lam in lams]


def _read(path: Path, axis: str | None) -> Iterator[ImportedRun]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = _columns(reader.fieldnames or (), path, axis)
            counts: dict[tuple[str, str, float, float], int] = {}
            known = False
            for line, row in enumerate(reader, 2):
                known = True
                yield _row(row, columns, counts, path, line)
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if not known:
        raise StudyError(f"{path} has no run: it needs a row for each, beneath the names of the columns.")


def _columns(given: Sequence[str], path: Path, axis: str | None) -> dict[str, str]:
    """Which column says what."""
    lower = {name.strip().lower(): name for name in given}
    columns = {what: lower[name] for what, names in NAMES.items() for name in reversed(names) if name in lower}
    lost = [" or ".join(NAMES[what]) for what in ("lr", "lam", "error") if what not in columns]
    if axis is not None and axis.strip().lower() not in lower:
        lost.append(axis)
    if lost:
        raise StudyError(f"{path} lacks a column {' and '.join(lost)}; it has {', '.join(given) or 'none'}.")
    return columns if axis is None else {**columns, "axis": lower[axis.strip().lower()]}


def _row(
    row: Mapping[str, str],
    columns: Mapping[str, str],
    counts: dict[tuple[str, str, float, float], int],
    path: Path,
    line: int,
) -> ImportedRun:
    try:
        lr, lam = (float(row[columns[what]]) for what in ("lr", "lam"))
        error = float(row[columns["error"]] or nan)
        name = row[columns["optimizer"]] if "optimizer" in columns else path.stem
        axis = row[columns["axis"]].strip() if "axis" in columns else ""
        place = counts[axis, name, lr, lam] = counts.get((axis, name, lr, lam), -1) + 1
        seed = int(float(row[columns["seed"]])) if "seed" in columns else place
        test = float(row[columns["test"]] or nan) if "test" in columns else nan
    except (TypeError, ValueError, AttributeError) as reason:
        raise StudyError(f"{path}, line {line}, cannot be read as a run ({reason}).") from None
    if not (lr > 0 and lam >= 0) or error < 0 or seed < 0:
        raise StudyError(f"{path}, line {line}: lr must be above 0 (λ, error and seed at least 0).")
    key = key_of({"axis": axis, "optimizer": name, "lr": lr, "lam": lam, "seed": seed})
    facts = key, path.stem, "own", name, lr, lam, seed, 0, ""
    scores = nan, nan, nan, error, nan, test, nan
    return ImportedRun(RunRecord(*facts, *scores, diverged=not isfinite(error), seconds=nan), axis)


def _not_here(*_: Any, **__: Any) -> Any:
    raise StudyError("runs that were imported cannot be trained on.")
