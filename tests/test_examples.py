"""Every example runs: shortened here, in full with the slow tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
DATA = Path(os.environ.get("HALFLIFE_DATA", ROOT.parent / "shared" / "data"))


def run(name: str, folder: Path, *more: str) -> str:
    if name == "char_transformer" and not (DATA / "tinyshakespeare").is_dir():
        pytest.skip("no tiny-Shakespeare here")
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *more]
    environment = {**os.environ, "HALFLIFE_DATA": str(DATA)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_runs_shortened(name: str, tmp_path: Path) -> None:
    assert " s" in run(name, tmp_path, "--quick").splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_runs_in_full(name: str, tmp_path: Path) -> None:
    run(name, tmp_path)
