"""Every block of Python on a page runs, those of one page one after the other, as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Each block's first line and its text, without the indent that it has in a tab or a list."""
    text = page.read_text(encoding="utf-8")
    found: list[tuple[int, str]] = []
    for match in BLOCK.finditer(text):
        lines = match[2].splitlines(keepends=True)
        found.append((text.count("\n", 0, match.start(2)), "".join(line.removeprefix(match[1]) for line in lines)))
    return found


WITH_CODE = [page for page in PAGES if blocks(page) and page.name != "many-gpus.md"]
"""That one's run on two processes, in tests/sharded."""


def test_there_are_pages_with_code() -> None:
    assert len(WITH_CODE) >= 5


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "page"}
    for line, block in blocks(page):
        exec(compile("\n" * line + block, str(page), "exec", dont_inherit=True), scope)
