"""The distribution is called halflife-optim in every text: ``pip install halflife`` would fetch another's package."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")),
    *(path for folder in ("src", "docs", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.[mp][dy]")),
]
OTHERS = re.compile(r"pip install [^\n`]*?\bhalflife\b(?!-optim)|(?<![\w-])halflife\[[a-z]")


def test_the_pattern_knows_ours_from_another() -> None:
    for text in ("pip install halflife", "pip install -U 'halflife[lab]'", '"halflife[test]"'):
        assert OTHERS.search(text)
    for text in ("pip install halflife-optim", "pip install 'halflife-optim[lab]'", "import halflife"):
        assert not OTHERS.search(text)


def test_every_text_names_the_distribution() -> None:
    assert 'name = "halflife-optim"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(TEXTS) > 100
    assert not [(path, found) for path in TEXTS for found in OTHERS.findall(path.read_text(encoding="utf-8"))]
