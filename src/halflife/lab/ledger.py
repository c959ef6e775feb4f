"""Where results are kept: one SQLite file, each result written once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import StudyError


@dataclass(frozen=True)
class Run:
    """One trained network. ``key`` is ``key_of`` everything that its result depends on.

    A score that is not finite is stored as NULL and comes back as NaN. ``seconds`` is its share of the wall time of
    the replicas trained together with it.
    """

    key: str
    problem: str
    optimizer: str
    lr: float
    lam: float
    seed: int
    epochs: int
    version: str
    train_loss: float
    train_error: float
    val_loss: float
    val_error: float
    test_loss: float
    test_error: float
    weight_norm: float
    diverged: bool
    seconds: float


def key_of(job: Mapping[str, Any]) -> str:
    """The hash of a job: the same for the same settings in whatever order, another one if anything differs."""
    return sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:32]


_TYPES = {"str": "TEXT", "float": "REAL", "int": "INTEGER", "bool": "INTEGER"}
_NAMES = [field.name for field in fields(Run)]
_COLUMNS = ", ".join(f"{f.name} {_TYPES[str(f.type)]}{' PRIMARY KEY' * (f.name == 'key')}" for f in fields(Run))
_TABLES = (
    f"CREATE TABLE IF NOT EXISTS runs ({_COLUMNS})",
    "CREATE TABLE IF NOT EXISTS studies (key TEXT PRIMARY KEY, settings TEXT, version TEXT, started TEXT)",
)


class Ledger:
    """The results in ``path``, a context manager; what is there already is never written over.

    Raises ``StudyError`` if the file or its folder cannot be made or written, or is no ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path)
        try:
            with self._explained(), self._connection:
                self._connection.execute("PRAGMA journal_mode=WAL")
                for table in _TABLES:
                    self._connection.execute(table)
        except StudyError:
            self._connection.close()
            raise

    def open_study(self, settings: Mapping[str, Any], version: str) -> None:
        """Note what is being tried, once for the same settings and version."""
        row = (key_of({**settings, "version": version}), json.dumps(settings), version)
        with self._explained(), self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO studies VALUES (?, ?, ?, ?)", (*row, datetime.now(timezone.utc).isoformat())
            )

    def record(self, runs: Iterable[Run]) -> None:
        """Write all of these or none; a key that is there already keeps what it has."""
        marks = ", ".join("?" * len(_NAMES))
        with self._explained(), self._connection:
            self._connection.executemany(f"INSERT OR IGNORE INTO runs VALUES ({marks})", [astuple(run) for run in runs])

    def find(self, keys: Iterable[str]) -> dict[str, Run]:
        """Those of these jobs that are done."""
        wanted = set(keys)
        with self._explained():
            rows = self._connection.execute(f"SELECT {', '.join(_NAMES)} FROM runs").fetchall()
        return {row[0]: _run(row) for row in rows if row[0] in wanted}

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise StudyError(
                f"the ledger {self.path} cannot be used ({reason}); choose another folder or free this one."
            ) from error


def _run(row: tuple[Any, ...]) -> Run:
    values: dict[str, Any] = {
        name: float("nan") if value is None else value for name, value in zip(_NAMES, row, strict=True)
    }
    values["diverged"] = bool(values["diverged"])
    return Run(**values)
