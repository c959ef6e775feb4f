"""A rule and a regularizer in a second distribution: once installed they get everything, and nothing is edited here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]

FOUND = """
import sys
from halflife import registry
names = [entry.name for entry in registry.entries()]
assert "ToyRule" not in names and "toy_rule" not in sys.modules
for _ in range(2):
    registry.load_plugins()
    assert [entry.name for entry in registry.entries()] == [*names, "ToyRule"]
assert registry.entry_named("toyrule").rule is sys.modules["toy_rule"].ToyRule
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the toy is installed, and halflife as it is here."""
    folder = tmp_path_factory.mktemp("extension")
    source, site = folder / "toy_rule", folder / "site"
    shutil.copytree(HERE / "toy_rule", source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    done = run([*pip, "--no-build-isolation", "--target", str(site), str(source)], dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_the_registry_finds_it_when_asked_and_not_before(environment: dict[str, str]) -> None:
    done = run([sys.executable, "-W", "error", "-c", FOUND], environment)
    assert done.returncode == 0, done.stderr


def test_it_gets_every_decay_engine_format_and_tool(environment: dict[str, str]) -> None:
    """Its own checks, and what the conformance table asks of each listed rule."""
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:random_order"]
    table = ROOT / "tests" / "conformance"
    files = [str(path) for path in (HERE / "check_toy.py", table / "test_promises.py", table / "test_declarations.py")]
    chosen = ["-o", "python_files=check_*.py test_*.py", "-k", "check_toy or ToyRule"]
    done = run([*pytest_, *files, *chosen], environment)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) >= 300
