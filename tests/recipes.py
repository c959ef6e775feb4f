"""How the examples are run and read, by their tests here and by those beside the trainers."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
DATA = Path(os.environ.get("HALFLIFE_DATA") or Path(__file__).parents[2] / "shared" / "data").resolve()


def data_in(folder: Path) -> Path:
    """Where the examples find their files: Shakespeare of our own where there is no real one."""
    if (DATA / "tinyshakespeare").is_dir():
        return DATA
    (folder / "data" / "tinyshakespeare").mkdir(parents=True)
    text = "".join(f"Line {k}: to be or not to be, that is the question number {k * k}.\n" for k in range(9000))
    (folder / "data" / "tinyshakespeare" / "input.txt").write_text(text, encoding="utf-8")
    return folder / "data"


def run(path: Path, folder: Path, *arguments: str) -> list[str]:
    """The lines that the example prints in a process of its own, where a warning is an error."""
    command = [sys.executable, "-W", "error", "-W", "ignore:weight_decay=", str(path), *arguments]
    environment = {**os.environ, "HALFLIFE_DATA": str(data_in(folder)), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd=folder, env=environment, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def quick(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that ``main()`` prints here under ``--quick``: what it imports is there already."""
    monkeypatch.setenv("HALFLIFE_DATA", str(data_in(folder)))
    monkeypatch.setattr(sys, "argv", [str(path), "--quick"])
    monkeypatch.chdir(folder)
    spec = spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    capsys.readouterr()
    module.main()
    return capsys.readouterr().out.splitlines()


def doc_of(path: Path) -> str:
    """Its text, which is a page of the documentation."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def printed(path: Path) -> list[str]:
    """What the text says that the example prints: its last block."""
    block = doc_of(path).partition("It prints:\n\n")[2].splitlines()
    assert all(line.startswith("    ") for line in block)
    return [line[4:] for line in block]


def masked(line: str) -> str:
    """A line without its numbers."""
    return re.sub(r"[\d.,]*\d", "#", line)


def numbers(line: str) -> list[float]:
    """The numbers of a line, without their signs."""
    return [float(x.replace(",", "")) for x in re.findall(r"[\d,]*\.?\d+(?:e[+-]?\d+)?", line)]
