"""CONTRIBUTING's example runs as it stands there, and gets what it is promised; files and names in it are real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import halflife
from halflife import engines, registry, rules
from halflife.engines import group_step, native_table
from halflife.optim import groups, optimizer, plan, stepper
from halflife.sharded import stand_ins

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
WORDS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
NEW = re.compile(r"agreement\.(py|hpp)$")
"""The files of the example, which are yet to be written."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where the example is a module that an installed distribution names."""
    (tmp_path / "agreement.py").write_text(EXAMPLE, encoding="utf-8")
    about = tmp_path / "agreement-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: agreement\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[halflife.rules]\nagreement = agreement\n", encoding="utf-8")
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    return done.stdout


def test_the_example_is_what_its_oracle_says_and_holds_what_listed_rules_promise(environment: dict[str, str]) -> None:
    table = ["tests/conformance/test_promises.py", "tests/conformance/test_declarations.py"]
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:random_order", "-k", "Agreement"]
    passed = re.search(r"(\d+) passed", run(environment, "-m", "pytest", *table, *options))
    assert passed
    assert int(passed[1]) >= 30


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return m / D, D, {", "return -m / D, D, {"),
        ('StateSpec("mean"), ', 'StateSpec("other"), '),
        ("lr * lam * w", "lr * w"),
    ],
)
def test_the_example_fails_where_it_is_wrong(environment: dict[str, str], right: str, wrong: str) -> None:
    assert right in EXAMPLE
    with pytest.raises(AssertionError, match=r"AssertionError|KeyError|TypeError"):
        run(environment, "-c", EXAMPLE.replace(right, wrong))


PATHS = sorted({word for word in WORDS if re.fullmatch(r"[\w./-]+(/|\.(py|hpp|cpp|h|def|md))", word)})


@pytest.mark.parametrize("path", PATHS)
def test_files_that_it_names_are_there(path: str) -> None:
    folders = [ROOT, ROOT / "src" / "halflife", ROOT / "tests" / "conformance", *(ROOT / "src" / "halflife").glob("*/")]
    assert NEW.search(path) or any((folder / path).exists() for folder in folders)


CLASSES: list[Any] = [
    halflife.Optimizer,
    stepper.Stepper,
    plan.Plan,
    groups.GroupView,
    group_step.GroupStep,
    native_table.Table,
    engines.Choice,
    engines.GlobalGradOptions,
    rules.Rule,
    registry.RuleEntry,
    stand_ins.Shards,
]


def test_the_chain_of_a_step_is_short_and_its_calls_exist() -> None:
    chain = re.search(r"## The chain of calls .*?\n\n(.*?)\n\n", TEXT, flags=re.DOTALL)
    assert chain
    assert 5 <= chain[1].count("\n") + 1 <= 10
    classes = {kind.__name__: kind for kind in CLASSES}
    named = [word.split(".") for word in re.findall(r"`([A-Z]\w+\.\w+)`", chain[1])]
    assert len(named) >= 8
    for kind, name in named:
        assert hasattr(classes[kind], name) or name in classes[kind].__dataclass_fields__, f"{kind}.{name}"
    assert callable(engines.choose)
    assert optimizer.Optimizer is halflife.Optimizer
