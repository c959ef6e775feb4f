"""The examples run as they stand: each as a smoke test, and whole when slow tests are asked for."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
DATA = Path(os.environ.get("HALFLIFE_DATA") or Path(__file__).parents[2] / "shared" / "data").resolve()

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def run(path: Path, folder: Path, *arguments: str) -> str:
    """What the example prints, run by itself; a Shakespeare of our own where there is no real one."""
    data = DATA
    if not (data / "tinyshakespeare").is_dir():
        data = folder / "data"
        (data / "tinyshakespeare").mkdir(parents=True)
        text = "".join(f"Line {k}: to be or not to be, that is the question number {k * k}.\n" for k in range(9000))
        (data / "tinyshakespeare" / "input.txt").write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-W", "ignore:weight_decay=", str(path), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "HALFLIFE_DATA": str(data)}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(line: str) -> list[float]:
    return [float(x.replace(",", "")) for x in re.findall(r"[\d,]*\.?\d+(?:e-?\d+)?", line)]


@each_example
def test_smoke(path: Path, tmp_path: Path) -> None:
    *table, last = run(path, tmp_path, "--quick").splitlines()
    assert len(table) >= 6
    assert re.search(r"; \d+ s$", last)


@each_example
def test_one_file_with_a_word_on_what_to_learn(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 120
    doc = ast.get_docstring(ast.parse(source)) or ""
    assert "What to learn from it:" in doc
    assert f"python examples/{path.name}" in doc


@pytest.mark.slow
def test_fine_tuning_toward_the_start_forgets_least(tmp_path: Path) -> None:
    lines = run(FOLDER / "fine_tune.py", tmp_path).splitlines()
    none = next(line for line in lines if line.startswith("none"))
    zero, init = (line for line in lines if "best on validation" in line)
    (none_new, none_old), (zero_new, _), (_, init_old) = (numbers(line)[1::2][:2] for line in (none, zero, init))
    assert zero_new > none_new + 2
    assert init_old > none_old + 10


@pytest.mark.slow
def test_a_proximal_l1_gives_exact_zeros_and_the_picture(tmp_path: Path) -> None:
    lines = run(FOLDER / "sparse_mlp.py", tmp_path).splitlines()
    proximal = [numbers(line.split(")")[1]) for line in lines if line.startswith("proximal")]
    in_loss = [numbers(line.split(")")[1]) for line in lines if line.startswith("in the loss")]
    assert max(exact for _, exact, _, accuracy, _ in proximal if accuracy > 90) > 80
    assert max(exact for _, exact, *_ in in_loss) < 1
    assert (tmp_path / "sparse_mlp.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_half_life_in_tokens_stays_right_when_the_batch_changes(tmp_path: Path) -> None:
    if not (DATA / "tinyshakespeare").is_dir():
        pytest.skip(f"no tinyshakespeare in {DATA}")
    rows = [
        numbers(line.split("tokens")[-1] if "tokens" in line else line)
        for line in run(FOLDER / "char_transformer.py", tmp_path).splitlines()[2:-1]
    ]
    none, _, half, eight, small, number = (row[-1] for row in rows)
    assert half < none - 0.05
    assert abs(eight - half) < 0.05
    assert small < number - 0.03
