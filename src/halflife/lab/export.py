"""Results out of the lab, a row a network, and anyone's runs into it, from a table with lr, λ, seed and error."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

from .analysis import Findings, findings
from .config.optimizers import HALF_DECADES, OptimizerSpec
from .config.settings import Settings
from .config.user_code import OwnTraining
from .errors import StudyError
from .result import Result
from .store.ledger import RunRecord, key_of

Counts = dict[tuple[str, float, float], int]
"""How often each optimizer, lr and λ has occurred."""

LEFT_OUT = ("key", "curves", "lam")
FORMATS = ("csv", "json", "parquet")
NAMES: dict[str, tuple[str, ...]] = {
    "lr": ("lr", "learning_rate", "learning rate"),
    "lam": ("lam", "lambda", "λ", "weight_decay", "wd", "weight decay"),
    "seed": ("seed",),
    "error": ("error", "val_error", "validation_error", "val_loss", "loss"),
    "optimizer": ("optimizer", "optim"),
    "test": ("test_error", "test_loss"),
}
"""What the columns of an imported table may be called, in any case."""


def rows_of_results(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A mapping for each finished network: study, optimizer, lr, weight_decay, seed, its scores, its seconds."""
    return [
        {
            "study": result.title,
            "optimizer": run.optimizer,
            "lr": run.lr,
            "weight_decay": run.lam,
            **{one.name: getattr(run, one.name) for one in fields(RunRecord) if one.name not in LEFT_OUT},
        }
        for result in results
        for runs in result.runs.values()
        for run in runs
        if run is not None
    ]


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path, form: str) -> Path:
    """As csv, json or parquet, which needs pandas. Raises ``StudyError`` if that cannot be."""
    try:
        if form == "csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        elif form == "json":
            clean = [{name: _json(value) for name, value in row.items()} for row in rows]
            path.write_text(json.dumps(clean, ensure_ascii=False, indent=1), encoding="utf-8")
        elif form == "parquet":
            frame_of(rows).to_parquet(path)
        else:
            raise StudyError(f"a study is exported as {', '.join(FORMATS)}, not as {form!r}.")
    except ImportError as error:
        raise StudyError(f"parquet needs pandas and pyarrow ({error}): pip install pandas pyarrow") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be written ({error.strerror or error}).") from error
    return path


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def frame_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A pandas DataFrame. Raises ``StudyError`` where pandas is not installed."""
    try:
        import pandas  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs, reportMissingImports]
    except ModuleNotFoundError:
        raise StudyError("a data frame needs pandas, which is not installed: pip install pandas") from None
    return pandas.DataFrame([*rows])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def import_runs(path: Path, unit: str = "error") -> Result:
    """A result of anyone's runs: a CSV file with a row each and columns lr, weight_decay and error at least.

    Beside them seed (else the rows of a cell are counted), optimizer (else the file's name) and test_error are read.
    The grid is that of all lr and λ that occur; a cell that lacks a seed is missing, an error that is not finite
    diverged. Raises ``StudyError`` if the file cannot be read or lacks a column.
    """
    rows = list(_read(path))
    by_optimizer: dict[str, list[RunRecord]] = {}
    for row in rows:
        by_optimizer.setdefault(row.optimizer, []).append(row)
    seeds = 1 + max(row.seed for row in rows)
    found, specs = list[Findings](), dict[str, OptimizerSpec]()
    runs = dict[str, Sequence[RunRecord | None]]()
    for name, own in by_optimizer.items():
        spec = OptimizerSpec(name, name, "as its user wrote it", _not_here, identity=f"imported from {path.name}")
        spec.__dict__["multiplier"] = ""
        lrs, lams = tuple(sorted({row.lr for row in own})), tuple(sorted({row.lam for row in own}))
        at = {(row.seed, row.lr, row.lam): row for row in own}
        runs[name] = [at.get((seed, lr, lam)) for seed in range(seeds) for lr in lrs for lam in lams]
        found.append(findings(spec, lrs, lams, runs[name], None, unit))
        specs[name] = spec
    problem = OwnTraining(_not_here, path.stem, f"the runs of {path.name}", unit=unit)
    baseline = _no_baseline(unit)
    grids = {one.spec.name: (one.lrs, one.lams) for one in found}
    settings = Settings(
        f"{path.stem}.py:problem",
        optimizers=tuple(specs),
        lrs={name: lrs for name, (lrs, _) in grids.items()},
        lams={name: lams for name, (_, lams) in grids.items()},
        seeds=seeds,
        specs=specs,
    )
    return Result(path.stem, settings, problem, found, baseline, runs, path, "elsewhere: read from a table")


def _no_baseline(unit: str) -> Findings:
    spec = OptimizerSpec("none", "no decay", "", _not_here, lams=HALF_DECADES[:1], identity="none")
    spec.__dict__["multiplier"] = ""
    return findings(spec, (1.0,), (1.0,), [None], None, unit)


def _read(path: Path) -> Iterator[RunRecord]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = _columns(reader.fieldnames or (), path)
            counts: Counts = {}
            known = False
            for line, row in enumerate(reader, 2):
                known = True
                yield _record(row, columns, counts, path, line)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not known:
        raise StudyError(f"{path} has no run: it needs a row for each, beneath the names of the columns.")


def _columns(given: Sequence[str], path: Path) -> dict[str, str]:
    lower = {name.strip().lower(): name for name in given}
    columns = {what: lower[name] for what, names in NAMES.items() for name in reversed(names) if name in lower}
    lost = [what for what in ("lr", "lam", "error") if what not in columns]
    if lost:
        words = " and ".join(" or ".join(NAMES[what]) for what in lost)
        raise StudyError(f"{path} lacks a column {words}; it has {', '.join(given) or 'none'}.")
    return columns


def _record(
    row: Mapping[str, str],
    columns: Mapping[str, str],
    counts: dict[tuple[str, float, float], int],
    path: Path,
    line: int,
) -> RunRecord:
    try:
        lr, lam, error = (float(row[columns[what]]) for what in ("lr", "lam", "error"))
        name = row[columns["optimizer"]] if "optimizer" in columns else path.stem
        place = counts[name, lr, lam] = counts.get((name, lr, lam), -1) + 1
        seed = int(float(row[columns["seed"]])) if "seed" in columns else place
        test = float(row[columns["test"]]) if "test" in columns else float("nan")
    except (TypeError, ValueError) as reason:
        raise StudyError(f"{path}, line {line}, cannot be read as a run ({reason}).") from None
    if not (lr > 0 and lam > 0) or error < 0 or seed < 0:
        raise StudyError(f"{path}, line {line}: lr and λ must be above 0, error and seed at least 0.")
    nothing = float("nan")
    key = key_of({"optimizer": name, "lr": lr, "lam": lam, "seed": seed})
    words = (
        key,
        path.stem,
        "own",
        name,
        lr,
        lam,
        seed,
        0,
        "",
        nothing,
        nothing,
        nothing,
        error,
        nothing,
        test,
        nothing,
    )
    return RunRecord(*words, diverged=not isfinite(error), seconds=nothing)


def _not_here(*_: Any, **__: Any) -> Any:
    raise StudyError("runs that were imported cannot be trained on.")


__all__ = ["FORMATS", "frame_of", "import_runs", "rows_of_results", "write_rows"]
