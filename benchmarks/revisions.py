"""An earlier revision of halflife as a package of another name, so that both can be imported in one process."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
NAME = "halflife_old"

_RENAMED = (  # absolute imports, and the names of operators, of which a process has one each
    (re.compile(r"^(\s*)import halflife$", re.MULTILINE), rf"\1import {NAME} as halflife"),
    (re.compile(r"^(\s*)(from|import) halflife\b", re.MULTILINE), rf"\1\2 {NAME}"),
    (re.compile(r'"halflife::'), f'"{NAME}::'),
)


def imported(revision: str) -> ModuleType:
    """That revision's package, from ``build/REVISION``, where it is put and built if it is not there yet."""
    if "HALFLIFE_LIBRARY" in os.environ:
        raise SystemExit("HALFLIFE_LIBRARY would give both versions one library; unset it.")
    commit = _git("rev-parse", "--short=10", f"{revision}^{{commit}}").decode().strip()
    folder = ROOT / "build" / commit
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _unpack(commit, folder)
        _build(folder)
        (folder / "complete").touch()
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(NAME)
    finally:
        sys.path.remove(str(folder))


def _unpack(commit: str, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(_git("archive", commit, "src/halflife", "native"))) as archive:
        archive.extractall(folder, filter="data")
    package = (folder / "src" / "halflife").rename(folder / NAME)
    for path in package.rglob("*.py"):
        text = renamed = path.read_text(encoding="utf-8")
        for pattern, replacement in _RENAMED:
            renamed = pattern.sub(replacement, renamed)
        if renamed != text:
            path.write_text(renamed, encoding="utf-8")


def _build(folder: Path) -> None:
    """The native library of that revision, as an install builds it, put where its Python side looks for it."""
    beside = Path(sys.executable).with_name("cmake")
    cmake = str(beside) if beside.exists() else shutil.which("cmake")
    if cmake is None or shutil.which("g++") is None:
        raise SystemExit("the earlier revision's native engine needs g++ and cmake: .venv/bin/pip install cmake")
    print(f"Building the native engine of {folder.name} (about a minute) …", file=sys.stderr)
    compiler = f"-DCMAKE_CXX_COMPILER={shutil.which('g++')}"
    for command in (
        [cmake, "-S", str(folder / "native"), "-B", str(folder / "cmake"), compiler],
        [cmake, "--build", str(folder / "cmake"), "--parallel"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    shutil.copy(folder / "cmake" / "libhalflife_native.so", folder / NAME / "engines")


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)} failed: {done.stderr.decode().strip()}")
    return done.stdout
