"""The tables of a ledger, read only: no lock of the study's is taken, so it may be running."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StudyError
from .ledger import RunRecord

Row = dict[str, Any]


class Tables(NamedTuple):
    """Rows by column; ``studies`` in the order in which they were begun."""

    runs: list[Row]
    studies: list[Row]
    notes: dict[str, str]


def read_tables(path: Path) -> Tables:
    """Raises ``StudyError`` if there is no ledger, or none that can be read."""
    if not path.is_file():
        raise StudyError(f"there is no ledger {path}: name the folder that `halflife study --out` wrote.")
    log = path.with_name(f"{path.name}-wal")
    try:
        if not log.exists():
            tables = _read(path, immutable=True)
            if not log.exists():  # no study has begun meanwhile
                return tables
        return _read(path, immutable=False)
    except sqlite3.Error as error:
        raise StudyError(f"the ledger {path} cannot be read ({error}).") from error


def _read(path: Path, *, immutable: bool) -> Tables:
    """Beside a log SQLite wants its index of it; without one the file is all there is, and nothing is put beside it."""
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' * immutable}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # one view of all tables, whatever is written meanwhile
        return _tables(connection, path)


def _tables(connection: sqlite3.Connection, path: Path) -> Tables:
    columns = [str(row["name"]) for row in connection.execute("PRAGMA table_info(runs)")]
    wanted = [one.name for one in fields(RunRecord)]
    if not set(wanted) <= set(columns):
        raise StudyError(f"the ledger {path} is of another version of halflife, which this one cannot read.")
    runs = [dict(row) for row in connection.execute(f"SELECT {', '.join(wanted)} FROM runs")]
    studies = [dict(row) for row in connection.execute("SELECT * FROM studies ORDER BY started")]
    notes = {str(row["key"]): str(row["value"]) for row in connection.execute("SELECT key, value FROM notes")}
    return Tables(runs, studies, notes)
