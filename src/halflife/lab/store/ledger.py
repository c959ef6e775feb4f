"""Where results are kept: one SQLite file, each result written once, by one driver at a time."""

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

from ..errors import StudyError
from .lock import Lock


@dataclass(frozen=True)
class RunRecord:
    """One trained network. ``key`` is ``key_of`` everything that its result depends on.

    A score that is not finite is stored as NULL and comes back as NaN. ``seconds`` is its share of the wall time of
    the replicas trained together with it. ``curves`` is None, or float32 ``[3, epochs]`` as bytes, in the order of
    ``Curves``. ``metrics`` is JSON: what a training of the user's own returned beside the errors.
    """

    key: str
    problem: str
    model: str
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
    curves: bytes | None = None
    metrics: str = "{}"


def key_of(job: Mapping[str, Any]) -> str:
    """The hash of a job: the same for the same settings in whatever order, another one if anything differs."""
    return sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:32]


_TYPES = {"str": "TEXT", "float": "REAL", "int": "INTEGER", "bool": "INTEGER", "bytes | None": "BLOB"}
_NAMES = [field.name for field in fields(RunRecord)]
_COLUMNS = ", ".join(f"{f.name} {_TYPES[str(f.type)]}{' PRIMARY KEY' * (f.name == 'key')}" for f in fields(RunRecord))
_TABLES = (
    f"CREATE TABLE IF NOT EXISTS runs ({_COLUMNS})",
    "CREATE TABLE IF NOT EXISTS studies (key TEXT PRIMARY KEY, settings TEXT, version TEXT, started TEXT)",
    "CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT)",
)


class Ledger:
    """The results in ``path``, a context manager; what is there already is never written over.

    Raises ``StudyError`` if the file or its folder cannot be made or written, is damaged or no ledger of this version,
    or is in use by another driver.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(path.with_suffix(".lock"))
        try:
            with self._explained():
                self._connection = sqlite3.connect(path)
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        with self._explained(), self._connection:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            (health,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                raise sqlite3.DatabaseError(f"it is damaged: {health}")
            for table in _TABLES:
                self._connection.execute(table)
            names = [row[1] for row in self._connection.execute("PRAGMA table_info(runs)")]
        if names != _NAMES:
            raise StudyError(f"the ledger {self.path} is of another version of halflife; choose another folder.")

    def open_study(self, settings: Mapping[str, Any], version: str) -> None:
        """Note what is being tried, once for the same settings and version."""
        row = (key_of({**settings, "version": version}), json.dumps(settings), version)
        with self._explained(), self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO studies VALUES (?, ?, ?, ?)", (*row, datetime.now(timezone.utc).isoformat())
            )

    def settle(self, key: str, value: str) -> str:
        """What was settled for this key when it was first asked, now if it was not: a resumed study goes on alike."""
        with self._explained(), self._connection:
            self._connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (key, value))
            return self.settled(key) or value

    def settled(self, key: str) -> str | None:
        """What was settled for this key, if it was."""
        with self._explained():
            row = self._connection.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def record(self, runs: Iterable[RunRecord]) -> None:
        """Write all of these or none; a key that is there already keeps what it has."""
        marks = ", ".join("?" * len(_NAMES))
        with self._explained(), self._connection:
            self._connection.executemany(f"INSERT OR IGNORE INTO runs VALUES ({marks})", [astuple(run) for run in runs])

    def find(self, keys: Iterable[str]) -> dict[str, RunRecord]:
        """Those of these jobs that are done."""
        wanted = set(keys)
        with self._explained():
            rows = self._connection.execute(f"SELECT {', '.join(_NAMES)} FROM runs").fetchall()
        return {row[0]: _run(row) for row in rows if row[0] in wanted}

    def close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        self._lock.release()

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
                f"the ledger {self.path} cannot be used ({reason}); choose another folder or free this one. "
                "What was finished before is still there."
            ) from error


def _run(row: tuple[Any, ...]) -> RunRecord:
    values: dict[str, Any] = {
        name: float("nan") if value is None and name != "curves" else value
        for name, value in zip(_NAMES, row, strict=True)
    }
    values["diverged"] = bool(values["diverged"])
    return RunRecord(**values)
