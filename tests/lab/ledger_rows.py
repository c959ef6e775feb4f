"""What a ledger knows, for a comparison bit by bit."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def rows(folder: Path) -> list[tuple[object, ...]]:
    """All of the ledger but how long it took."""
    ledger = sqlite3.connect(folder / "study.db")
    names = [row[1] for row in ledger.execute("PRAGMA table_info(runs)") if row[1] != "seconds"]
    found = ledger.execute(f"SELECT {', '.join(names)} FROM runs ORDER BY key").fetchall()
    ledger.close()
    return found
