"""Results out of the lab: a row a network, for pandas, R or a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

from .errors import StudyError
from .result import Result
from .store.ledger import RunRecord

LEFT_OUT = ("key", "curves", "lam")
FORMATS = ("csv", "json", "parquet")


def rows_of_results(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A mapping for each finished network: study, where it lies on an axis, optimizer, lr, weight_decay, seed, its
    scores, its seconds.
    """
    return [
        {
            "study": result.title,
            **({} if result.point is None else {result.point.name: result.point.value}),
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
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
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
        raise StudyError(f"parquet needs pandas and pyarrow ({error}): pip install 'halflife-optim[frames]'") from None
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
        raise StudyError(
            "a data frame needs pandas, which is not installed: pip install 'halflife-optim[frames]'"
        ) from None
    return pandas.DataFrame([*rows])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


__all__ = ["FORMATS", "frame_of", "rows_of_results", "write_rows"]
