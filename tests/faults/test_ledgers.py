"""What a disk, a folder and a second driver can do to a ledger: a sentence, and nothing that was finished is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.lab.store.ledger import Ledger

STUDY = [
    *("study", "digits", "--seeds", "1", "--epochs", "1", "--batch-size", "100", "--lrs", "1e-3,1e-2"),
    *("--lambdas", "0.1,1", "--optimizer", "adam-p", "--workers", "1"),
]


def run(folder: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*STUDY, "--out", str(folder), *more])
    assert "Traceback" not in result.output
    return result.exit_code, result.stderr


def mounted(folder: Path, options: str) -> None:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted here")


def unmounted(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    mounted(folder, "size=256k")
    try:
        (folder / "filler").write_bytes(b"\0" * (256 * 1024 - 60 * 1024))
        code, said = run(folder, "--seeds", "40")
        assert code == 2
        assert said.startswith("Error: the ledger")
        assert "full" in said
        (folder / "filler").unlink()
        with sqlite3.connect(folder / "study.db") as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        unmounted(folder)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "fixed"
    mounted(folder, "size=1m")
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        code, said = run(folder)
        assert code == 2
        assert said.startswith("Error: the ledger")
        assert "choose another folder" in said
    finally:
        unmounted(folder)


def test_a_damaged_ledger(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == 0
    path = tmp_path / "study.db"
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    code, said = run(tmp_path)
    assert code == 2
    assert "malformed" in said or "damaged" in said
    assert path.read_bytes() == bytes(content), "a damaged ledger is left for its owner to mend"


def test_a_second_driver(tmp_path: Path) -> None:
    with Ledger(tmp_path / "study.db"):
        code, said = run(tmp_path)
    assert code == 2
    assert f"another study is running in {tmp_path} (process {os.getpid()})" in said
    assert run(tmp_path)[0] == 0


def test_a_ledger_of_another_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as ledger:
        ledger.execute("CREATE TABLE runs (key TEXT PRIMARY KEY, accuracy REAL)")
    code, said = run(tmp_path)
    assert code == 2
    assert "another version of halflife; choose another folder" in said
